"""Missing numbers become the mean or median of the fitted rows; which were missing can be kept as 0/1 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

KIND = "general"
READS = "numbers"


@dataclass(frozen=True)
class Impute:
    """fill (d,): the value for a missing entry of each column; flagged: columns whose missingness is an output."""

    fill: tuple[float, ...]
    flagged: tuple[int, ...]

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return numbers (n, d) without NaN."""
        return np.where(np.isnan(rows), np.asarray(self.fill), rows)

    def indicators(self, rows: np.ndarray) -> np.ndarray:
        """Return 1 where a flagged column is missing, else 0: (n, number of flagged columns)."""
        return np.isnan(rows[:, list(self.flagged)]).astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        return {"fill": list(self.fill), "flagged": list(self.flagged)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Impute:
        return cls(tuple(state["fill"]), tuple(state["flagged"]))


def fit(rows: np.ndarray, *, how: Literal["mean", "median"] = "mean") -> Impute:
    """Learn from numbers (n, d) with NaN; a column without any value is filled with 0.

    Flagged are columns that are missing in some rows but not in all, one of each set that is always
    missing together (House Prices: five columns of a garage that is not there).
    """
    missing = np.isnan(rows)
    empty = missing.all(axis=0)
    center = np.nanmean if how == "mean" else np.nanmedian
    fill = center(np.where(empty, 0.0, rows), axis=0) if len(rows) else np.zeros(rows.shape[1])
    candidates = np.flatnonzero(missing.any(axis=0) & ~empty)
    first = {missing[:, c].tobytes(): int(c) for c in candidates[::-1]}
    return Impute(tuple(fill.tolist()), tuple(sorted(first.values())))
