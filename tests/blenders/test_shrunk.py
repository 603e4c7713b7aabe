"""Pulled weights: equal where nothing tells the entries apart, unequal where much does."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blenders import nnls, shrunk
from pipeline.blenders._choice import plausible
from pipeline.blenders._seen import Seen
from pipeline.blenders.shrunk import pulled
from pipeline.metrics import log_loss, mae, rmse
from pipeline.types import Metric

RMSE = Metric.from_module(rmse)


def fit(oof: np.ndarray, target: np.ndarray, metric: Metric = RMSE) -> np.ndarray:
    seen = Seen.of(oof, target, metric, np.arange(len(oof)) % 5)
    return shrunk.fit_weights(seen, seed=0, options=shrunk.Options())


def values(n_rows: int, noise: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=n_rows)
    return target[:, None, None] + rng.normal(size=(n_rows, len(noise), 1)) * np.array(noise)[:, None], target


def test_of_equally_good_entries_the_weights_are_nearer_to_equal_than_those_of_least_error() -> None:
    for seed in range(5):
        oof, target = values(150, [1.0] * 12, seed)
        seen = Seen.of(oof, target, RMSE, np.arange(150) % 5)
        loose = nnls.fit_weights(seen, seed=0, options=nnls.Options())
        assert np.abs(fit(oof, target) - 1 / 12).max() < 0.7 * np.abs(loose - 1 / 12).max()


@pytest.mark.parametrize("metric", [rmse, mae])
def test_a_useless_entry_has_hardly_any_weight(metric: ModuleType) -> None:
    oof, target = values(500, [1.0, 1.0, 1.0, 10.0])
    weights = fit(oof, target, Metric.from_module(metric))
    assert weights[3] < 0.05
    assert weights[:3].min() > 0.25


def test_a_few_values_that_no_entry_foresees_do_not_decide_the_weights() -> None:
    oof, target = values(500, [1.0, 1.5])
    wild = target.copy()
    wild[::51] += 100 * oof[::51, 1, 0]
    np.testing.assert_allclose(fit(oof, wild), fit(oof, target), atol=0.05)
    seen = Seen.of(oof, wild, RMSE, np.arange(500) % 5)
    uncut = shrunk.fit_weights(seen, seed=0, options=shrunk.Options(cut=1e9))
    assert np.abs(uncut - fit(oof, target)).max() > 0.15


def test_an_entry_that_foresees_wild_values_has_the_weight_for_it() -> None:
    oof, target = values(500, [1.0, 1.0, 1.0])
    target[::51] += 100.0
    oof[::51, 0] += 100.0
    assert fit(oof, target)[0] > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10), st.sampled_from([0.0, 0.5, 0.9]))
def test_few_targets_are_cut_and_none_that_an_entry_foresees(seed: int, most: float, zeros: float) -> None:
    oof, target = values(200, [1.0, 2.0], seed)
    target[: int(200 * zeros)] = 0.0
    seen = Seen.of(oof, target, RMSE, np.arange(200) % 5)
    cut, low, high = seen.cut(most).target, oof.min(axis=(1, 2)), oof.max(axis=(1, 2))
    assert (cut != target).sum() <= 4
    assert (cut == target)[(target >= low) & (target <= high)].all()


def test_a_metric_that_knows_certain_values_alone_is_asked_about_those() -> None:
    """Such as one that compares rounded predictions with whole numbers."""
    oof, target = values(300, [1.0, 3.0])
    target = np.round(target)
    target[::60] = 50.0

    def score(truth: np.ndarray, prediction: np.ndarray) -> float:
        if (truth != np.round(truth)).any():
            raise AssertionError("asked about a target that is none")
        return float(np.mean(np.round(prediction) == truth))

    own = Metric("own", "value", True, 1.0, score)
    assert fit(oof, target, own)[0] > 0.5


def test_a_useless_classifier_has_hardly_any_weight() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(3, size=300)
    good = np.eye(3)[target] * 0.6 + 0.4 / 3
    oof = np.stack([rng.dirichlet(np.ones(3), size=300), good], axis=1)
    assert fit(oof, target, Metric.from_module(log_loss))[1] > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.sampled_from([0.001, 0.03, 1.0, 30.0]))
def test_the_short_cut_finds_what_least_squares_finds(seed: int, n_entries: int, pull: float) -> None:
    oof, target = values(80, list(np.random.default_rng(seed).uniform(0.1, 3, n_entries)), seed)
    seen = Seen.of(oof, target, RMSE, np.zeros(80))
    wanted = nnls.fit_weights(seen, seed=0, options=nnls.Options(ridge=pull))
    gram = seen.grams.sum(axis=0)
    np.testing.assert_allclose(pulled(gram * n_entries / np.trace(gram), pull), wanted, atol=1e-6)


def test_ways_count_by_how_plausible_they_are() -> None:
    errors = np.array([[9.0, 3.1, 3.0], [9.0, 2.9, 3.0], [9.0, 3.2, 3.1]])
    far, near, lowest = plausible(errors)
    assert far < 1e-6
    assert 0.5 * lowest < near < lowest
    assert plausible(np.where(errors == 9, np.inf, errors))[0] == 0.0
    assert plausible(np.full((3, 2), np.inf)).tolist() == plausible(np.ones((3, 2))).tolist() == [0.5, 0.5]
    assert plausible(np.array([[1.0, 2.0]])).tolist() == [0.5, 0.5]


def test_many_entries_are_fitted_and_judged_as_often_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Least squares have as many rows as entries, and only blends of entries are judged on all rows."""
    judge, judged, fitted = Metric.error, list[int](), list[tuple[int, ...]]()

    def error(metric: Metric, target: np.ndarray, prediction: np.ndarray) -> float:
        judged.append(len(target))
        return judge(metric, target, prediction)

    def noted(gram: np.ndarray, pull: float) -> np.ndarray:
        fitted.append(gram.shape)
        return pulled(gram, pull)

    monkeypatch.setattr(Metric, "error", error)
    monkeypatch.setattr(shrunk, "pulled", noted)
    n_pulls, n_parts = len(shrunk.Options().pulls), 5
    for n_entries in (3, 300):
        fit(*values(500, list(np.linspace(1, 3, n_entries))))
        assert judged == [100] * n_parts * (1 + n_pulls)
        assert fitted == [(n_entries, n_entries)] * (n_parts + 1) * n_pulls
        judged.clear()
        fitted.clear()
