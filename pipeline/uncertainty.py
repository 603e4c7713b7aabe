"""Figures with their uncertainty: a cross-validated error, and the difference of two on the same folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.types import Folds


@dataclass(frozen=True)
class Figure:
    """A mean over folds and repeats with its standard error; n_values is the number of fold errors.

    se is NaN where there is only one fold error.
    """

    mean: float
    se: float
    n_values: int


@dataclass(frozen=True)
class Difference:
    """The paired difference of two models' errors: negative where the first is better; p_value is two-sided."""

    mean: float
    se: float
    n_values: int
    p_value: float


def cv_figure(fold_errors: np.ndarray, valid_to_train: float) -> Figure:
    """Return the mean of fold errors (n_repeats, n_folds), averaged over repeats, and its standard error.

    valid_to_train: rows that a fold validates divided by rows that it trains on, 1 / (n_folds - 1) for K-fold.
    Training sets of different folds overlap, so that fold errors are not independent and the naive variance
    s^2 / J is too small; the corrected one is s^2 (1 / J + valid_to_train).
    Source: Nadeau and Bengio 2003, "Inference for the generalization error", equation 13 (corrected resampled t).
    """
    errors = np.asarray(fold_errors, dtype=np.float64).ravel()
    if not np.isfinite(errors).all():
        raise ValueError(f"fold errors hold {int((~np.isfinite(errors)).sum())} missing or infinite values")
    if len(errors) < 2:
        return Figure(float(errors.mean()), float("nan"), len(errors))
    variance = errors.var(ddof=1) * (1.0 / len(errors) + valid_to_train)
    return Figure(float(errors.mean()), float(np.sqrt(variance)), len(errors))


def paired_difference(first: np.ndarray, second: np.ndarray, valid_to_train: float) -> Difference:
    """Compare fold errors (n_repeats, n_folds) of two models on the same folds by the corrected resampled t-test.

    Source: Nadeau and Bengio 2003. Without any spread p_value is 1 for equal models, else 0.
    """
    from scipy.stats import t

    if np.shape(first) != np.shape(second):
        raise ValueError(f"fold errors of different shapes: {np.shape(first)} and {np.shape(second)}")
    figure = cv_figure(np.asarray(first) - np.asarray(second), valid_to_train)
    if figure.n_values < 2:
        return Difference(figure.mean, figure.se, figure.n_values, float("nan"))
    if figure.se == 0.0:
        return Difference(figure.mean, 0.0, figure.n_values, float(figure.mean == 0.0))
    p_value = 2.0 * t.sf(abs(figure.mean) / figure.se, df=figure.n_values - 1)
    return Difference(figure.mean, figure.se, figure.n_values, float(p_value))


def rows_ratio(folds: Folds) -> float:
    """Return the mean over folds of validated rows divided by training rows."""
    ratios = [len(folds.valid_rows(r, f)) / len(folds.train_rows(r, f)) for r, f in folds]
    return float(np.mean(ratios))
