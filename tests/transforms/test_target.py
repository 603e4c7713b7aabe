"""Target transforms: there and back, chosen with sense, and bounded where a network may go wild."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.metrics import accuracy, rmse, rmsle
from pipeline.transforms._skewness import skewness
from pipeline.transforms.recipe import Target
from pipeline.transforms.target import TargetTransform, fit_target, fit_targets, limited, read_transform
from pipeline.types import Metric, Task

RMSE, RMSLE = (Task("regression", Metric.from_module(metric)) for metric in (rmse, rmsle))
KINDS = get_args(Target)
every_kind = pytest.mark.parametrize("kind", KINDS)
prices = st.lists(st.floats(0.5, 1e7), min_size=3, max_size=60).map(np.array)


@every_kind
@settings(max_examples=30, deadline=None)
@given(target=prices)
def test_inverse_undoes_forward(kind, target):
    fitted = fit_target(kind, target, RMSE)
    np.testing.assert_allclose(fitted.inverse(fitted.forward(target)), target, rtol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_what_is_learnt_is_standardised(kind):
    target = np.random.default_rng(0).lognormal(12, 0.4, 500)
    learnt = fit_target(kind, target, RMSE).forward(target)
    assert learnt.mean() == pytest.approx(0.0, abs=1e-9)
    assert learnt.std() == pytest.approx(1.0)


@every_kind
def test_state_survives_json(kind):
    target = np.random.default_rng(0).lognormal(12, 0.4, 50)
    fitted = fit_target(kind, target, RMSE)
    again = TargetTransform.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again == fitted
    np.testing.assert_array_equal(again.inverse(np.linspace(-3, 3, 7)), fitted.inverse(np.linspace(-3, 3, 7)))


@pytest.mark.parametrize(
    ("task", "target", "shape"),
    [
        (RMSLE, np.arange(50.0), "log1p"),
        (RMSE, np.random.default_rng(0).lognormal(12, 0.7, 500), "log1p"),
        (RMSE, np.random.default_rng(0).normal(100, 5, 500), "identity"),
        (RMSE, np.random.default_rng(0).lognormal(2, 1, 500) - 3, "identity"),
        (RMSE, np.append(0.0, np.random.default_rng(0).lognormal(0, 1, 500)), "identity"),
        (RMSE, 100 - np.random.default_rng(0).lognormal(1, 0.5, 500), "identity"),
    ],
    ids=["judged by logarithms", "skewed", "symmetric", "negative", "not all positive", "skewed to the left"],
)
def test_auto_takes_the_logarithm_where_it_helps(task, target, shape):
    assert fit_target("auto", target, task).shape == shape


def test_a_value_that_is_there_several_times_has_the_middle_one_of_its_ranks():
    target = np.array([-2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0])
    learnt = fit_target("quantile", target, RMSE).forward(target)
    np.testing.assert_allclose(learnt, -learnt[::-1], atol=1e-12)


@pytest.mark.parametrize("kind", ["log1p", "log", "sqrt", "yeo-johnson", "quantile"])
def test_a_wild_prediction_stays_within_reason(kind):
    target = np.random.default_rng(0).lognormal(12, 0.4, 500)
    wild = fit_target(kind, target, RMSE).inverse(np.array([-1e6, 1e6]))
    assert np.isfinite(wild).all()
    assert 0 <= wild[0] < target.max()
    assert target.max() <= wild[1] < target.max() ** 2


@pytest.mark.parametrize(("kind", "target"), [("log", [0.0, 1.0]), ("log1p", [-2.0, 1.0]), ("sqrt", [-1.0, 1.0])])
def test_values_that_a_shape_cannot_take_are_refused(kind, target):
    with pytest.raises(ConfigError, match=f"'{kind}' cannot take 1 of 2 target values, the lowest is"):
        fit_target(kind, np.array(target), RMSE)


def test_a_constant_target_is_learnt_as_zero_and_given_back():
    fitted = fit_target("log1p", np.full(5, 7.0), RMSE)
    np.testing.assert_allclose(fitted.forward(np.full(5, 7.0)), 0.0, atol=1e-12)
    np.testing.assert_allclose(fitted.inverse(np.array([0.0, 3.0])), 7.0)


def counts():
    """A count that is small in 99 % of the rows, and different in each of the others."""
    generator = np.random.default_rng(0)
    tail = 21 + generator.choice(10_000, 500, replace=False)
    return np.concatenate([generator.binomial(20, 0.4, 49_500), tail]).astype(np.float64)


def test_quantiles_are_those_of_rows_however_often_values_repeat():
    target = counts()
    fitted = fit_target("quantile", target, RMSE)
    learnt = fitted.forward(target)
    assert abs(skewness(learnt[:, None])[0]) < 0.1
    assert np.median(learnt) == pytest.approx(0.0, abs=0.2)
    assert (np.diff(fitted.forward(np.unique(target))) > 0).all()
    np.testing.assert_allclose(fitted.inverse(learnt), target, rtol=1e-9)


def test_a_target_that_is_mostly_zero_is_put_back():
    target = np.where(np.arange(2_000) % 10 < 9, 0.0, np.arange(2_000) / 7)
    fitted = fit_target("quantile", target, RMSE)
    np.testing.assert_allclose(fitted.inverse(fitted.forward(target)), target, rtol=1e-9, atol=1e-9)
    assert fitted.inverse(np.array([-9.0])) == 0.0


def test_classes_are_not_transformed():
    with pytest.raises(ValueError, match="classes"):
        fit_target("auto", np.array([0, 1]), Task("binary", Metric.from_module(accuracy), ("0", "1")))


def test_predictions_of_any_shape_are_put_back():
    fitted = fit_target("log1p", np.random.default_rng(0).lognormal(3, 1, 90), RMSE)
    members = np.random.default_rng(1).normal(size=(4, 10, 1))
    assert fitted.inverse(members).shape == members.shape


@pytest.mark.parametrize("kind", ["auto", "log", "log1p", "sqrt"])
def test_a_stopping_row_below_what_was_fitted_is_learnt_as_the_lowest(kind):
    fitted = fit_target(kind, np.random.default_rng(0).lognormal(3, 1, 200), RMSE)
    assert fitted.shape in ("log1p", "log", "sqrt")
    low = fitted.forward(np.array([-5.0]))
    assert np.isfinite(low).all()
    assert low < fitted.forward(np.array([1.0]))


@pytest.mark.parametrize("kind", ["standardise", "log1p", "yeo-johnson"])
@pytest.mark.parametrize("overshoot", [0.0, 0.5])
def test_limited_predictions_leave_the_fitted_range_by_so_much_and_no_more(kind, overshoot):
    target = np.random.default_rng(0).lognormal(3, 1, 200)
    fitted = fit_target(kind, target, RMSE)
    kept = limited(fitted, target, overshoot)
    np.testing.assert_allclose(kept.inverse(fitted.forward(target)), target, rtol=1e-9)
    lowest, highest = fitted.forward(np.array([target.min(), target.max()]))
    reach = overshoot * (highest - lowest)
    wild = np.array([lowest - 9, highest + 9])
    np.testing.assert_allclose(kept.inverse(wild), fitted.inverse(np.array([lowest - reach, highest + reach])))


@every_kind
@pytest.mark.parametrize("overshoot", [None, 0.5])
def test_of_several_targets_each_is_transformed_by_itself(kind, overshoot):
    target = np.random.default_rng(0).lognormal(3, [0.2, 1.5], (90, 2))
    fitted = fit_targets(kind, target, RMSE, overshoot)
    alone = [fit_targets(kind, column, RMSE, overshoot) for column in target.T]
    again = read_transform(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    learnt = again.forward(target)
    np.testing.assert_array_equal(learnt, np.column_stack([alone[k].forward(target[:, k]) for k in (0, 1)]))
    np.testing.assert_array_equal(
        again.inverse(9 * learnt), np.column_stack([alone[k].inverse(9 * learnt[:, k]) for k in (0, 1)])
    )
