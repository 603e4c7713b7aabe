"""What is LightGBM's alone: thresholds by chance, groups of levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from model_cases import table
from small_folds import alternating

from pipeline.metrics import rmse
from pipeline.models import lightgbm
from pipeline.types import CrossFit, Metric, Table, Task

DATA = table("regression")
FOLDS = alternating(len(DATA.target), 3)


def fit(**settings: object) -> CrossFit:
    recipe = lightgbm.Recipe(rounds=40, lr=0.2, min_rows=3, stop_on="none", **settings)  # type: ignore[arg-type]
    return lightgbm.cross_fit({"a": recipe}, DATA, FOLDS, seed=0, log=Heard())["a"]


def train_error(entry: CrossFit) -> float:
    rows = FOLDS.train_rows(0, 0)
    return DATA.task.metric.error(DATA.target[rows], entry.fitted[0, 0].predict(DATA.train.iloc[rows]))


def test_extra_trees_know_train_less_well_and_the_rest_as_well() -> None:
    plain, extra = fit(), fit(extra_trees=True)
    assert train_error(extra) > 1.2 * train_error(plain)
    assert extra.fold_errors.mean() < 1.3 * plain.fold_errors.mean()
    np.testing.assert_array_equal(fit(extra_trees=True).oof, extra.oof)


def of_levels(n: int, n_levels: int = 6) -> Table:
    """A table with a column of levels that tells most of the target, and one of numbers that tells the rest."""
    generator = np.random.default_rng(0)
    codes, number = generator.integers(0, n_levels, n), generator.normal(size=n)
    train = pd.DataFrame({"number": number, "word": pd.Categorical.from_codes(codes, [*"abcdef"[:n_levels]])})
    y = 2.0 * number + np.array([-4.0, 4.0, -2.0, 2.0, 0.0, 5.0])[codes] + 0.3 * generator.normal(size=n)
    return Table(Task("regression", Metric.from_module(rmse)), train, train[:20], y, np.arange(n), np.arange(20))


def test_levels_of_a_small_table_are_split() -> None:
    data = of_levels(200)
    recipe = lightgbm.Recipe(rounds=200, stop_on="none")
    found = lightgbm.cross_fit({"a": recipe}, data, alternating(200, 3), seed=0, log=Heard())["a"]
    assert found.fold_errors.mean() < 0.4 * data.target.std()


@pytest.mark.parametrize(("n_rows", "expected"), [(12, 1), (400, 20), (2_000, 100), (9_000, 100), (50_000, 100)])
def test_groups_of_levels_have_a_twentieth_of_a_folds_rows(n_rows: int, expected: int) -> None:
    assert lightgbm.settled(lightgbm.Recipe(), DATA.task, n_rows).level_rows == expected
    assert lightgbm.settled(lightgbm.Recipe(level_rows=7), DATA.task, n_rows).level_rows == 7


def test_of_a_tiny_table_something_is_learnt() -> None:
    data, n = of_levels(20), 20
    found = lightgbm.cross_fit({"a": lightgbm.Recipe(rounds=100)}, data, alternating(n, 5), seed=0, log=Heard())["a"]
    assert found.fold_errors.mean() < 0.9 * data.target.std()
