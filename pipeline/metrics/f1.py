"""F1 of the positive class (the last label in sorted order)."""

from __future__ import annotations

import numpy as np

TASKS = ("binary",)
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return 2 * hits / (predicted + actual positives) of class codes (n,) and (n,); 0 where there is no positive."""
    hits = np.sum((target == 1) & (prediction == 1))
    positives = np.sum(target == 1) + np.sum(prediction == 1)
    return float(2.0 * hits / positives) if positives else 0.0
