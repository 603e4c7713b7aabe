"""The choice among trials: a steady trial before a lucky one; and luck is found where there is nothing but luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.metrics import rmse
from pipeline.tuning.choice import optimism, safest
from pipeline.types import STOP, TRAIN, VALID, Folds, Metric, Table, Task


def test_a_fold_that_is_hard_for_all_says_nothing_about_a_trial() -> None:
    hard = np.array([[1.0, 1.0, 9.0]])
    better = hard - 0.1
    assert safest(np.stack([hard, better]), 0.25) == 1


def test_a_trial_that_is_lucky_in_one_fold_loses_to_a_steady_one() -> None:
    usual = np.array([[1.0, 1.0, 1.0, 1.0]])
    steady, lucky = usual - 0.1, usual - np.array([[0.5, 0.0, 0.0, 0.0]])
    assert lucky.mean() < steady.mean()
    assert safest(np.stack([usual, lucky, steady, usual]), 0.25) == 2


def test_with_one_fold_error_it_is_the_lowest() -> None:
    assert safest(np.array([[[3.0]], [[1.0]], [[2.0]]]), 0.25) == 1


def table_of(target: np.ndarray, groups: np.ndarray | None = None) -> Table:
    n = len(target)
    rows = pd.DataFrame({"x": np.zeros(n)})
    task = Task("regression", Metric.from_module(rmse))
    return Table(task, rows, rows, target, np.arange(n), np.arange(n), groups)


def folds_of(n: int) -> Folds:
    role = np.full((1, 2, n), TRAIN, dtype=np.int8)
    for fold in range(2):
        role[0, fold, fold::2] = VALID
        role[0, fold, 1 - fold] = STOP
    return Folds(role)


def test_the_best_of_many_guesses_at_noise_is_told_to_be_no_better_than_they_are() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=100)
    oofs = [generator.normal(size=(1, 100, 1)) * 0.3 for _ in range(40)]
    table, folds = table_of(target), folds_of(100)
    errors = [float(np.sqrt(np.mean((target - oof[0, :, 0]) ** 2))) for oof in oofs]
    corrected = min(errors) + optimism(table, folds, oofs, seed=0)
    assert abs(corrected - np.mean(errors)) < abs(min(errors) - np.mean(errors)) / 2


def test_one_trial_was_not_chosen() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=400)
    found = optimism(table_of(target), folds_of(400), [np.zeros((1, 400, 1))], seed=0)
    assert found == pytest.approx(0.0, abs=0.01)


def test_rows_of_a_group_are_drawn_together() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    target = np.repeat(generator.normal(size=10), 20)  # 200 rows that say as much as 10
    oofs = [np.repeat(generator.normal(size=10), 20).reshape(1, 200, 1) for _ in range(20)]
    apart = optimism(table_of(target), folds_of(200), oofs, seed=0)
    together = optimism(table_of(target, groups), folds_of(200), oofs, seed=0)
    assert together > apart
