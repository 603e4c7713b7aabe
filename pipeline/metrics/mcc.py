"""Matthews correlation coefficient; Gorodkin's form for several classes (Comput. Biol. Chem. 28, 2004)."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = -1.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the correlation of class codes (n,) and (n,); 0 where either side holds one class only."""
    n_classes = int(max(target.max(), prediction.max())) + 1
    actual = np.bincount(target, minlength=n_classes) / len(target)
    called = np.bincount(prediction, minlength=n_classes) / len(target)
    spread = (1.0 - actual @ actual) * (1.0 - called @ called)
    if spread <= 0:
        return 0.0
    return float((np.mean(target == prediction) - actual @ called) / np.sqrt(spread))
