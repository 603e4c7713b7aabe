"""Share of rows whose class is right."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
DECISION = "plain"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the share of equal class codes in (n,) and (n,)."""
    return float(np.mean(target == prediction))
