"""Labelled rows beside train: every fold trains on them, none validates them, and no stage but fitting sees them.

For a fit they stand behind train's rows, in the role of training rows; predictions are cut to train's own again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError
from pipeline.files import target_columns, target_of
from pipeline.types import STOP, TRAIN, UNUSED, CrossFit, Folds, Table

FILES = ("extra.parquet", "extra_rows.parquet")
BESIDE = ("groups", "time", "weight")


@dataclass(frozen=True)
class Extra:
    """rows (n, n_columns): the Table's columns, of levels perhaps more. target, groups, time, weight: as Table's."""

    rows: pd.DataFrame
    target: np.ndarray
    groups: np.ndarray | None = None
    time: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: np.ndarray) -> Extra:
        """Return the rows at these positions."""
        parts = {name: None if part is None else part[rows] for name, part in self._beside.items()}
        return Extra(self.rows.iloc[rows].reset_index(drop=True), self.target[rows], **parts)

    def write(self, folder: Path) -> None:
        """Write FILES, which `read_extra` reads."""
        self.rows.to_parquet(folder / FILES[0], index=False)
        beside = {name: part for name, part in self._beside.items() if part is not None}
        pd.DataFrame(target_columns(self.target) | beside).to_parquet(folder / FILES[1], index=False)

    @property
    def _beside(self) -> dict[str, np.ndarray | None]:
        return {name: getattr(self, name) for name in BESIDE}


def read_extra(inputs: Mapping[str, Path]) -> Extra | None:
    """Read what `Extra.write` wrote to the input "extra" of a job, where the experiment has extra rows."""
    if "extra" not in inputs:
        return None
    rows, beside = (pd.read_parquet(inputs["extra"] / file) for file in FILES)
    parts = {name: beside[name].to_numpy() for name in BESIDE if name in beside}
    return Extra(rows, target_of(beside), **parts)


def cross_fit(
    model: Any, recipes: Mapping[str, Any], table: Table, folds: Folds, extra: Extra | None, **how: Any
) -> dict[str, CrossFit]:
    """Cross-fit on each fold's rows and the extra ones; what comes back is about the table's own rows alone.

    how: what the plug-in's `cross_fit` takes beside recipes, table and folds.
    """
    whole, roles = join_table(table, extra), join_folds(folds, table, extra)
    entries: dict[str, CrossFit] = model.cross_fit(recipes, whole, roles, **how)
    return {name: replace(entry, oof=entry.oof[:, : len(table.train)]) for name, entry in entries.items()}


def join_table(table: Table, extra: Extra | None) -> Table:
    """Return the table with the extra rows behind train's, and in train and test alike the levels of all."""
    if extra is None or not len(extra):
        return table
    train, test, more = _same_levels(table.train, table.test, extra.rows)
    return replace(
        table,
        train=pd.concat([train, more], ignore_index=True),
        test=test,
        target=np.concatenate([table.target, extra.target]),
        train_ids=np.concatenate([table.train_ids.astype(object), np.full(len(extra), None)]),
        groups=None,
        time=None,
        weight=_joined_weight(table, extra),
    )


def join_folds(folds: Folds, table: Table, extra: Extra | None) -> Folds:
    """Return the folds with the extra rows as training rows, and without training rows of weight 0.

    A fold leaves out extra rows of groups that it validates, and those later than its own training rows.
    """
    if extra is not None and len(extra):
        own = [[_role(folds, key, table, extra) for key in _keys(folds, repeat)] for repeat in range(folds.n_repeats)]
        folds = folds.and_rows(np.array(own, dtype=np.int8))
    weight = _joined_weight(table, extra)
    if weight is None:
        return folds
    role = np.where(np.isin(folds.role, (TRAIN, STOP)) & (weight == 0), np.int8(UNUSED), folds.role)
    _check_left(role)
    return replace(folds, role=role)


def _keys(folds: Folds, repeat: int) -> list[tuple[int, int]]:
    return [(repeat, fold) for fold in range(folds.n_folds)]


def _role(folds: Folds, key: tuple[int, int], table: Table, extra: Extra) -> np.ndarray:
    """Return the role of each extra row in a fold."""
    role = np.full(len(extra), TRAIN, dtype=np.int8)
    if "group" in folds.kind and table.groups is not None and extra.groups is not None:
        role[np.isin(extra.groups, table.groups[folds.valid_rows(*key)])] = UNUSED
    if folds.kind == "time" and table.time is not None:
        if extra.time is None:
            found = "[extra]: no column of time in these rows, so that nobody knows which folds they are too late for"
            raise ConfigError(found, hint="add it to the file; any day before train's first puts a row into all folds")
        role[~(extra.time <= table.time[folds.train_rows(*key)].max())] = UNUSED
    return role


def _check_left(role: np.ndarray) -> None:
    for wanted, what in ((TRAIN, "training"), (STOP, "stopping")):
        if not (role == wanted).any(axis=2).all():
            raise ConfigError(
                f"a fold has no {what} row whose weight is above 0", hint="fewer folds, or weights above 0"
            )


def _joined_weight(table: Table, extra: Extra | None) -> np.ndarray | None:
    parts = [(table.weight, len(table.train))]
    if extra is not None:
        parts.append((extra.weight, len(extra)))
    if all(weight is None for weight, _ in parts):
        return None
    return np.concatenate([np.ones(n) if weight is None else weight for weight, n in parts])


def _same_levels(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the frames with the levels of all of them, sorted, in each."""
    columns = frames[0].select_dtypes("category")
    levels = {name: sorted({level for frame in frames for level in frame[name].cat.categories}) for name in columns}
    typed = {name: pd.CategoricalDtype(own) for name, own in levels.items()}
    return [frame.astype(typed) for frame in frames]
