"""Schedules: where they start, end and peak."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.core.schedule import SCHEDULES, cycle_ends, factor

T = np.linspace(0, 1, 1001)


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_stay_between_zero_and_one(name: str) -> None:
    values = factor(name, T)
    assert values.min() >= 0
    assert values.max() <= 1


def test_coslog4_has_four_cycles_of_doubling_length() -> None:
    values = factor("coslog4", np.array([0, 1 / 15, 3 / 15, 7 / 15, 1]))
    assert values == pytest.approx(0, abs=1e-12)
    assert factor("coslog4", np.array([(2**0.5 * 8 - 1) / 15])) == pytest.approx(1)


@pytest.mark.parametrize("epochs", [1, 2, 15, 60, 256])
def test_coslog4s_last_cycle_ends_with_the_training(epochs: int) -> None:
    ends = cycle_ends("coslog4", epochs)
    assert ends == sorted(set(ends))
    assert ends[0] >= 1
    assert ends[-1] == epochs


@pytest.mark.parametrize("epochs", [60, 256])
def test_coslog4_has_come_down_where_a_cycle_ends(epochs: int) -> None:
    ends = cycle_ends("coslog4", epochs)
    assert len(ends) == 4
    assert (factor("coslog4", np.array(ends) / epochs) < 0.02).all()


def test_other_schedules_have_no_cycles() -> None:
    assert [cycle_ends(name, 30) for name in SCHEDULES if name != "coslog4"] == [[], [], []]


def test_cosine_falls_from_one_to_zero() -> None:
    values = factor("cosine", T)
    assert values[0] == 1
    assert values[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(values) <= 0).all()


def test_flat_cosine_is_flat_then_falls() -> None:
    values = factor("flat_cosine", T)
    assert (values[:500] == 1).all()
    assert values[-1] == pytest.approx(0, abs=1e-12)


def test_warm_up_rises_from_zero() -> None:
    assert factor("constant", np.array([0, 0.05, 0.1, 0.5]), warmup=0.1).tolist() == [0, 0.5, 1, 1]
