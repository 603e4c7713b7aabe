"""Root mean squared percentage error, as a fraction; rows with a target of zero are not scored (Rossmann)."""

from __future__ import annotations

import numpy as np

TASKS = ("regression",)
READS = "value"
GREATER_IS_BETTER = False
OPTIMUM = 0.0
DECISION = "shift"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the root of mean(((target - prediction) / target)^2) over the rows whose target is not zero."""
    scored = target != 0
    return float(np.sqrt(np.mean(((target[scored] - prediction[scored]) / target[scored]) ** 2)))
