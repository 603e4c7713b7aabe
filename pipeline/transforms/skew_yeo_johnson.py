"""Skewed numbers become as normal as a power can make them: Yeo and Johnson, Biometrika 87 (2000), 954-959."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.transforms._skewness import skewness

KIND = "general"
READS = "numbers"
SKEWED = 0.5
LOWEST, HIGHEST = -1.0, 3.0  # beyond these the power only chases single outliers and loses digits
STEPS = 24
MOST_ROWS = 5_000


@dataclass(frozen=True)
class SkewYeoJohnson:
    """powers: (column position, lambda) of the columns that are transformed."""

    powers: tuple[tuple[int, float], ...]

    @property
    def columns(self) -> tuple[int, ...]:
        """Positions of the columns that are transformed."""
        return tuple(column for column, _ in self.powers)

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Return numbers (n, d); NaN stays NaN."""
        rows = rows.copy()
        for column, power in self.powers:
            rows[:, column] = yeo_johnson(rows[:, [column]], np.array([power]))[:, 0]
        return rows

    def to_dict(self) -> dict[str, Any]:
        return {"powers": [list(pair) for pair in self.powers]}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> SkewYeoJohnson:
        return cls(tuple((int(column), float(power)) for column, power in state["powers"]))


def fit(rows: np.ndarray) -> SkewYeoJohnson:
    """Find lambda by maximum likelihood, for columns of (n, d) with three values or more and skewness beyond 0.5.

    At most 5,000 of the fitted rows, evenly spread, are looked at: lambda does not move by more.
    """
    rows = rows[:: -(-len(rows) // MOST_ROWS) or 1]
    several = np.array([len(np.unique(column[~np.isnan(column)])) > 2 for column in rows.T], dtype=bool)
    columns = np.flatnonzero((np.abs(skewness(rows)) > SKEWED) & several)
    powers = _likeliest(rows[:, columns])
    return SkewYeoJohnson(tuple(zip(columns.tolist(), powers.tolist(), strict=True)))


def yeo_johnson(rows: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Return the transform of (n, d) with one lambda a column (d,)."""
    log = np.log1p(np.abs(rows))
    exponent = np.where(rows >= 0, powers, 2.0 - powers)
    flat = np.abs(exponent) < 1e-9
    raised = np.where(flat, log, np.expm1(np.minimum(exponent * log, 700.0)) / np.where(flat, 1.0, exponent))
    return np.where(rows >= 0, raised, -raised)


def inverse_yeo_johnson(rows: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """Return x with yeo_johnson(x, powers) == rows; values no x reaches give the nearest end of the range."""
    exponent = np.where(rows >= 0, powers, 2.0 - powers)
    flat = np.abs(exponent) < 1e-9
    inner = np.maximum(1.0 + exponent * np.abs(rows), 1e-12)
    log = np.where(flat, np.abs(rows), np.log(inner) / np.where(flat, 1.0, exponent))
    return np.sign(rows) * np.expm1(np.minimum(log, 700.0))


def _likeliest(rows: np.ndarray) -> np.ndarray:
    """Golden-section search for the lambda of every column at once."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    low, high = np.full(rows.shape[1], LOWEST), np.full(rows.shape[1], HIGHEST)
    for _ in range(STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        better_left = _log_likelihood(rows, left) > _log_likelihood(rows, right)
        low, high = np.where(better_left, low, left), np.where(better_left, right, high)
    return (low + high) / 2.0


def _log_likelihood(rows: np.ndarray, powers: np.ndarray) -> np.ndarray:
    count = (~np.isnan(rows)).sum(axis=0)
    spread = np.nanvar(yeo_johnson(rows, powers), axis=0)
    jacobian = np.nansum(np.sign(rows) * np.log1p(np.abs(rows)), axis=0)
    return -count / 2.0 * np.log(np.maximum(spread, 1e-300)) + (powers - 1.0) * jacobian
