"""What a check of the leak audit says, and how often it may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVEL = 0.01
"""Family-wise error of one check: all that it tests on clean data together cry wolf in at most 1 of 100 audits."""

Severity = Literal["leak", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """severity: "leak" where our own pipeline leaks, "warning" where the competition's files do, "note" for what is
    known or measured. strength: a figure with its noise, in words; todo: what its reader does about it.
    """

    severity: Severity
    what: str
    where: str
    strength: str
    todo: str = ""


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Return which of (m,) p-values are significant at LEVEL for all of them together; NaN counts as 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    p = np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    passed = np.logical_and.accumulate(p[order] <= LEVEL / (len(p) - np.arange(len(p))))
    significant = np.zeros(len(p), dtype=bool)
    significant[order] = passed
    return significant
