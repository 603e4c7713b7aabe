"""Greedy selection: it finds what helps the metric, quickly and always the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.blenders import greedy
from pipeline.blenders._objective import candidate_errors
from pipeline.blenders._seen import Seen
from pipeline.metrics import accuracy, auc, f1_macro, log_loss, mae, r2, rmse
from pipeline.types import Metric

ERROR_OF = {
    m.__name__.rpartition(".")[2]: Metric.from_module(m) for m in (accuracy, auc, f1_macro, log_loss, mae, r2, rmse)
}


def values(n_rows: int, noise: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n_rows)
    return np.stack([target + rng.normal(scale=s, size=n_rows) for s in noise], axis=1)[:, :, None], target


def probabilities(n_rows: int, noise: list[float], n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(n_classes, size=n_rows)
    logits = np.eye(n_classes)[target][:, None] + rng.normal(size=(n_rows, len(noise), n_classes)) * np.c_[noise]
    oof = np.exp(logits)
    return oof / oof.sum(axis=2, keepdims=True), target


def seen(oof: np.ndarray, target: np.ndarray, metric: str) -> Seen:
    return Seen.of(oof, target, ERROR_OF[metric], np.zeros(len(oof)))


def fit(oof: np.ndarray, target: np.ndarray, metric: str, seed: int = 0, **options: object) -> np.ndarray:
    return greedy.fit_weights(seen(oof, target, metric), seed=seed, options=greedy.Options(**options))


def error(oof: np.ndarray, target: np.ndarray, metric: str, weights: np.ndarray) -> float:
    return ERROR_OF[metric].error(target, np.tensordot(oof, weights, (1, 0)))


@pytest.mark.parametrize("metric", ["rmse", "r2", "mae"])
def test_independent_errors_are_averaged_out(metric: str) -> None:
    oof, target = values(500, [1.0, 1.0, 1.0, 5.0])
    weights = fit(oof, target, metric)
    assert weights[3] < 0.1
    assert weights[:3].min() > 0.15
    single = min(error(oof, target, metric, w) for w in np.eye(4))
    assert error(oof, target, metric, weights) < 0.75 * single


@pytest.mark.parametrize(("metric", "n_classes"), [("log_loss", 3), ("auc", 2)])
def test_no_blend_is_worse_than_the_best_entry_on_its_own_rows(metric: str, n_classes: int) -> None:
    oof, target = probabilities(400, [1.0, 2.0, 4.0], n_classes)
    weights = fit(oof, target, metric, bags=1)
    assert error(oof, target, metric, weights) <= min(error(oof, target, metric, w) for w in np.eye(3)) + 1e-12


@pytest.mark.parametrize(("metric", "n_classes"), [("rmse", 0), ("log_loss", 3), ("auc", 2)])
def test_quick_formulas_agree_with_the_metric_itself(metric: str, n_classes: int) -> None:
    oof, target = probabilities(300, [1, 2, 3], n_classes) if n_classes else values(300, [1, 2, 3])
    counts, candidates = np.array([2, 0, 1]), np.array([True, False, True])
    errors = candidate_errors(seen(oof, target, metric), max_rows=1000, rng=np.random.default_rng(0))
    found = errors(counts, candidates)
    wanted = [error(oof, target, metric, (counts + extra) / 4) for extra in np.eye(3)[candidates]]
    np.testing.assert_allclose(np.sqrt(found) if metric == "rmse" else found, wanted, rtol=1e-12)


@pytest.mark.parametrize("share_of_positives", [0.5, 0.02])
def test_the_order_of_many_rows_is_counted_as_well_as_sorted(share_of_positives: float) -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(5000) < share_of_positives).astype(int)
    logits = 2.0 * target[:, None] + rng.normal(size=(5000, 3)) * [1, 2, 3] - 3.0
    logits[:, 2] = np.round(logits[:, 2])  # many ties, as of a small tree
    positive = 1 / (1 + np.exp(-logits))
    oof, counts = np.stack([1 - positive, positive], axis=2), np.array([2, 0, 1])
    known = seen(oof, target, "auc")
    counted = candidate_errors(known, max_rows=5000, rng=np.random.default_rng(0))(counts, np.full(3, True))
    sorted_ = [error(oof, target, "auc", (counts + extra) / 4) for extra in np.eye(3)]
    np.testing.assert_allclose(counted - counted[0], np.subtract(sorted_, sorted_[0]), atol=5e-5)


def test_of_a_large_library_the_best_by_themselves_are_selected_from() -> None:
    oof, target = values(300, list(np.linspace(1.0, 4.0, 80)))
    weights = fit(oof, target, "rmse", max_entries=20)
    by_error = np.argsort([error(oof, target, "rmse", own) for own in np.eye(80)])
    assert set(np.flatnonzero(weights)) <= set(by_error[:20])


@pytest.mark.parametrize("n_entries", [3, 7, 30, 70])
def test_without_an_entry_the_others_are_weighed_as_if_it_could_not_be_taken(n_entries: int) -> None:
    """As they were, where no bag has taken it; never by what is left out, and by a sum of 1."""
    oof, target = values(200, list(np.linspace(1.0, 3.0, n_entries)))
    known, options = seen(oof, target, "rmse"), greedy.Options(steps=5)
    left_out = [np.array([entry]) for entry in range(n_entries)] + [np.arange(n_entries - 1), np.arange(n_entries // 2)]
    whole, *others = (own.weights for own in greedy.fit_without(known, left_out, seed=0, options=options))
    for left, weights in zip(left_out, others, strict=True):
        assert weights[left].max() == 0.0
        assert weights.sum() == pytest.approx(1.0)
    assert sum((weights == whole).all() for weights in others) <= int((whole == 0).sum())
    one_bag = greedy.Options(bags=1, steps=5)
    entry = int(np.argmax(whole))
    found = greedy.fit_without(known, [np.array([entry])], seed=0, options=one_bag)[1].weights
    kept = np.delete(np.arange(n_entries), entry)
    alone = greedy.fit_weights(known.only(kept), seed=0, options=one_bag)
    if n_entries <= one_bag.max_entries:
        np.testing.assert_allclose(np.delete(found, entry), alone)


def test_what_each_entry_is_worth_costs_few_errors_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of forty entries forty more fits are asked for, of which most were never taken."""
    oof, target = values(200, [1.0, 1.1, *np.linspace(3.0, 9.0, 38)])
    known, n_errors = seen(oof, target, "mae"), 0
    error_of = candidate_errors(known, max_rows=1000, rng=np.random.default_rng(0))

    def counting(counts: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        nonlocal n_errors
        n_errors += int(candidates.sum())
        return error_of(counts, candidates)

    monkeypatch.setattr(greedy, "candidate_errors", lambda *_, **__: counting)
    greedy.fit_weights(known, seed=0, options=greedy.Options())
    of_one_fit, n_errors = n_errors, 0
    greedy.fit_without(known, [np.array([entry]) for entry in range(40)], seed=0, options=greedy.Options())
    assert n_errors < 8 * of_one_fit


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro"])
def test_for_labels_sureness_counts_more_than_a_lucky_row(metric: str) -> None:
    oof, target = probabilities(300, [1.0, 2.0], 2)
    assert (fit(oof, target, metric) == fit(oof, target, "log_loss")).all()


def test_of_equal_entries_the_first_is_taken() -> None:
    oof, target = values(100, [1.0])
    assert fit(np.repeat(oof, 3, axis=1), target, "rmse", bags=1).tolist() == [1.0, 0.0, 0.0]


def test_where_the_metric_is_undefined_the_weights_are_equal() -> None:
    oof, _ = probabilities(200, [1.0, 1.0], 2)
    assert fit(oof, np.zeros(200, dtype=int), "auc").tolist() == [0.5, 0.5]


def test_bags_spread_the_weight_and_depend_on_the_seed_alone() -> None:
    oof, target = values(200, list(np.linspace(1.0, 2.0, 12)))
    bagged = fit(oof, target, "rmse", seed=3, bags=20, steps=5)
    assert (bagged == fit(oof, target, "rmse", seed=3, bags=20, steps=5)).all()
    assert (bagged != fit(oof, target, "rmse", seed=4, bags=20, steps=5)).any()
    assert (bagged > 0).sum() > (fit(oof, target, "rmse", bags=1, steps=5) > 0).sum()


def test_a_small_library_is_not_bagged_into_chance() -> None:
    oof, target = values(300, [0.1, 5.0])
    assert fit(oof, target, "rmse", bags=10)[0] > 0.95


def test_three_hundred_entries_are_selected_from_without_a_look_at_the_rows() -> None:
    """Each of the 75 000 errors costs as little for many rows as for few."""
    oof, target = values(1000, list(np.linspace(1, 3, 300)))
    known = seen(oof, target, "rmse")
    blind = replace(known, oof=np.full_like(oof, np.nan), target=np.full_like(target, np.nan))
    weights, again = (greedy.fit_weights(one, seed=0, options=greedy.Options()) for one in (known, blind))
    assert weights[:150].sum() > 0.9
    np.testing.assert_array_equal(again, weights)
