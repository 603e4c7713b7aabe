"""Area under the ROC curve: how often a positive row ranks above a negative one, ties counting half."""

from __future__ import annotations

import numpy as np

TASKS = ("binary",)
READS = "probability"
GREATER_IS_BETTER = True
OPTIMUM = 1.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the area for codes (n,) and probabilities (n, 2); NaN where one class only occurs or any is NaN."""
    p = prediction[:, 1]
    n_positive = np.count_nonzero(target == 1)
    n_negative = len(target) - n_positive
    if np.isnan(p).any() or not n_positive or not n_negative:
        return float("nan")
    _, level, count = np.unique(p, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[level]
    wins = rank[target == 1].sum() - n_positive * (n_positive + 1) / 2
    return float(wins / (n_positive * n_negative))
