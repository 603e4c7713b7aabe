"""F1 of every class, averaged with equal weights."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean F1 of class codes (n,) and (n,), over the classes that occur in either."""
    n_classes = int(max(target.max(), prediction.max())) + 1
    hits = np.bincount(target, weights=target == prediction, minlength=n_classes)
    rows = np.bincount(target, minlength=n_classes) + np.bincount(prediction, minlength=n_classes)
    return float(np.mean(2.0 * hits[rows > 0] / rows[rows > 0]))
