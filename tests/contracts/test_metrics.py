"""What holds for every metric plug-in; a new file in pipeline/metrics/ is tested by being there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import plugins
from pipeline.types import Metric

NAMES = plugins.names("metrics")
every_metric = pytest.mark.parametrize("name", NAMES)


def module(name):
    return plugins.load(plugins.find("metrics", name, where="test"))


def rows(name: str, seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a target, a prediction (n, n_outputs) and the perfect prediction that suit the metric."""
    rng, tasks = np.random.default_rng(seed), module(name).TASKS
    if "regression" in tasks:
        target = rng.gamma(2.0, 10.0, n) + 0.1
        return target, (target * rng.uniform(0.3, 2.0, n))[:, None], target[:, None]
    n_classes = 4 if "multiclass" in tasks else 2
    target = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    return target, rng.dirichlet(np.ones(n_classes), n), np.eye(n_classes)[target]


@every_metric
def test_declares_what_it_is(name):
    metric = module(name)
    assert set(metric.TASKS) <= {"regression", "binary", "multiclass"}
    assert metric.TASKS
    assert metric.READS in {"value", "label", "probability"}
    assert (metric.READS == "value") == ("regression" in metric.TASKS)
    assert isinstance(metric.GREATER_IS_BETTER, bool)
    decisions = {"value": {"plain", "shift"}, "label": {"plain", "weights", "cuts"}, "probability": {"plain"}}
    assert Metric.from_module(metric).decision in decisions[metric.READS]
    assert metric.__doc__


@pytest.mark.parametrize("name", [name for name in NAMES if "regression" in module(name).TASKS])
def test_of_several_targets_it_is_the_mean_of_their_scores(name):
    metric = Metric.from_module(module(name))
    (one, guess, _), (other, another, _) = rows(name, 0), rows(name, 1)
    both = metric.score(np.column_stack([one, other]), np.concatenate([guess, another], axis=1))
    assert both == pytest.approx((metric.score(one, guess) + metric.score(other, another)) / 2)


@every_metric
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_perfect_is_the_optimum_and_nothing_is_better(name, seed):
    metric = Metric.from_module(module(name))
    target, prediction, perfect = rows(name, seed)
    assert metric.error(target, perfect) == pytest.approx(0.0, abs=1e-12)
    assert metric.error(target, prediction) > 0
    assert metric.as_score(metric.error(target, prediction)) == pytest.approx(metric.score(target, prediction))


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "WORST")])
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_nothing_is_worse_than_the_worst_which_the_opposite_of_the_truth_is(name, seed):
    metric = Metric.from_module(module(name))
    target, prediction, _ = rows(name, seed, n=np.random.default_rng(seed).integers(5, 20))
    worst = metric.as_error(metric.worst)
    assert worst > 0
    assert metric.error(target, prediction) <= worst * (1 + 1e-12)
    half = np.arange(20) % 2
    truth, opposite = (half + 1.0, -half[:, None] - 1.0) if metric.reads == "value" else (half, np.eye(2)[1 - half])
    assert metric.error(truth, opposite) == pytest.approx(worst)


@every_metric
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_order_of_rows_does_not_matter(name, seed):
    metric = Metric.from_module(module(name))
    target, prediction, _ = rows(name, seed)
    order = np.random.default_rng(seed).permutation(len(target))
    assert metric.score(target[order], prediction[order]) == pytest.approx(metric.score(target, prediction), rel=1e-12)


@every_metric
def test_inputs_stay_as_they_are(name):
    target, prediction, _ = rows(name, 0)
    before = target.copy(), prediction.copy()
    Metric.from_module(module(name)).score(target, prediction)
    np.testing.assert_array_equal(target, before[0])
    np.testing.assert_array_equal(prediction, before[1])


@pytest.mark.parametrize("name", [name for name in NAMES if module(name).READS != "label"])
def test_a_missing_prediction_is_never_a_number(name):
    metric = Metric.from_module(module(name))
    target, prediction, _ = rows(name, 0)
    prediction[7] = np.nan
    assert np.isnan(metric.score(target, prediction))
