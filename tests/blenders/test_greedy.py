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
    """Also where one entry has ties, as of a small tree, and another's probabilities are ranks."""
    rng = np.random.default_rng(0)
    target = (rng.random(8000) < share_of_positives).astype(int)
    logits = 2.0 * target[:, None] + rng.normal(size=(8000, 3)) * [1, 2, 3] - 5.0
    positive = 1 / (1 + np.exp(-np.c_[logits[:, 0], np.round(logits[:, 1]), logits[:, 2]]))
    positive[:, 2] = positive[:, 2].argsort().argsort() / 8000
    oof, counts = np.stack([1 - positive, positive], axis=2), np.array([2, 0, 1])
    errors = candidate_errors(seen(oof, target, "auc"), max_rows=8000, rng=np.random.default_rng(0))
    for before in (counts, np.zeros(3, dtype=int)):
        blends = [(before + extra) / (before.sum() + 1) for extra in np.eye(3)]
        found = errors(before, np.full(3, True))
        np.testing.assert_allclose(found, [error(oof, target, "auc", own) for own in blends], atol=1e-4)


@pytest.mark.parametrize(("n_entries", "metric"), [(3, "rmse"), (7, "mae"), (30, "rmse")])
def test_without_entries_a_bag_selects_as_if_they_could_not_be_taken(n_entries: int, metric: str) -> None:
    """Whatever it may begin from; and others fill it up where hardly any are left."""
    oof, target = values(200, list(np.linspace(1.0, 3.0, n_entries)))
    errors = candidate_errors(seen(oof, target, metric), max_rows=1000, rng=np.random.default_rng(0))
    n_same = 0
    for bag in greedy._bags(n_entries, errors, greedy.Options(steps=5, bags=4), np.random.default_rng(1)):
        own = bag.order[: bag.size]
        for left in [*np.arange(n_entries)[:, None], own[:-1], own[1:], np.delete(own, 1)]:
            found = bag.without(left, errors, 5)
            others = [entry for entry in found.order[: found.size] if entry not in left]
            assert found.steps == greedy._select(errors, np.array(others), n_entries, 5, [])
            assert not found.share[left].any()
            n_same += found is bag
            refilled = [entry for entry in bag.order if entry not in left][: greedy.SMALLEST_BAG]
            assert found is bag or others[: len(refilled)] == refilled
    assert n_same > 0


def test_an_entry_that_no_bag_has_taken_changes_nothing_by_its_absence() -> None:
    oof, target = values(200, list(np.linspace(1.0, 3.0, 30)))
    each = [np.array([entry]) for entry in range(30)]
    known, options = seen(oof, target, "rmse"), greedy.Options(steps=5)
    whole, *others = (own.weights for own in greedy.fit_without(known, each, seed=0, options=options))
    assert all(weights[entry] == 0.0 and np.isclose(weights.sum(), 1.0) for entry, weights in enumerate(others))
    same = [(weights == whole).all() for weights in others]
    assert 0 < sum(same) <= (whole == 0).sum()


def test_of_one_class_many_rows_are_in_no_order() -> None:
    oof, _ = probabilities(8000, [1.0, 1.0], 2)
    assert fit(oof, np.zeros(8000, dtype=int), "auc").tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("metric", "n_rows"), [("rmse", 300), ("log_loss", 300), ("auc", 300), ("auc", 8000)])
def test_an_entry_without_a_prediction_is_not_taken_for_the_best(metric: str, n_rows: int) -> None:
    oof, target = values(n_rows, [1.0] * 7) if metric == "rmse" else probabilities(n_rows, [1.0] * 7, 2)
    oof[3, 2] = np.nan
    weights = fit(oof, target, metric)
    assert weights.sum() == pytest.approx(1.0)
    assert np.isfinite(weights).all()


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
