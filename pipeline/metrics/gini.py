"""Normalised Gini coefficient of a binary target: 2 * AUC - 1 (Porto Seguro)."""

from __future__ import annotations

import numpy as np

from pipeline.metrics import auc

TASKS = ("binary",)
READS = "probability"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = -1.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the coefficient for codes (n,) and probabilities (n, 2); NaN where AUC is undefined."""
    return 2.0 * auc.score(target, prediction) - 1.0
