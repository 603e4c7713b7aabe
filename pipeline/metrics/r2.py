"""Coefficient of determination: 1 minus the squared error over that of the mean."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = True
OPTIMUM = 1.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return 1 - sum((target - prediction)^2) / sum((target - mean)^2); NaN where all targets are equal."""
    spread = np.sum((target - target.mean()) ** 2)
    if spread == 0:
        return float("nan")
    return float(1.0 - np.sum((target - prediction) ** 2) / spread)
