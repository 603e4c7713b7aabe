"""Shifts: where the metric asks for a median, values move towards it, and nowhere else."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_folds import alternating

from pipeline.blenders import mean
from pipeline.blenders._blender import Blender
from pipeline.blenders._library import Library
from pipeline.blenders._shift import fit_shift
from pipeline.metrics import mae, mape, medae, r2, rmse, rmspe, smape
from pipeline.types import Metric


def skewed(seed: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each row's target, as models learn it, and a target whose noise is skewed and grows with it."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(1, 10, n_rows)
    return centre[:, None], centre * np.exp(rng.normal(0, 0.8, n_rows) - 0.32)


@pytest.mark.parametrize(("module", "gain"), [(mae, 0.03), (mape, 0.25), (smape, 0.02), (medae, 0.1), (rmspe, 0.2)])
def test_the_error_of_new_rows_falls(module: ModuleType, gain: float) -> None:
    metric = Metric.from_module(module)
    shift = fit_shift(*skewed(0, 2_000), metric)
    values, target = skewed(1, 20_000)
    assert metric.error(target, shift.apply(values)) < (1 - gain) * metric.error(target, values)


@pytest.mark.parametrize("module", [rmse, r2])
def test_a_metric_of_means_moves_nothing(module: ModuleType) -> None:
    values, target = skewed(0, 500)
    assert fit_shift(values, target, Metric.from_module(module)).apply(values) is values


def test_values_that_are_medians_already_stay() -> None:
    values, target = skewed(0, 2_000)
    medians = values * np.exp(-0.32)
    assert fit_shift(medians, target, Metric.from_module(mae)).apply(medians) is medians


def test_values_that_stray_evenly_are_left_where_they_are() -> None:
    """Nearer to the centre they would err less, but the average of several models strays less than they do."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    values, target = (truth + rng.normal(size=20_000))[:, None], truth + rng.normal(size=20_000)
    shift = fit_shift(values, target, Metric.from_module(mae))
    assert np.abs(shift.apply(values) - values).mean() < 0.03


@given(st.integers(1, 400), st.integers(0, 1000))
def test_any_number_of_rows_will_do(n_rows: int, seed: int) -> None:
    values, target = skewed(seed, n_rows)
    shift = fit_shift(values, target, Metric.from_module(mae))
    assert np.isfinite(shift.apply(np.linspace(-100, 100, 50)[:, None])).all()


def test_the_score_is_of_rows_that_the_shift_has_not_seen() -> None:
    values, target = skewed(3, 200)
    folds = alternating(200, 5)
    oof, metric, plain = values[None, :, None], Metric.from_module(mae), Blender(mean, mean.Options())
    library = Library(("m",), oof, oof[0, :9], target, metric, folds, False, oof[:, :9])
    changed = target.copy()
    changed[::5] = changed[::5][::-1]
    other = Library(**{**vars(library), "target": changed})
    first, second = (own.cross_fit([plain], 0, lambda: None)[0][0] for own in (library, other))
    np.testing.assert_array_equal(first[::5], second[::5])
    assert (first[1::5] != second[1::5]).any()
    assert (first != values).any()
