"""Adversarial validation: can a classifier tell test from train rows, by which columns, and what of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.honesty.resample import Pool, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

MOST_ROWS = 10_000
"""Rows of train and of test that are told apart: a standard error of the AUC of 0.004, in a second or two."""

FEWEST_ROWS = 30
"""Rows of train and of test below which nothing is looked for."""

FEWEST_GROUPS = 10
"""Groups of train and of test below which nothing is looked for: the standard error would rest on too few of them."""

TOLD_TWICE = np.sqrt(2)
"""Two groups that happen to be alike are told by each other's model, right or wrong together: their pair counts twice,
and the variance is up to double that of probabilities which do not depend on the rows (0 false alarms in 80 draws of 60
groups, 3 without it)."""

N_FOLDS = 3
ROUNDS = 60
HEAVIEST = 0.99
"""Weights are cut at this quantile: a few rows that alone look like test would decide all."""

DRAWS = 100
FEWEST_EFFECTIVE = 0.1
"""Share of the rows below which a weighted estimate stands on too few of them to be read."""

FEWEST_COVERED = 0.1
"""Share of test for which train's rows must stand; of ones that are all unlike test the weights are nearly equal."""


@dataclass(frozen=True)
class Drift:
    """How well train and test can be told apart.

    auc: 0.5 if not at all; se: its standard error under no drift; both NaN where nothing is looked for.
    columns: names and shares of the classifier's gain, largest first, adding up to 1 over all columns.
    weights (n_train,): how much more often such a row occurs in test, mean 1; NaN for rows that were not drawn.
    covered: the mean of the weights before they were scaled, about 1 where test's rows have their like in train.
    """

    auc: float
    se: float
    columns: tuple[tuple[str, float], ...]
    weights: np.ndarray
    covered: float = 1.0

    @property
    def found(self) -> bool:
        """Whether it is more than chance: three standard errors, because many competitions are looked at."""
        return self.auc > 0.5 + 3 * self.se


def find_drift(
    train: pd.DataFrame,
    test: pd.DataFrame,
    groups: np.ndarray | None,
    test_groups: np.ndarray | None,
    seed: int,
) -> Drift:
    """Tell train from test rows by LightGBM, cross-fitted, by group where there are any.

    train, test: the same columns, float64 or category. test_groups: None where nobody knows test's. Weights are
    p / (1 - p) of the cross-fitted probability of being test, corrected for the rows drawn, and cut at a quantile
    (Sugiyama, Krauledat and Mueller 2007, "Covariate shift adaptation by importance weighted cross validation").
    """
    from pipeline.metrics import auc

    if not_looked_for((len(train), len(test)), groups, test_groups):
        return Drift(np.nan, np.nan, (), np.full(len(train), np.nan))
    rng = np.random.default_rng(seed)
    chosen = [np.sort(rng.permutation(len(rows))[:MOST_ROWS]) for rows in (train, test)]
    n_train, n_test = map(len, chosen)
    y = np.repeat([0, 1], [n_train, n_test])
    unit = _units(groups, test_groups, chosen)
    p, gains = told_apart(train.iloc[chosen[0]], test.iloc[chosen[1]], unit, rng, seed)
    weights = np.full(len(train), np.nan)
    odds = _odds(p[:n_train])
    weights[chosen[0]] = odds / odds.mean()
    shares = gains / gains.sum() if gains.sum() else gains
    order = np.argsort(-shares, kind="stable")
    columns = tuple((str(train.columns[i]), float(shares[i])) for i in order if shares[i] > 0)
    found = auc.score(y, np.column_stack([1 - p, p]))
    se = float(np.sqrt((n_train + n_test + 1) / (12 * n_train * n_test)))  # Hanley and McNeil 1982, at an AUC of 0.5
    if unit is not None:
        se = max(se, TOLD_TWICE * se_of_groups(y, p, unit))
    return Drift(found, se, columns, weights, float(odds.mean()))


