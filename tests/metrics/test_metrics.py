"""Every metric against scikit-learn's, or against numbers worked out by hand where it has none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from pipeline.engine import plugins


def score(name: str, target: np.ndarray, prediction: np.ndarray) -> float:
    return plugins.load(plugins.find("metrics", name, where="test")).score(target, prediction)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mse", reference.mean_squared_error),
        ("rmse", reference.root_mean_squared_error),
        ("mae", reference.mean_absolute_error),
        ("medae", reference.median_absolute_error),
        ("r2", reference.r2_score),
        ("mape", reference.mean_absolute_percentage_error),
        ("rmsle", reference.root_mean_squared_log_error),
    ],
)
def test_values_agree_with_scikit_learn(name, expected, rng):
    target, prediction = rng.gamma(2.0, 50.0, 301), rng.gamma(2.0, 50.0, 301)
    assert score(name, target, prediction) == pytest.approx(expected(target, prediction), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", reference.accuracy_score),
        ("balanced_accuracy", reference.balanced_accuracy_score),
        ("f1_macro", lambda t, p: reference.f1_score(t, p, average="macro")),
        ("mcc", reference.matthews_corrcoef),
        ("quadratic_kappa", lambda t, p: reference.cohen_kappa_score(t, p, weights="quadratic")),
    ],
)
def test_labels_agree_with_scikit_learn(name, expected, rng):
    target = rng.integers(0, 5, 400)
    prediction = np.where(rng.random(400) < 0.6, target, rng.integers(0, 5, 400))
    assert score(name, target, prediction) == pytest.approx(expected(target, prediction), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("f1_macro", lambda t, p: reference.f1_score(t, p, average="macro")),
        ("mcc", reference.matthews_corrcoef),
        ("quadratic_kappa", lambda t, p: reference.cohen_kappa_score(t, p, weights="quadratic", labels=range(6))),
    ],
)
def test_classes_may_be_predicted_that_no_row_has_or_stand_on_neither_side(name, expected):
    target, prediction = np.array([0, 0, 2, 3, 3]), np.array([0, 2, 2, 5, 3])
    assert score(name, target, prediction) == pytest.approx(expected(target, prediction), rel=1e-12)
    assert score(name, target, target) == pytest.approx(1.0)
    assert score("quadratic_kappa", np.ones(3, int), np.ones(3, int)) == 0.0


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_auc_counts_ties_half(digits, rng):
    target = rng.integers(0, 2, 500)
    p = np.round(np.clip(0.3 * target + rng.random(500) * 0.7, 0, 1), digits)
    both = np.column_stack([1 - p, p])
    expected = reference.roc_auc_score(target, p)
    assert score("auc", target, both) == pytest.approx(expected, rel=1e-12)
    assert score("gini", target, both) == pytest.approx(2 * expected - 1, rel=1e-12)
    assert score("brier", target, both) == pytest.approx(reference.brier_score_loss(target, p), rel=1e-12)


def test_f1_agrees_with_scikit_learn(rng):
    target, prediction = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    assert score("f1", target, prediction) == pytest.approx(reference.f1_score(target, prediction), rel=1e-12)
    assert score("f1", np.zeros(3, int), np.zeros(3, int)) == 0.0


def test_log_loss_renormalises_and_clips(rng):
    target = rng.integers(0, 4, 200)
    p = rng.random((200, 4))
    expected = reference.log_loss(target, p / p.sum(axis=1, keepdims=True))
    assert score("log_loss", target, p) == pytest.approx(expected, rel=1e-12)
    sure_and_wrong = score("log_loss", np.array([0]), np.array([[0.0, 1.0]]))
    assert sure_and_wrong == pytest.approx(-np.log(1e-15))


def test_rmsle_counts_a_negative_prediction_as_zero_and_refuses_a_negative_target():
    assert score("rmsle", np.array([0.0, 1.0]), np.array([-5.0, 1.0])) == 0.0
    with pytest.raises(ValueError, match="0 and above"):
        score("rmsle", np.array([-1.0]), np.array([1.0]))


def test_smape_and_rmspe_by_hand():
    assert score("smape", np.array([0.0, 100.0]), np.array([0.0, 50.0])) == pytest.approx(200 * (50 / 150) / 2)
    assert score("rmspe", np.array([0.0, 2.0, 4.0]), np.array([9.0, 1.0, 4.0])) == pytest.approx(np.sqrt(0.25 / 2))


def test_percentages_are_of_a_targets_size_whatever_its_sign():
    target, prediction = np.array([-2.0, -4.0]), np.array([-1.0, -4.0])
    assert score("mape", target, prediction) == pytest.approx(0.25)
    assert score("rmspe", target, prediction) == pytest.approx(np.sqrt(0.125))
    assert score("smape", target, -prediction) == pytest.approx(200.0)


def test_auc_and_r2_are_undefined_where_the_target_is_constant():
    assert np.isnan(score("auc", np.zeros(3, int), np.full((3, 2), 0.5)))
    assert np.isnan(score("r2", np.ones(3), np.ones(3)))
