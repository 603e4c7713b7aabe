"""Boosters on tables that are mostly noise: folds that stop early look at smaller trees, and take what is better."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import alternating

from pipeline.metrics import log_loss, rmse
from pipeline.models import catboost, histogram, lightgbm, xgboost
from pipeline.models._folds import Kind, Learnt, Lesson
from pipeline.models._inner import chosen
from pipeline.types import CrossFit, Metric, Table, Task

N = 22_000
FOLDS = alternating(N, 2, every=8)
SIZES = {catboost: {"depth": 9}, histogram: {"leaves": 100}, lightgbm: {"leaves": 100}, xgboost: {"depth": 9}}
VALUES, CLASSES = (
    Task("regression", Metric.from_module(rmse)),
    Task("binary", Metric.from_module(log_loss), ("no", "yes")),
)
each = pytest.mark.parametrize("model", SIZES, ids=lambda model: model.__name__.rpartition(".")[2])


def table(noise: float) -> Table:
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(N, 4)), columns=list("abcd"))
    y = X["a"].to_numpy() + np.abs(X["b"].to_numpy()) + noise * generator.normal(size=N)
    return Table(VALUES, X, X[:20], y, np.arange(N), np.arange(20))


def fit(model: ModuleType, data: Table, **settings: Any) -> CrossFit:
    recipe = model.Recipe(patience=20, **settings)
    return model.cross_fit({"entry": recipe}, data, FOLDS, seed=0, log=Heard())["entry"]


@each
def test_on_noise_smaller_trees_are_taken_and_are_better(model: ModuleType) -> None:
    data = table(noise=2.0)
    smaller, large = (fit(model, data, smaller=wanted) for wanted in (True, False))
    assert smaller.fold_errors.mean() < large.fold_errors.mean()


@each
def test_trees_whose_size_is_stated_keep_it(model: ModuleType) -> None:
    data = table(noise=2.0)
    np.testing.assert_array_equal(
        fit(model, data, **SIZES[model]).oof, fit(model, data, smaller=False, **SIZES[model]).oof
    )


@each
def test_they_are_looked_at_where_the_table_is_large_and_nothing_says_otherwise(model: ModuleType) -> None:
    def looks(n_rows: int, **settings: Any) -> bool:
        return bool(model.settled(model.Recipe(**settings), VALUES, n_rows).smaller)

    assert [looks(10_000), looks(10_001)] == [False, True]
    assert not looks(50_000, smaller=False)
    assert not any(looks(50_000, **{name: 1}) for name in model.Recipe.SMALLER)


@each
@pytest.mark.parametrize("task", [VALUES, CLASSES], ids=["values", "classes"])
def test_only_what_stops_early_looks_at_them(model: ModuleType, task: Task) -> None:
    settled = model.settled(model.Recipe(), task, 50_000)
    rounds = settled.EARLY / settled.lr
    other = settled.instead(rounds - 1, task)
    expected = {name: own[task is CLASSES] for name, own in model.Recipe.SMALLER.items()}
    assert other == settled.model_copy(update=expected)
    assert other != settled
    assert settled.instead(rounds, task) is None


@pytest.mark.parametrize(("loss", "taken"), [(0.9, True), (1.1, False)])
def test_the_stopping_rows_decide(loss: float, taken: bool) -> None:
    recipe = lightgbm.settled(lightgbm.Recipe(), VALUES, 50_000)
    other = recipe.instead(10, VALUES)

    def learn(lesson: Lesson) -> Learnt:
        return Learnt(None, 40, loss) if lesson.recipe == other else Learnt(None, 10, 1.0)

    kind = Kind("fake", learn, *[lambda *_: None] * 3)  # type: ignore[arg-type]
    found = chosen(kind, recipe, lambda *_: Lesson(recipe, VALUES, None, None, 0), FOLDS, (0, 0))  # type: ignore[arg-type]
    assert found == ({"rounds": 40, "recipe": other} if taken else {"rounds": 10})
