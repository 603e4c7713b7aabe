"""Mean absolute error."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0
DECISION = "shift"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean absolute difference of values (n,) and (n,), in the target's unit."""
    return float(np.mean(np.abs(target - prediction)))
