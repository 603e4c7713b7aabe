"""Greedy ensemble selection with replacement: add, step by step, the entry that helps the metric most.

Source: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from libraries of models";
bagging of the library: Caruana, Munson and Niculescu-Mizil 2006, "Getting the most out of ensemble selection".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.blenders._objective import candidate_errors

if TYPE_CHECKING:
    from pipeline.blenders._objective import Errors
    from pipeline.blenders._seen import Seen

ROUNDING = 1e-12
"""Share of an error within which two are equal."""

SMALLEST_BAG = 5
"""Entries in a bag, where there are so many; a bag of one would be given its weight unseen."""


class Options(BaseModel):
    """How long to select, and how much to guard against selecting by luck.

    Bagging and 25 steps were a little better, out of fold, than 10 to 100 steps alone on House Prices (RMSLE
    0.1153 against 0.1157 with twelve of AutoGluon's models), and no worse elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(25, ge=1, description="selections in one bag; the weights are multiples of 1 / steps or coarser")
    bags: int = Field(10, ge=1, description="selections from random parts of the library, whose weights are averaged")
    bag_share: float = Field(0.5, gt=0.0, le=1.0, description="share of the entries in a bag, where there are several")
    max_rows: int = Field(20_000, ge=100, description="rows that a metric without a closed form is computed on")


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:
    """Return weights (n_entries,), at least 0 and summing to 1.

    Where the metric is undefined on the rows (AUC of one class), the weights are equal.
    """
    n_entries = seen.oof.shape[1]
    rng = np.random.default_rng(seed)
    errors = candidate_errors(seen, max_rows=options.max_rows, rng=rng)
    weights = np.zeros(n_entries)
    n_allowed = n_entries if options.bags == 1 else max(round(options.bag_share * n_entries), SMALLEST_BAG)
    for _ in range(options.bags):
        allowed = np.zeros(n_entries, dtype=bool)
        allowed[rng.permutation(n_entries)[:n_allowed]] = True
        weights += _select(errors, allowed, options.steps) / options.bags
    weights /= weights.sum()
    return weights


def _select(errors: Errors, allowed: np.ndarray, steps: int) -> np.ndarray:
    """Return the share of each entry in the best prefix of a greedy selection."""
    counts = np.zeros(len(allowed), dtype=np.int64)
    best, best_error = counts, np.inf
    for _ in range(steps):
        candidates = np.full(len(allowed), np.inf)
        candidates[allowed] = errors(counts, allowed)
        chosen = _lowest(candidates, counts)
        counts = counts.copy()
        counts[chosen] += 1
        error = float(candidates[chosen])
        if error < best_error and not math.isclose(error, best_error, rel_tol=ROUNDING):
            best, best_error = counts, error
    share: np.ndarray = best if best.any() else allowed
    return np.asarray(share / share.sum())


def _lowest(candidates: np.ndarray, counts: np.ndarray) -> int:
    """Return the candidate of lowest error; of equals one that was chosen before, then the first."""
    lowest = candidates.min()
    tied = candidates <= (lowest + ROUNDING * abs(lowest) if np.isfinite(lowest) else np.inf)
    if (tied & (counts > 0)).any():
        tied &= counts > 0
    return int(np.flatnonzero(tied)[0])
