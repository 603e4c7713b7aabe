"""What a splitter sees of the rows, and the steps that splitters share; no splitter by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.types import Table

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """target (n,): class codes where n_classes is above 0, else values; (n, n_targets) of several.

    groups (n,) labels; time (n,) float64.
    """

    target: np.ndarray
    n_classes: int = 0
    groups: np.ndarray | None = None
    time: np.ndarray | None = None

    @classmethod
    def of(cls, table: Table) -> Rows:
        """Return what there is to split a table's train rows by."""
        return cls(table.target, len(table.task.classes), table.groups, table.time)

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: np.ndarray) -> Rows:
        """Return the rows at these positions, in this order."""
        groups = None if self.groups is None else self.groups[rows]
        time = None if self.time is None else self.time[rows]
        return Rows(self.target[rows], self.n_classes, groups, time)


def strata(rows: Rows, n_bins: int) -> np.ndarray:
    """Return a stratum (n,) of each row: its class, or which of `n_bins` equally filled bins its value lies in."""
    if rows.n_classes:
        return rows.target.astype(np.int64)
    if rows.target.ndim > 1:
        raise ConfigError(
            f"[split] a stratified split spreads one target over the folds, but there are {rows.target.shape[1]}",
            hint='choose split kind "kfold", "group" or "time"',
        )
    edges = np.quantile(rows.target, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.searchsorted(edges, rows.target, side="right")


def codes_of_groups(rows: Rows) -> np.ndarray:
    """Return group codes (n,) 0..n_groups-1; a ConfigError where there is no group column."""
    if rows.groups is None:
        raise ConfigError(
            "the split keeps groups together, but the competition names no group column",
            hint='set groups = "<column>" in competition.toml, or choose split kind "kfold" or "stratified"',
        )
    return np.unique(rows.groups, return_inverse=True)[1]


def big_groups_first(sizes: np.ndarray, seed: int) -> np.ndarray:
    """Return groups by falling power of two of their size, at random within: folds fill evenly and seeds differ."""
    order = np.random.default_rng(seed).permutation(len(sizes))
    return order[np.argsort(-np.floor(np.log2(sizes[order])), kind="stable")]


def from_folds(fold: np.ndarray, n_folds: int) -> list[Split]:
    """Return (train_rows, valid_rows) of every fold, from the fold (n,) that validates each row."""
    return [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(n_folds)]
