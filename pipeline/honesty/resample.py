"""Errors of test sets that might have been: rows drawn anew, in whole, from those that were predicted out-of-fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Folds, Metric

MOST_ROWS = 2_500
"""Rows in a draw. What a larger set's error strays by is that of so many rows, and smaller by the root of the sizes'
ratio, as it is for any smooth metric of so many rows; so 100 000 rows take no longer."""


@dataclass(frozen=True)
class Pool:
    """The rows that every repeat of the folds validates: one pool that test sets are drawn from.

    target (n,); unit (n,): codes 0, 1, ... of what hangs together and is drawn as a whole; positions (n,) in train.
    """

    target: np.ndarray
    unit: np.ndarray
    positions: np.ndarray
    metric: Metric

    @property
    def n_units(self) -> int:
        return int(self.unit.max()) + 1

    def of(self, oof: np.ndarray) -> np.ndarray:
        """Return the pool's predictions (n_repeats, n, n_outputs) of out-of-fold predictions of all train rows."""
        return oof[:, self.positions]


def pool(
    target: np.ndarray,
    folds: Folds,
    metric: Metric,
    groups: np.ndarray | None,
    time: np.ndarray | None,
    others: Sequence[Folds] = (),
) -> Pool:
    """Return the rows that are drawn from; of a split in time, stretches of it hang together, else groups if any.

    others: the folds of entries that are to be compared, which must validate the rows as well.
    """
    positions = np.flatnonzero(np.all([one.covered.all(axis=0) for one in (folds, *others)], axis=0))
    unit = np.arange(len(target))
    if groups is not None:
        unit = groups
    elif folds.kind == "time" and time is not None:
        unit = stretches(time)
    unit = np.unique(unit[positions], return_inverse=True)[1]
    return Pool(target[positions], unit, positions, metric)


def stretches(time: np.ndarray) -> np.ndarray:
    """Return the stretch of time (n,) of each row: as many moments in a row as the cube root of their number.

    Source of the length: Kuensch 1989, "The jackknife and the bootstrap for general stationary observations".
    """
    moments, place = np.unique(time, return_inverse=True)
    return np.asarray(place // round(len(moments) ** (1 / 3)))


@dataclass(frozen=True)
class Draws:
    """Errors of sets of some size. centre: their mean; deviations (n_draws, n_entries) from it, per entry.

    pooled (n_entries,): the error of the whole pool; centre less pooled is what the size alone does, as with RMSE,
    whose mean over small sets is lower.
    """

    pooled: np.ndarray
    centre: np.ndarray
    deviations: np.ndarray

    @property
    def growth(self) -> np.ndarray:
        """(n_entries,): how much higher than the pool's the error of a set of this size is, on average."""
        return np.asarray(self.centre - self.pooled)

    @property
    def errors(self) -> np.ndarray:
        """(n_draws, n_entries)."""
        return np.asarray(self.centre + self.deviations)


def draw(
    rows: Pool,
    oofs: Sequence[np.ndarray],
    size: float,
    n_draws: int,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> Draws:
    """Return the errors of sets of about `size` rows, the same rows for each of several entries.

    oofs: predictions (n_repeats, n, n_outputs) of the pool; an error is the mean over repeats. weights (n,): how likely
    a row is drawn; its unit is drawn as a whole, by the mean of its rows' weights. Draws on which the metric is not
    defined (AUC of one class) are left out.
    """
    lists = _members(rows.unit)
    rows_per_unit = len(rows.unit) / rows.n_units
    n_wanted = max(1, round(min(size, MOST_ROWS) / rows_per_unit))
    shrink = min(1.0, n_wanted * rows_per_unit / size)  # whole units can be more rows than MOST_ROWS, and fewer
    share = None if weights is None else np.bincount(rows.unit, weights) / np.bincount(rows.unit)
    sets = _sets(rows.n_units, n_draws, n_wanted, share, rng)
    errors = np.array([_errors(rows, oofs, _rows_of(units, lists)) for units in sets])
    errors = errors[np.isfinite(errors).all(axis=1)]
    pooled = np.array(_errors(rows, oofs, slice(None)))
    if not len(errors):
        return Draws(pooled, pooled, np.full((1, len(oofs)), np.nan))
    mean = errors.mean(axis=0)
    centre = mean if weights is not None else pooled + (mean - pooled) * shrink
    return Draws(pooled, centre, (errors - mean) * np.sqrt(shrink))


def _sets(n_units: int, n_draws: int, n_wanted: int, share: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return units (n_draws, n_wanted), drawn with replacement; share (n_units,): how likely each is, if not equally.

    Equally likely ones are drawn equally often over all draws, which takes most of the chance out of their mean
    (balanced bootstrap: Davison, Hinkley and Schechtman 1986, "Efficient bootstrap simulation").
    """
    n = n_draws * n_wanted
    if share is None:
        drawn = rng.permutation(np.tile(np.arange(n_units), -(-n // n_units)))[:n]
    else:
        drawn = np.searchsorted(np.cumsum(share) / share.sum(), rng.random(n)).clip(max=n_units - 1)
    return np.asarray(drawn.reshape(n_draws, n_wanted))


def _members(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows sorted by unit, where each unit starts among them, and how many rows it has."""
    sizes = np.bincount(unit)
    return np.argsort(unit, kind="stable"), np.cumsum(sizes) - sizes, sizes


def _rows_of(units: np.ndarray, members: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the positions of all rows of these units, one after the other."""
    order, start, sizes = members
    counts = sizes[units]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(start[units], counts) + within]


def _errors(rows: Pool, oofs: Sequence[np.ndarray], chosen: np.ndarray | slice) -> list[float]:
    target = rows.target[chosen]
    return [float(np.mean([rows.metric.error(target, one[chosen]) for one in oof])) for oof in oofs]
