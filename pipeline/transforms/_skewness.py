"""The measured asymmetry of columns, shared by the transforms that remove it."""

from __future__ import annotations

import numpy as np


def skewness(rows: np.ndarray) -> np.ndarray:
    """Return the third standardised moment of each column of (n, d), NaN ignored; 0 for a constant or empty column."""
    known = ~np.isnan(rows)
    count = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, rows, 0.0)
    largest = np.abs(values).max(axis=0, initial=0.0)
    values = values / np.where(largest > 0, largest, 1.0)
    centred = np.where(known, values - values.sum(axis=0) / count, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / count)
    third = (centred**3).sum(axis=0) / count
    return np.divide(third, deviation**3, out=np.zeros_like(third), where=deviation > 1e-12)
