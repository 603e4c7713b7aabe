"""Mean squared error."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean squared difference of values (n,) and (n,), in the target's unit squared."""
    return float(np.mean((target - prediction) ** 2))
