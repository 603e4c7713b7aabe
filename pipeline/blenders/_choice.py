"""Choosing among ways to set weights by what they do on rows that were left out, the simplest that will do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.blenders._seen import Seen
from pipeline.blenders._temperature import fit_temperature, temper
from pipeline.metrics import log_loss
from pipeline.types import Metric

Ways = Callable[[np.ndarray], np.ndarray]


def choose(ways: Ways, seen: Seen) -> int:
    """Return the number of the first way whose cross-fitted error is within a standard error of the lowest.

    ways: from the parts to fit on (n_parts,), as marks, to weights (n_ways, n_entries), the simplest way first. The
    standard error is that of the difference to the lowest, paired over parts (Breiman, Friedman, Olshen and Stone 1984,
    3.4.3, who take that of the error itself).
    """
    judge = _judge(seen.metric)
    numbers = np.arange(len(seen.grams))
    errors = []
    for number in numbers:
        held = seen.part == number
        blends = np.moveaxis(np.tensordot(seen.oof[held], ways(numbers != number), (1, 1)), 2, 0)
        errors.append([judge.error(seen.target[held], _as_bold(blend, seen.target[held])) for blend in blends])
    return simplest(np.nan_to_num(errors, nan=np.inf))


def simplest(errors: np.ndarray) -> int:
    """Return the first way whose mean of errors (n_parts, n_ways) is within a standard error of the lowest mean."""
    means = errors.mean(axis=0)
    known = np.flatnonzero(np.isfinite(means))
    if not len(known):
        return 0
    lowest = known[np.argmin(means[known])]
    differences = errors[:, known] - errors[:, [lowest]]
    spread = differences.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return int(known[differences.mean(axis=0) <= spread][0])


def _as_bold(blend: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return probabilities as bold as they are right, as a blend's are made in the end; values as they are."""
    return blend if blend.shape[1] == 1 else temper(blend, fit_temperature(blend, target))


def _judge(metric: Metric) -> Metric:
    """Return the metric itself; for labels, whose errors are a staircase, the log loss."""
    return Metric.from_module(log_loss) if metric.reads == "label" else metric
