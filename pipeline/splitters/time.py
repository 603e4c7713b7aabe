"""Forward chaining: each fold validates the next stretch of time and trains on what lies before it."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ConfigError
from pipeline.splitters._rows import Rows, Split


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    gap: float = Field(0.0, ge=0, description="training ends this long before validation starts; days for dates")


def most_folds(rows: Rows) -> int:
    """Return how many folds the rows allow: one less than there are different times."""
    return len(np.unique(_time(rows))) - 1


def split(rows: Rows, n_folds: int, seed: int, options: Options) -> list[Split]:  # noqa: ARG001
    """Return (train_rows, valid_rows) of each fold, earliest first.

    The rows are cut into n_folds + 1 stretches of about the same size, never within one moment; the first is
    never validated. Training rows are strictly earlier than every validation row, by more than `gap`.
    """
    time = _time(rows)
    stretch = _stretches(time, n_folds + 1)
    splits = []
    for fold in range(1, n_folds + 1):
        valid = np.flatnonzero(stretch == fold)
        splits.append((np.flatnonzero(time < time[valid].min() - options.gap), valid))
    return splits


def _time(rows: Rows) -> np.ndarray:
    if rows.time is None:
        raise ConfigError(
            "the split goes by time, but the competition names no time column",
            hint='set time = "<column>" in competition.toml, or choose split kind "kfold"',
        )
    return rows.time


def _stretches(time: np.ndarray, n_stretches: int) -> np.ndarray:
    """Return which stretch (n,) each row lies in; cut by rows, or by moments where rows would leave one empty."""
    moments, position, count = np.unique(time, return_inverse=True, return_counts=True)
    stretch = (np.cumsum(count) - count) * n_stretches // len(time)
    if len(np.unique(stretch)) < n_stretches:
        stretch = np.arange(len(moments)) * n_stretches // len(moments)
    return stretch[position]
