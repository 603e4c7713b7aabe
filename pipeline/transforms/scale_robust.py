"""Numbers are centred on their median, divided by their quartile range and softly limited to (-3, 3).

Robust scaling and smooth clipping as in RealMLP: Holzmueller, Grinsztajn, Steinwart, "Better by default"
(NeurIPS 2024), section 3: where the quartiles coincide, half the range divides; where that is zero too, nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.transforms.scale_standard import FARTHEST

KIND = "general"
READS = "numbers"
LIMIT = 3.0


@dataclass(frozen=True)
class ScaleRobust:
    """median (d,) is subtracted, spread (d,) divides, then x / sqrt(1 + (x / 3)^2) limits."""

    median: tuple[float, ...]
    spread: tuple[float, ...]

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return numbers (n, d) between -3 and 3; NaN stays NaN."""
        centre, spread = self.affine
        scaled = np.clip((rows - centre) / spread, -FARTHEST, FARTHEST)
        return scaled / np.sqrt(np.square(scaled * (1.0 / LIMIT)) + 1.0)

    @property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted (d,), and what divides (d,)."""
        return np.asarray(self.median), np.asarray(self.spread)

    def to_dict(self) -> dict[str, Any]:
        return {"median": list(self.median), "spread": list(self.spread)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> ScaleRobust:
        return cls(tuple(state["median"]), tuple(state["spread"]))


def fit(rows: np.ndarray) -> ScaleRobust:
    """Learn the five quartiles of each column of (n, d) from its known values."""
    empty = np.isnan(rows).all(axis=0)
    quartiles = np.nanquantile(np.where(empty, 0.0, rows), [0, 0.25, 0.5, 0.75, 1], axis=0)
    lowest, lower, median, upper, highest = quartiles.reshape(5, rows.shape[1])
    spread = np.where(upper > lower, upper - lower, (highest - lowest) / 2.0)
    spread = np.where(spread > 0, spread, 1.0)
    return ScaleRobust(tuple(median.tolist()), tuple(spread.tolist()))
