"""Brier score of the positive class: the mean squared error of its probability."""

from __future__ import annotations

import numpy as np

TASKS = ("binary",)
READS = "probability"
GREATER_IS_BETTER = False
OPTIMUM = 0.0
WORST = 1.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return mean((target - p)^2) for codes (n,) and probabilities (n, 2)."""
    return float(np.mean((target - prediction[:, 1]) ** 2))
