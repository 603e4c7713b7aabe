"""What a blend's values are moved by where the metric asks for another value than the mean that models learn.

The mean absolute error is lowest for the median, percentage errors for less than that: where the target is skewed, most
of all where it is large. So a value is moved by a number that depends on the value itself, learnt out of fold for the
metric's own sake; the ensemble's own score is of rows that were not among those.
Out of fold the mean is moved, too: single models stray, and would do better nearer to the centre. The average of all
folds' models, which is submitted, strays less. So what would bring the values to the mean is subtracted. Models of the
absolute loss learn no mean: where a shift would not help, none is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.blenders._decision import descend
from pipeline.sampling import drawn

if TYPE_CHECKING:
    from pipeline.types import Metric

MOST, ROWS = 5, 100
"""Places at which a shift is learnt, and rows for each of them."""

MAX_ROWS = 20_000
"""Rows that it is learnt on; five numbers need no more."""


@dataclass(frozen=True)
class Shift:
    """offsets (n,) that are added at values of places (n,), ascending; on a straight line in between."""

    places: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values (n, 1), moved."""
        return values + np.interp(values, self.places, self.offsets) if self.places else values


def fit_shift(values: np.ndarray, target: np.ndarray, metric: Metric) -> Shift:
    """Return how far from the shift of lowest squared error that of lowest error lies, for values (n, 1) of rows with
    a target (n,)."""
    if metric.decision != "shift":
        return Shift()
    rows = drawn(len(target), MAX_ROWS)
    values, target = values[rows], target[rows]
    scale = float(np.median(np.abs(values[:, 0] - target)))
    n_places = max(1, min(MOST, len(rows) // ROWS))
    places = np.unique(np.quantile(values, (np.arange(n_places) + 0.5) / n_places))

    nearness = np.column_stack([np.interp(values[:, 0], places, unit) for unit in np.eye(len(places))])
    mean = np.linalg.lstsq(nearness, target - values[:, 0], rcond=None)[0]

    def error(moved: np.ndarray) -> float:
        return metric.error(target, values + (nearness @ (mean + scale * moved))[:, None])

    offsets = scale * descend(error, np.zeros(len(places)), range(len(places)))
    if metric.error(target, values + (nearness @ offsets)[:, None]) >= metric.error(target, values):
        return Shift()  # models that minimise the metric's own loss are there already
    return Shift(tuple(places.tolist()), tuple(offsets.tolist()))
