"""What score the private leaderboard will show, as an expectation with a 90 % interval, from out-of-fold rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.honesty.resample import Pool, draw
from pipeline.types import Folds, Metric
from pipeline.uncertainty import rows_ratio

LEVEL = 0.90
DRAWS = 400


STOPPED = 0.25
"""By how much an entry looks too good that stops on the very rows that score it, in units of what the error of one
fold's rows strays by: the lowest of many errors is low by so much of their noise, whatever the metric. Measured for
LightGBM, against the same stopped on inner rows, on rows held out of many data sets by `make bench-calibration`, which
judges each by what the others say."""


@dataclass(frozen=True)
class Bias:
    """Why the private error of a submission is not that of its out-of-fold rows, whatever the draw of rows.

    flattered: share of weight on entries that stopped on the rows that score them. averaging: by how much the mean of
    all folds' models, which is submitted, has a lower error than each. tuning: by how much the error is too low because
    recipes (of AutoGluon's ensemble its weights) were chosen on these rows.
    """

    flattered: float = 0.0
    averaging: float = 0.0
    tuning: float = 0.0


@dataclass(frozen=True)
class Expectation:
    """The private error to expect, its 90 % interval, and what makes them up; lower errors are better.

    cv: the mean of fold errors. size: what the test set's size adds to it. optimism: what stopping on the fold took
    from it; tuning: what the choice of recipes did. averaging: what the mean of all folds' models takes from it.
    test_se, own_se: what the test rows and our own uncertainty stray by.
    """

    error: float
    low: float
    high: float
    cv: float
    size: float
    optimism: float
    tuning: float
    averaging: float
    test_se: float
    own_se: float

    def scores(self, metric: Metric) -> dict[str, float]:
        """Return expected score and interval as Kaggle would show them: "expected", "low" and "high", low below high.

        A bound that no submission can pass is the metric's optimum, or its worst score.
        """
        ends = sorted(metric.as_score(metric.possible(error)) for error in (self.low, self.high))
        return {"expected": metric.as_score(metric.possible(self.error)), "low": ends[0], "high": ends[1]}


def expect(
    rows: Pool,
    folds: Folds,
    target: np.ndarray,
    oof: np.ndarray,
    bias: Bias,
    *,
    n_private: float,
    seed: int,
    stopped: float = STOPPED,
) -> Expectation:
    """Return what to expect of n_private rows, from predictions (n_repeats, n_train, n_outputs).

    The private error strays with the draw of the test set, and the CV error that we know with that of the train rows:
    both are drawn from the out-of-fold rows.
    """
    rng = np.random.default_rng(seed)
    pooled = [rows.of(oof)]
    fold_size = float(np.mean([len(folds.valid_rows(repeat, fold)) for repeat, fold in folds]))
    test, fold = draw(rows, pooled, n_private, DRAWS, rng), draw(rows, pooled, fold_size, DRAWS, rng)
    cv = float(folds.errors(rows.metric, target, oof).mean())
    size = float(test.growth[0] - fold.growth[0])
    optimism = stopped * bias.flattered * float(fold.deviations.std())
    own = own_factor(folds) * _means(fold.deviations[:, 0], folds.n_folds, len(test.deviations), rng)
    error = cv + size + optimism + bias.tuning - bias.averaging
    deviations = test.deviations[:, 0] - own
    low, high = error + np.quantile(deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    strays = float(test.deviations.std()), float(own.std())
    return Expectation(error, float(low), float(high), cv, size, optimism, bias.tuning, bias.averaging, *strays)


def own_factor(folds: Folds) -> float:
    """Return by how much our own uncertainty is larger than drawing rows anew tells: 1.5 with five folds.

    Folds share training rows, and none of their models is the one that predicts: the variance of their mean is
    s^2 (1 / K + valid_to_train), not s^2 / K. Source: Nadeau and Bengio 2003 (see pipeline/uncertainty.py).
    """
    return float(np.sqrt(1 + folds.n_folds * rows_ratio(folds)))


def _means(deviations: np.ndarray, n_folds: int, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return what the mean of n_folds errors strays by (n_draws,), from what single ones do."""
    return np.asarray(deviations[rng.integers(len(deviations), size=(n_draws, n_folds))].mean(axis=1))


def flattered_share(weights: Mapping[str, float], stopped: Mapping[str, str]) -> float:
    """Return the share of a blend's weight that lies on entries stopped on the rows that score them."""
    total = sum(abs(weight) for weight in weights.values())
    return sum(abs(weight) for name, weight in weights.items() if stopped[name] == "fold") / total if total else 0.0
