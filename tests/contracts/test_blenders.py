"""What every blender must do; a new one is tested by being there."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from pipeline.engine import plugins
from pipeline.metrics import accuracy, auc, log_loss, mae, rmse
from pipeline.types import Metric

METRICS = [Metric.from_module(module) for module in (rmse, mae, log_loss, auc, accuracy)]


@pytest.fixture(params=plugins.names("blenders"))
def blender(request: pytest.FixtureRequest) -> ModuleType:
    return plugins.load(plugins.find("blenders", request.param, where="test"))


def example(metric: Metric, n_entries: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_entries)
    if metric.reads == "value":
        target = rng.normal(size=120)
        return target[:, None, None] + rng.normal(size=(120, n_entries, 1)), target
    target = np.arange(120) % 2
    odds = np.exp(np.eye(2)[target][:, None] + rng.normal(size=(120, n_entries, 2)))
    return odds / odds.sum(axis=2, keepdims=True), target


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("n_entries", [1, 2, 7])
def test_weights_are_convex_and_repeatable(blender: ModuleType, metric: Metric, n_entries: int) -> None:
    oof, target = example(metric, n_entries)
    kept = oof.copy(), target.copy()
    first, second = (blender.fit_weights(oof, target, metric, seed=5, options=blender.Options()) for _ in range(2))
    assert first.shape == (n_entries,)
    assert (first >= 0).all()
    assert first.sum() == pytest.approx(1.0, abs=1e-9)
    assert first.tobytes() == second.tobytes()
    np.testing.assert_array_equal(oof, kept[0])
    np.testing.assert_array_equal(target, kept[1])


def test_options_are_checked(blender: ModuleType) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        blender.Options(no_such_option=1)
