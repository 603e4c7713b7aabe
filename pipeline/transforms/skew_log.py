"""Skewed numbers become sign(x) * log(1 + |x|)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.transforms._skewness import skewness

KIND = "general"
READS = "numbers"
SKEWED = 0.75


@dataclass(frozen=True)
class SkewLog:
    """columns: positions of the columns that are transformed."""

    columns: tuple[int, ...]

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return numbers (n, d); NaN stays NaN."""
        rows = rows.copy()
        chosen = rows[:, list(self.columns)]
        rows[:, list(self.columns)] = np.sign(chosen) * np.log1p(np.abs(chosen))
        return rows

    def to_dict(self) -> dict[str, Any]:
        return {"columns": list(self.columns)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> SkewLog:
        return cls(tuple(state["columns"]))


def fit(rows: np.ndarray) -> SkewLog:
    """Choose the columns of (n, d) whose skewness is beyond 0.75 either way and nearer to 0 after the logarithm."""
    before = np.abs(skewness(rows))
    after = np.abs(skewness(np.sign(rows) * np.log1p(np.abs(rows))))
    return SkewLog(tuple(np.flatnonzero((before > SKEWED) & (after < before)).tolist()))
