"""Quadratic weighted kappa (Cohen 1968): agreement of ordered classes beyond chance."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = -1.0
DECISION = "cuts"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return kappa of class codes (n,) and (n,), whose order is the classes' order; 0 where chance explains all."""
    observed = np.mean((target - prediction) ** 2.0)
    by_chance = np.var(target) + np.var(prediction) + (target.mean() - prediction.mean()) ** 2
    return float(1.0 - observed / by_chance) if by_chance > 0 else 0.0
