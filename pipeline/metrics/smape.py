"""Symmetric mean absolute percentage error, in percent (0 to 200), as in the Kaggle playground series."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0
WORST = 200.0
DECISION = "shift"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return 200 * mean(|target - prediction| / (|target| + |prediction|)); a row where both are zero counts 0."""
    scale = np.abs(target) + np.abs(prediction)
    ratio = np.divide(np.abs(target - prediction), scale, out=np.zeros_like(scale, dtype=np.float64), where=scale != 0)
    return float(200.0 * np.mean(ratio))