def told_apart(
    train: pd.DataFrame, test: pd.DataFrame, unit: np.ndarray | None, rng: np.random.Generator, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return of each row, train's and then test's, the cross-fitted probability of being test's, and columns' gains."""
    X = _numbered(train, test)
    y = np.repeat([0, 1], [len(train), len(test)])
    fold = _folds(unit, (len(train), len(test)), rng)
    p, gains = np.empty(len(y)), np.zeros(X.shape[1])
    for one in range(N_FOLDS):
        model = _fit(X[fold != one], y[fold != one], seed)
        p[fold == one] = model.predict(X[fold == one])
        gains += model.feature_importance("gain")
    return p, gains


def not_looked_for(sizes: tuple[int, int], groups: np.ndarray | None, test_groups: np.ndarray | None) -> str:
    """Return why drift between so many rows of train and of test is not looked for; "" where it is.

    Rows of one group tell which file the others are in, drift or not: without test's groups nothing can be said.
    """
    if min(sizes) < FEWEST_ROWS:
        return f"train or test has fewer than {FEWEST_ROWS} rows"
    if groups is None:
        return ""
    if test_groups is None:
        return "which of test's rows hang together is not known"
    numbers = [len(np.unique(own.astype(str))) for own in (groups, test_groups)]
    if min(numbers) < FEWEST_GROUPS:
        return f"train has {numbers[0]} groups and test {numbers[1]}, and each needs {FEWEST_GROUPS}"
    return ""


def se_of_groups(y: np.ndarray, p: np.ndarray, unit: np.ndarray) -> float:
    """Return the standard error of the AUC of p (n,) for y (n,), 0 or 1, where rows of a unit (n,) hang together.

    Source: Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data".
    """
    sides = p[y == 0], p[y == 1]
    below, above = (  # of each row of one file, the share of the other file's rows on its wrong side, ties by half
        (np.searchsorted(np.sort(own), other, "left") + np.searchsorted(np.sort(own), other, "right")) / 2 / len(own)
        for own, other in (sides, sides[::-1])
    )
    off = np.empty(len(y))
    off[y == 1], off[y == 0] = (below - below.mean()) / len(below), (above.mean() - above) / len(above)
    return float(np.sqrt((np.bincount(unit, off) ** 2).sum()))


def _numbered(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Stack the rows; columns are named by their places, because LightGBM refuses some names."""
    import pandas as pd

    stacked = pd.concat([train, test], ignore_index=True)
    return stacked.set_axis([str(place) for place in range(stacked.shape[1])], axis=1)


def _units(
    groups: np.ndarray | None, test_groups: np.ndarray | None, chosen: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Return the group of each chosen row, of train's and then of test's, as a number; None where there are none."""
    if groups is None or test_groups is None:
        return None
    both = np.concatenate([groups[chosen[0]].astype(str), test_groups[chosen[1]].astype(str)])
    return np.asarray(np.unique(both, return_inverse=True)[1])


def _folds(unit: np.ndarray | None, sizes: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Deal rows to folds: whole groups, where there are any, else the rows of either file by themselves."""
    if unit is not None:
        return np.asarray((rng.permutation(unit.max() + 1) % N_FOLDS)[unit])
    return np.concatenate([rng.permutation(n_rows) % N_FOLDS for n_rows in sizes])


def _fit(X: pd.DataFrame, y: np.ndarray, seed: int) -> Any:
    import lightgbm

    parameters = {
        "objective": "binary",
        "learning_rate": 0.1,
        "num_leaves": 15,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.7,
        "max_bin": 63,
        "num_threads": 1,  # as quick as two for so few rows, and the same bits anywhere
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    balance = np.where(y == 1, (y == 0).sum(), (y == 1).sum())  # as if both had as many rows
    return lightgbm.train(parameters, lightgbm.Dataset(X, y, weight=balance / balance.mean()), ROUNDS)


def _odds(p: np.ndarray) -> np.ndarray:
    odds = np.clip(p, 1e-6, 1 - 1e-6) / np.clip(1 - p, 1e-6, 1 - 1e-6)
    return np.asarray(np.minimum(odds, np.quantile(odds, HEAVIEST)))


@dataclass(frozen=True)
class Weighted:
    """What drift does to an error: the change if rows counted as often as test has such, and its standard error.

    effective_rows: so many of equal weight would tell as much (Kish 1965: (sum of weights)^2 / sum of squares); share:
    of the rows that have a weight. covered: as of Drift.
    """

    change: float
    se: float
    effective_rows: float
    share: float
    covered: float = 1.0

    @property
    def readable(self) -> bool:
        """Whether enough rows carry the weights, and are like those of test at all."""
        return self.share >= FEWEST_EFFECTIVE and self.covered >= FEWEST_COVERED


def weigh(rows: Pool, oof: np.ndarray, drift: Drift, size: float, seed: int) -> Weighted:
    """Return by how much the error changes when rows are drawn as often as test has such rows.

    oof: predictions (n_repeats, n_train, n_outputs). The change is that of draws of `size` rows, so that it holds for
    any metric; its standard error is that of a mean over the effective rows.
    """
    weights = np.nan_to_num(drift.weights[rows.positions])
    known = weights > 0
    if not known.any():
        return Weighted(float("nan"), float("nan"), 0.0, 0.0)
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    oofs, size = [rows.of(oof)], min(size, effective)
    plain = draw(rows, oofs, size, DRAWS, np.random.default_rng(seed), known.astype(float))
    heavy = draw(rows, oofs, size, DRAWS, np.random.default_rng(seed), weights)
    change = float(heavy.errors.mean() - plain.errors.mean())
    se = float(heavy.deviations.std() * np.sqrt(size / effective))
    return Weighted(change, se, effective, effective / int(known.sum()), drift.covered)
