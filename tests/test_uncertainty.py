"""Standard errors that know folds share rows, and paired comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from small_folds import alternating

from pipeline.uncertainty import cv_figure, paired_difference, rows_ratio

ERRORS = st.lists(st.floats(0.0, 10.0), min_size=2, max_size=20).map(np.array)


def test_the_formula_of_nadeau_and_bengio_by_hand() -> None:
    figure = cv_figure(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), valid_to_train=0.25)
    assert figure.mean == 3.0
    assert figure.se == pytest.approx(np.sqrt(2.5 * (1 / 5 + 0.25)))
    assert figure.n_values == 5


@given(ERRORS)
def test_the_error_never_falls_below_the_naive_one(errors: np.ndarray) -> None:
    naive = errors.std(ddof=1) / np.sqrt(len(errors))
    assert cv_figure(errors, 0.25).se >= naive


def test_more_repeats_cannot_push_the_error_below_the_share_of_overlap() -> None:
    rng = np.random.default_rng(0)
    once, often = (cv_figure(rng.normal(size=(repeats, 5)), 0.25).se for repeats in (1, 1000))
    assert often == pytest.approx(np.sqrt(0.25), rel=0.05)
    assert once > 0


def test_coverage_of_the_interval_under_the_model_it_assumes() -> None:
    """Fold errors with correlation rho = ratio / (1 + ratio) make the corrected variance unbiased."""
    rng, ratio, n_folds = np.random.default_rng(0), 0.25, 5
    rho = ratio / (1 + ratio)
    shared = rng.normal(size=(20_000, 1)) * np.sqrt(rho)
    errors = shared + rng.normal(size=(20_000, n_folds)) * np.sqrt(1 - rho)
    true_variance = errors.mean(axis=1).var()
    estimates = [cv_figure(row, ratio).se ** 2 for row in errors[:4000]]
    assert np.mean(estimates) == pytest.approx(true_variance, rel=0.05)


def test_one_fold_has_no_standard_error() -> None:
    assert np.isnan(cv_figure(np.array([[0.5]]), 0.25).se)


def test_missing_fold_errors_are_refused_not_skipped() -> None:
    with pytest.raises(ValueError, match="1 missing"):
        cv_figure(np.array([0.5, np.nan]), 0.25)


def test_pairing_sees_a_small_gain_behind_large_fold_differences() -> None:
    rng = np.random.default_rng(1)
    second = rng.uniform(1.0, 5.0, size=(3, 5))
    first = second - 0.1 + rng.normal(scale=0.01, size=(3, 5))
    found = paired_difference(first, second, 0.25)
    assert found.mean == pytest.approx(-0.1, abs=0.01)
    assert found.p_value < 1e-6
    assert abs(cv_figure(first, 0.25).mean - cv_figure(second, 0.25).mean) < cv_figure(first, 0.25).se


@given(ERRORS, ERRORS)
def test_a_comparison_is_the_same_from_both_sides(first: np.ndarray, second: np.ndarray) -> None:
    n = min(len(first), len(second))
    one, other = (paired_difference(*pair, 0.25) for pair in ((first[:n], second[:n]), (second[:n], first[:n])))
    assert one.mean == pytest.approx(-other.mean)
    assert one.p_value == pytest.approx(other.p_value, nan_ok=True)


def test_of_independent_errors_it_is_the_paired_t_test() -> None:
    first, second = np.random.default_rng(2).normal(size=(2, 4))
    assert paired_difference(first, second, 0.0).p_value == pytest.approx(ttest_rel(first, second).pvalue)


def test_equal_models_do_not_differ() -> None:
    errors = np.array([0.1, 0.2, 0.3])
    assert paired_difference(errors, errors, 0.5).p_value == 1.0
    assert paired_difference(errors, errors + 0.5, 0.5).p_value == pytest.approx(0.0, abs=1e-12)


def test_different_folds_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        paired_difference(np.zeros((1, 5)), np.zeros((1, 4)), 0.25)


def test_the_ratio_counts_stopping_rows_as_training_rows() -> None:
    assert rows_ratio(alternating(50, 5)) == pytest.approx(0.25)
