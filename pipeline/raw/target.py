"""The target of a competition, from typed raw rows: what models learn and the metric judges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError, nearest
from pipeline.targets import names_of
from pipeline.types import Metric, Task


def read_target(
    train: pd.DataFrame, schema: dict[str, Any], facts: Mapping[str, Any], metric: Metric
) -> tuple[Task, np.ndarray]:
    """Return the task and the target: values (n,), those of several targets (n, n_targets), or codes of the classes.

    train: typed raw rows; schema: of ingest, whose `classes` are in the order of their codes. Raises DataError for a
    target that is missing, of another type than the task says, or that the metric cannot judge.
    """
    names = names_of(facts["target"])
    for name in names:
        if train[name].isna().any():
            found = f"{_where(name)}: {int(train[name].isna().sum())} values are missing"
            raise DataError(found, hint="run ingest again")
    if facts["task"] == "regression":
        values = [_values(train[name], metric) for name in names]
        if len(names) == 1:
            return Task("regression", metric), values[0]
        return Task("regression", metric, targets=tuple(names)), np.column_stack(values)
    column = train[names[0]]
    classes = tuple(schema["classes"])
    codes = pd.Index(classes, dtype=object).get_indexer(pd.Index(column.astype(str)))
    if (codes < 0).any():
        unknown = column[codes < 0].iloc[0]
        found = f"{_where(names[0])}: label {unknown!r} is not among the classes"
        raise DataError(found, hint=nearest(str(unknown), classes))
    return Task(facts["task"], metric, classes), codes.astype(np.int64)


def _values(column: pd.Series, metric: Metric) -> np.ndarray:
    """Return a target of numbers that the metric can judge: under rmsle none is negative."""
    where = _where(column.name)
    if not pd.api.types.is_numeric_dtype(column) or not np.isfinite(column.astype(float)).all():
        raise DataError(f"{where}: not all values are numbers", hint="check task in competition.toml")
    target = column.to_numpy(dtype=np.float64)
    try:
        metric.score(target, target[:, None])
    except ValueError as error:
        raise DataError(f"{where}: {error}", hint="choose another metric in competition.toml") from error
    return target


def _where(target: object) -> str:
    return f"train.parquet of ingest, target '{target}'"
