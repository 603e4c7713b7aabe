"""Small tables and folds without any leak, for tests that plant one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.metrics import log_loss, rmse
from pipeline.types import Metric, Table, Task


def make_table(seed: int = 0, n_train: int = 400, n_test: int = 200, *, classes: bool = False) -> Table:
    """Return a clean table: numbers, small whole numbers and levels, a target that they explain in part."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test
    rows = pd.DataFrame({f"x{place}": rng.normal(size=n) for place in range(4)})
    rows["rooms"] = rng.integers(1, 9, n).astype(float)
    rows["street"] = pd.Categorical(rng.choice(["a", "b", "c", "d"], n))
    signal = rows["x0"] + 0.3 * rows["rooms"] + (rows["street"] == "a") + rng.normal(size=n)
    target = signal.to_numpy()[:n_train]
    task = Task("regression", Metric.from_module(rmse))
    if classes:
        task = Task("multiclass", Metric.from_module(log_loss), ("one", "two", "three"))
        target = np.searchsorted(np.quantile(target, [1 / 3, 2 / 3]), target)
    parts = rows.iloc[:n_train].reset_index(drop=True), rows.iloc[n_train:].reset_index(drop=True)
    return Table(task, *parts, target, rng.permutation(n)[:n_train], np.arange(n, n + n_test))


def with_column(table: Table, name: str, train: Any, test: Any) -> Table:
    return replace(table, train=table.train.assign(**{name: train}), test=table.test.assign(**{name: test}))


def severities(findings: list) -> list[str]:
    return sorted(finding.severity for finding in findings if finding.severity != "note")
