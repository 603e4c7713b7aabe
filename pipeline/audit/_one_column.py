"""How well one column predicts the target by itself: cross-fitted means of its bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.types import Table

N_FOLDS = 5
BINS = 64


@dataclass(frozen=True)
class Skill:
    """value: 1 - squared loss / squared loss of the mean, out of fold; 1 is perfect, 0 is chance. se: its noise."""

    value: float
    se: float

    @classmethod
    def of(cls, lost: np.ndarray, blind: np.ndarray) -> Skill:
        """Return it from each row's squared losses (n,), of the predictions and of the mean."""
        total = max(blind.sum(), 1e-12)
        value = 1 - lost.sum() / total
        return cls(float(value), float((lost - (1 - value) * blind).std() * np.sqrt(len(lost)) / total))


def outputs(table: Table) -> np.ndarray:
    """Return what is predicted (n, n_outputs): 0/1 a class, or a regression target's ranks from 0 to 1.

    Ranks, so that a few large values do not decide.
    """
    from scipy.stats import rankdata

    if table.task.classes:
        return np.eye(len(table.task.classes))[table.target]
    return (rankdata(table.target) / len(table.target))[:, None]


def folds_of(n_rows: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Return a random fold (n,) of each row, whole groups together."""
    unit = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(unit.max(initial=-1)) + 1
    return np.random.default_rng(seed).permutation(np.arange(n_units) % N_FOLDS)[unit]


def bins_of(column: pd.Series, most: int = BINS) -> np.ndarray:
    """Return codes (n,) from 0: levels, or values where these are few, or equally filled bins; missing is one too."""
    values, distinct = column.factorize(use_na_sentinel=False)
    if len(distinct) <= most or column.dtype.kind not in "fiu":
        return values
    numbers = column.to_numpy(dtype=np.float64)
    edges = np.nanquantile(numbers, np.linspace(0, 1, most + 1)[1:-1])
    return np.where(np.isnan(numbers), most, np.searchsorted(edges, numbers, side="right"))


def skill(codes: np.ndarray, wanted: np.ndarray, fold: np.ndarray) -> Skill:
    """Judge codes (n,) as the only column; wanted (n, n_outputs), fold (n,)."""
    n_codes = int(codes.max(initial=0)) + 1
    cell = fold * n_codes + codes
    shape = (N_FOLDS, n_codes)
    counts = np.bincount(cell, minlength=N_FOLDS * n_codes).reshape(shape)
    sums = np.stack([np.bincount(cell, column, N_FOLDS * n_codes).reshape(shape) for column in wanted.T], axis=-1)
    others, totals = counts.sum(axis=0) - counts, sums.sum(axis=0) - sums
    mean = totals.sum(axis=1) / np.maximum(others.sum(axis=1), 1)[:, None]
    guess = (totals + mean[:, None, :]) / (others + 1)[..., None]  # one row's worth of the mean
    lost = ((wanted - guess[fold, codes]) ** 2).sum(axis=1)
    blind = ((wanted - mean[fold]) ** 2).sum(axis=1)
    return Skill.of(lost, blind)
