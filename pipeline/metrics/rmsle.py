"""Root mean squared logarithmic error: the error of log(1 + value)."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the root of the mean squared difference of log1p of values (n,) and (n,).

    A negative prediction counts as 0, the smallest value that Kaggle's formula is defined for; a negative
    target is a ValueError, because no submission could be scored against it.
    """
    if (target < 0).any():
        raise ValueError("rmsle is defined for targets of 0 and above only")
    prediction = np.maximum(prediction, 0.0)
    return float(np.sqrt(np.mean((np.log1p(target) - np.log1p(prediction)) ** 2)))
