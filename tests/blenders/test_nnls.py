"""Non-negative least squares: the exact convex minimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blenders import nnls
from pipeline.blenders._seen import Seen
from pipeline.metrics import rmse
from pipeline.types import Metric

RMSE = Metric.from_module(rmse)


def fit(oof: np.ndarray, target: np.ndarray, **options: float) -> np.ndarray:
    return nnls.fit_weights(Seen.of(oof, target, RMSE, np.zeros(len(oof))), seed=0, options=nnls.Options(**options))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.floats(-1e6, 1e6))
def test_no_other_convex_weights_are_better(seed: int, n_entries: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=60) + shift
    oof = (target[:, None] + rng.normal(size=(60, n_entries)) * rng.uniform(0.1, 2, n_entries) + 0.3)[:, :, None]
    found = np.mean((oof[:, :, 0] @ fit(oof, target) - target) ** 2)
    for other in np.vstack([rng.dirichlet(np.ones(n_entries), size=200), np.eye(n_entries)]):
        assert found <= np.mean((oof[:, :, 0] @ other - target) ** 2) * (1 + 1e-6)


def test_known_weights_are_recovered() -> None:
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(500, 3))
    weights = fit(parts[:, :, None], parts @ [0.2, 0.0, 0.8])
    np.testing.assert_allclose(weights, [0.2, 0.0, 0.8], atol=1e-9)


def test_probabilities_are_fitted_to_the_class() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(3, size=300)
    good = np.eye(3)[target] * 0.6 + 0.4 / 3
    bad = rng.dirichlet(np.ones(3), size=300)
    weights = fit(np.stack([bad, good], axis=1), target)
    assert weights[1] > 0.95


def test_a_ridge_pulls_towards_equal_weights() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=200)
    oof = (target[:, None] + rng.normal(size=(200, 2)) * [0.5, 1.0])[:, :, None]
    loose, tight = fit(oof, target), fit(oof, target, ridge=100.0)
    assert loose[0] > tight[0] > 0.5
    assert tight[0] == pytest.approx(0.5, abs=0.01)


def test_perfect_entries_share_the_weight() -> None:
    target = np.arange(10.0)
    assert fit(np.stack([target, target], axis=1)[:, :, None], target).tolist() == [0.5, 0.5]
