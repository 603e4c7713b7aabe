"""Cross entropy in nats, of probabilities clipped away from 0 and 1 as Kaggle does."""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "probability"
GREATER_IS_BETTER = False
OPTIMUM = 0.0


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the mean of -log p(true class) for codes (n,) and probabilities (n, n_classes).

    Rows are renormalised to sum to 1, then clipped to [1e-15, 1 - 1e-15], so that one sure and wrong row costs
    34.5 and not infinity.
    """
    share = prediction / prediction.sum(axis=1, keepdims=True)
    chosen = share[np.arange(len(target)), target]
    return float(-np.mean(np.log(np.clip(chosen, 1e-15, 1.0 - 1e-15))))
