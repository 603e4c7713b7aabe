"""Mean absolute percentage error, as a fraction."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0
DECISION = "shift"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean of |target - prediction| / |target| over values (n,) and (n,).

    A target of zero divides by the machine epsilon, as in scikit-learn's mean_absolute_percentage_error.
    """
    scale = np.maximum(np.abs(target), np.finfo(np.float64).eps)
    return float(np.mean(np.abs(target - prediction) / scale))
