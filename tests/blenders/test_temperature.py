"""Temperatures: what makes probabilities too timid or too bold is found and undone, and no label moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.blenders._temperature import LARGEST, MAX_ROWS, fit_temperature, temper


def drawn(seed: int, n_rows: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes drawn with exactly these probabilities."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(n_classes, 0.5), n_rows)
    target = (rng.random((n_rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    return probabilities, target


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5])
def test_the_temperature_that_was_applied_is_found(true: float) -> None:
    probabilities, target = drawn(0, 20_000, 4)
    assert fit_temperature(temper(probabilities, 1 / true), target) == pytest.approx(true, rel=0.05)


def test_classes_that_come_in_turns_do_not_change_it() -> None:
    """Of probabilities that lean to one class, twice as many as it is fitted on."""
    rng = np.random.default_rng(0)
    target = np.arange(2 * MAX_ROWS) % 2
    leaning = 1 / (1 + np.exp(-(2.0 * target + rng.normal(size=len(target)))))
    probabilities = np.stack([1 - leaning, leaning], axis=1)
    order = rng.permutation(len(target))
    shuffled = fit_temperature(probabilities[order], target[order])
    assert fit_temperature(probabilities, target) == pytest.approx(shuffled, rel=0.05)


@given(st.integers(0, 1000), st.integers(2, 6), st.floats(1 / LARGEST, LARGEST))
def test_rows_sum_to_one_and_keep_the_order_of_their_classes(seed: int, n_classes: int, temperature: float) -> None:
    probabilities, _ = drawn(seed, 50, n_classes)
    tempered = temper(probabilities, temperature)
    np.testing.assert_allclose(tempered.sum(axis=1), 1)
    ranked = np.take_along_axis(tempered, probabilities.argsort(axis=1), axis=1)
    assert (np.diff(ranked, axis=1) >= -1e-12).all()


def test_certain_and_wrong_rows_leave_it_finite() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert 1 < fit_temperature(probabilities, np.array([0, 1, 1])) <= LARGEST
    assert np.isfinite(np.log(temper(probabilities, 1.0))).all()


def test_few_rows_without_a_mistake_do_not_make_it_as_bold_as_it_can_be() -> None:
    probabilities = np.tile([[0.8, 0.2], [0.2, 0.8]], (15, 1))
    assert 0.2 < fit_temperature(probabilities, np.tile([0, 1], 15)) < 1
