"""Share of rows whose class is right.

The likeliest class is given: thresholds learnt out of fold were worse on rows held out of 22 small runs each, by
.005 ± .002 on Titanic, .006 ± .002 on digits, and no better on spaceship-titanic (.000 ± .003).
"""

from __future__ import annotations

import numpy as np

TASKS = ("binary", "multiclass")
READS = "label"
GREATER_IS_BETTER = True
OPTIMUM = 1.0
WORST = 0.0
DECISION = "plain"


def score(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the share of equal class codes in (n,) and (n,)."""
    return float(np.mean(target == prediction))
