"""Categories become codes: 0 is missing, 1 is rare or never seen, from 2 on the fitted levels, sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

KIND = "general"
READS = "levels"
MISSING, RARE, FIRST = 0, 1, 2


@dataclass(frozen=True)
class Ordinal:
    """columns: names; levels: for each column the levels that have a code of their own."""

    columns: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many codes each column has, missing and rare included."""
        return tuple(FIRST + len(levels) for levels in self.levels)

    def apply(self, rows: pd.DataFrame) -> np.ndarray:
        """Return codes (n, number of columns) int64 of category columns, found by name."""
        codes = np.empty((len(rows), len(self.columns)), dtype=np.int64)
        for position, (name, levels) in enumerate(zip(self.columns, self.levels, strict=True)):
            known = pd.Index(levels, dtype=object).get_indexer(rows[name].cat.categories)
            code_of = np.append(np.where(known >= 0, known + FIRST, RARE), MISSING)
            codes[:, position] = code_of[rows[name].cat.codes]
        return codes

    def to_dict(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "levels": [list(levels) for levels in self.levels]}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Ordinal:
        return cls(tuple(state["columns"]), tuple(tuple(levels) for levels in state["levels"]))


def fit(rows: pd.DataFrame, *, min_rows: int = 1) -> Ordinal:
    """Learn the levels of category columns that occur in at least `min_rows` of the rows."""
    levels = []
    for name in rows:
        column = rows[name].cat
        counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
        levels.append(tuple(sorted(column.categories[counts >= min_rows])))
    return Ordinal(tuple(rows.columns), tuple(levels))
