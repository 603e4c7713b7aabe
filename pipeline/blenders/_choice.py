"""Choosing among ways to set weights by what they do on rows that were left out, the simplest that will do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.metrics import log_loss
from pipeline.types import Metric

N_CUTS = 5
"""Parts that rows are dealt into where they come in one only, as with two folds."""

Ways = Callable[[np.ndarray], Sequence[np.ndarray]]


def choose(ways: Ways, oof: np.ndarray, target: np.ndarray, metric: Metric, part: np.ndarray, seed: int) -> int:
    """Return the number of the first way whose cross-fitted error is within a standard error of the lowest.

    ways: from the rows to fit on (n_rows,) to weights (n_entries,) a way, the simplest way first. The standard error is
    that of the difference to the lowest, paired over parts (Breiman, Friedman, Olshen and Stone 1984, 3.4.3).
    """
    judge, cuts = _judge(metric), _cuts(part, seed)
    errors = []
    for number in np.unique(cuts):
        fitted = ways(cuts != number)
        held = cuts == number
        errors.append([judge.error(target[held], np.tensordot(oof[held], weights, (1, 0))) for weights in fitted])
    return simplest(np.nan_to_num(errors, nan=np.inf))


def simplest(errors: np.ndarray) -> int:
    """Return the first way whose mean of errors (n_parts, n_ways) is within a standard error of the lowest mean."""
    means = errors.mean(axis=0)
    if not np.isfinite(means).any():
        return 0
    lowest = int(np.argmin(means))
    known = np.isfinite(means)
    differences = np.where(known, errors - errors[:, [lowest]], np.inf)
    spread = np.zeros(len(means))
    spread[known] = differences[:, known].std(axis=0, ddof=1) / np.sqrt(len(errors))
    return int(np.flatnonzero(known & (means - means[lowest] <= spread))[0])


def _judge(metric: Metric) -> Metric:
    """Return the metric itself; for labels, whose errors are a staircase, the log loss."""
    return Metric.from_module(log_loss) if metric.reads == "label" else metric


def _cuts(part: np.ndarray, seed: int) -> np.ndarray:
    if (part != part[0]).any():
        return part
    return np.random.default_rng(seed).permutation(len(part)) % N_CUTS
