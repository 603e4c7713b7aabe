"""Small tables, folds and models for the tests of AutoGluon: each fit takes a second or two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from heard import Heard
from small_folds import dealt

from pipeline.models import autogluon
from pipeline.types import CrossFit, Folds, Metric, Table, Task

GBM: dict[str, Any] = {"GBM": [{"num_boost_round": 20, "min_data_in_leaf": 5}]}
CHEAP = GBM | {"RF": [{"n_estimators": 10}], "CAT": [{"iterations": 10}]}


def frame(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = pd.Categorical(rng.choice(["a", "b", "c"], n_rows), categories=["a", "b", "c"])
    first = np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows))
    return pd.DataFrame(
        {"first": first, "second": rng.normal(size=n_rows), "target": rng.normal(size=n_rows), "level": level}
    )


def table_of(target: np.ndarray, module: Any, n_classes: int = 0) -> Table:
    kind = {0: "regression", 2: "binary"}.get(n_classes, "multiclass")
    task = Task(kind, Metric.from_module(module), tuple(f"c{i}" for i in range(n_classes)))
    train, test = frame(len(target), 0), frame(40, 1)
    return Table(task, train, test, target, np.arange(len(target)), np.arange(40))


def learnable(n_rows: int) -> np.ndarray:
    rows = frame(n_rows, 0)
    return np.exp(5 + rows["second"].to_numpy() + 0.1 * rows["level"].cat.codes.to_numpy())


def folds_of(groups: np.ndarray, n_folds: int = 3, repeats: int = 1) -> Folds:
    """Folds that keep groups together; number each row for plain K-fold."""
    fold = np.zeros((repeats, len(groups)), dtype=int)
    for repeat, own in enumerate(fold):
        names = np.random.default_rng(repeat).permutation(np.unique(groups))
        for number, part in enumerate(np.array_split(names, n_folds)):
            own[np.isin(groups, part)] = number
    return dealt(fold, every=7)


def cross_fit(table: Table, folds: Folds, models: dict[str, Any], log: Heard | None = None) -> dict[str, CrossFit]:
    recipe = autogluon.Recipe.model_validate({"models": models})
    return autogluon.cross_fit({"ag": recipe}, table, folds, seed=3, log=log or Heard())
