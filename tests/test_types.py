"""What travels between stages: weights, and errors of out-of-fold predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_folds import dealt

from pipeline.metrics import rmse
from pipeline.types import Metric, Table, Task

RMSE = Metric.from_module(rmse)


def weighed(weight: list[float]) -> Table:
    rows, numbers = pd.DataFrame({"x": np.arange(4.0)}), np.arange(4)
    task = Task("regression", RMSE)
    return Table(task, rows, rows, numbers * 1.0, numbers, numbers, weight=np.array(weight))


def test_weights_are_1_on_average_over_the_rows_that_are_fitted() -> None:
    table = weighed([9.0, 1.0, 3.0, 5.0])
    np.testing.assert_allclose(table.weights(np.array([1, 2])), [0.5, 1.5])
    assert weighed([9.0, 2.0, 2.0, 5.0]).weights(np.array([1, 2])) is None


def test_every_fold_is_judged_by_its_own_repeats_predictions_of_the_rows_that_it_validates() -> None:
    folds = dealt(np.array([[0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 0, 1]]), every=2)
    off = np.array([[1.0, 1.0, 2.0, 2.0, 1.0, 2.0], [3.0, 4.0, 4.0, 3.0, 3.0, 4.0]])
    target = np.arange(6.0)
    assert folds.errors(RMSE, target, (target + off)[..., None]) == pytest.approx(np.array([[1, 2], [3, 4]]))
