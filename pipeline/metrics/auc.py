"""Area under the ROC curve: how often a positive row ranks above a negative one, ties counting half."""

from __future__ import annotations

import numpy as np

TASKS = ("binary",)
READS = "probability"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the area for codes (n,) and probabilities (n, 2); NaN where one class only occurs or any is NaN."""
    p = prediction[:, 1]
    positive, negative = np.sort(p[target == 1]), np.sort(p[target != 1])
    if np.isnan(p).any() or not len(positive) or not len(negative):
        return float("nan")
    below, not_above = (np.searchsorted(negative, positive, side).sum() for side in ("left", "right"))
    return float((below + not_above) / 2 / (len(positive) * len(negative)))
