"""Numbers get mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KIND = "affine"
READS = "numbers"
FARTHEST = 1e6  # deviations; beyond it a number says nothing more, but would overflow float32 inside a network


@dataclass(frozen=True)
class ScaleStandard:
    """mean (d,) is subtracted, then deviation (d,) divided by, and what is farther than FARTHEST is moved there."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return numbers (n, d); NaN stays NaN."""
        centre, spread = self.affine
        return np.clip((rows - centre) / spread, -FARTHEST, FARTHEST)

    @property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted (d,), and what divides (d,)."""
        return np.asarray(self.mean), np.asarray(self.deviation)

    def to_dict(self) -> dict[str, Any]:
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> ScaleStandard:
        return cls(tuple(state["mean"]), tuple(state["deviation"]))


def fit(rows: np.ndarray) -> ScaleStandard:
    """Learn mean and deviation of each column of (n, d) from its known values; a constant column is only centred."""
    known = ~np.isnan(rows)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, rows, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, rows - mean, 0.0) ** 2).sum(axis=0) / count)
    lowest = np.where(known, rows, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, rows, -np.inf).max(axis=0, initial=-np.inf)
    deviation = np.where((lowest < highest) & (deviation > 0), deviation, 1.0)
    return ScaleStandard(tuple(mean.tolist()), tuple(deviation.tolist()))
