"""Decisions: labels that the metric rewards more than the likeliest ones do, learnt out of fold."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blenders._decision import Decision, fit_decision
from pipeline.metrics import accuracy, balanced_accuracy, f1, f1_macro, log_loss, mcc, quadratic_kappa
from pipeline.types import Metric


def example(n_rows: int, prior: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities, timid towards rare classes, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(2.0 * np.array(prior), n_rows)
    labels = (rng.random((n_rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return probabilities, labels


@pytest.mark.parametrize(
    ("module", "prior", "gain"),
    [
        (f1, [0.9, 0.1], 0.02),
        (mcc, [0.9, 0.1], 0.005),
        (balanced_accuracy, [0.8, 0.15, 0.05], 0.02),
        (f1_macro, [0.8, 0.15, 0.05], 0.01),
        (quadratic_kappa, [0.4, 0.2, 0.2, 0.2], 0.03),
    ],
)
def test_new_rows_score_higher_than_with_the_likeliest_class(
    module: ModuleType, prior: list[float], gain: float
) -> None:
    metric = Metric.from_module(module)
    decision = fit_decision(*example(1_000, prior, seed=0), metric)
    probabilities, labels = example(20_000, prior, seed=1)
    assert metric.score(labels, decision.apply(probabilities)) > metric.score(labels, probabilities) + gain


def timid(n_rows: int, rare: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities of a class that no row is likely to be of, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    chance = 0.01 + 0.2 * rng.beta(0.5, 4, n_rows)
    probabilities = np.repeat((1 - chance)[:, None] / (n_classes - 1), n_classes, axis=1)
    probabilities[:, rare] = chance
    return probabilities, (rng.random((n_rows, 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)


@pytest.mark.parametrize("module", [f1, mcc, balanced_accuracy, quadratic_kappa])
def test_a_class_that_is_never_likely_is_given_where_it_is_likeliest(module: ModuleType) -> None:
    metric = Metric.from_module(module)
    decision = fit_decision(*timid(4_000, 1, 2, seed=0), metric)
    probabilities, labels = timid(20_000, 1, 2, seed=1)
    assert metric.score(labels, decision.apply(probabilities)) > metric.score(labels, probabilities) + 0.05


@pytest.mark.parametrize("rare", [0, 1, 2])
def test_of_several_classes_any_may_be_the_rare_one(rare: int) -> None:
    decision = fit_decision(*timid(4_000, rare, 3, seed=0), Metric.from_module(f1_macro))
    probabilities, labels = timid(20_000, rare, 3, seed=1)
    assert f1_macro.score(labels == rare, decision.labels(probabilities) == rare) > 0.52


@pytest.mark.parametrize("module", [accuracy, log_loss])
def test_where_the_likeliest_class_is_right_nothing_is_moved(module: ModuleType) -> None:
    probabilities, labels = example(200, [0.7, 0.3], seed=0)
    decision = fit_decision(probabilities, labels, Metric.from_module(module))
    np.testing.assert_array_equal(decision.apply(probabilities), probabilities)


DECISIONS = st.one_of(
    st.lists(st.floats(-4, 4), min_size=3, max_size=3).map(lambda numbers: Decision("weights", tuple(numbers))),
    st.lists(st.floats(-1, 3), min_size=2, max_size=2).map(lambda numbers: Decision("cuts", tuple(numbers))),
    st.just(Decision()),
)


@settings(max_examples=30, deadline=None)
@given(DECISIONS, st.integers(0, 1_000))
def test_what_is_decided_is_read_from_probabilities(decision: Decision, seed: int) -> None:
    probabilities, _ = example(50, [0.5, 0.3, 0.2], seed)
    decided = decision.apply(probabilities)
    np.testing.assert_array_equal(decided.argmax(axis=1), decision.labels(probabilities))
    np.testing.assert_allclose(decided.sum(axis=1), 1.0)
    assert Decision.from_dict(decision.to_dict()) == decision
