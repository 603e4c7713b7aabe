"""Mean over the classes of the share of their rows that are found (recall)."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean recall of class codes (n,) and (n,), over the classes that occur in the target."""
    found = np.bincount(target, weights=target == prediction)
    rows = np.bincount(target)
    return float(np.mean(found[rows > 0] / rows[rows > 0]))
