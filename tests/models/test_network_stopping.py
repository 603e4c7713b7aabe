"""The epoch at which a network ends: where a cycle of its learning rate ends, or before where it soon overfits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.models._network_stopping import ENOUGH, best_epoch

CYCLES = SimpleNamespace(schedule="coslog4", epochs=150)  # they end after 10, 30, 70 and 150
FLAT = SimpleNamespace(schedule="constant", epochs=150)


def curve(**losses: float) -> np.ndarray:
    """Return 150 losses of 1 but for those that are named, as in e70=0.9."""
    made = np.ones(150)
    for name, loss in losses.items():
        made[int(name[1:]) - 1] = loss
    return made


def test_a_low_loss_in_the_middle_of_a_later_cycle_is_luck() -> None:
    losses = [curve(e70=0.9, e100=0.1)]
    assert best_epoch(CYCLES, losses, 10 * ENOUGH) == 70
    assert best_epoch(FLAT, losses, 10 * ENOUGH) == 100


def test_what_overfits_within_the_first_cycle_ends_in_its_middle_where_many_rows_say_so() -> None:
    epochs = np.arange(1, 151)
    losses = [1 + 0.01 * np.abs(epochs - 5)]
    assert best_epoch(CYCLES, losses, ENOUGH) == 5
    assert best_epoch(CYCLES, losses, ENOUGH - 1) == 10


def test_one_low_loss_within_the_first_cycle_is_not_enough() -> None:
    assert best_epoch(CYCLES, [curve(e4=0.8, e10=0.9)], ENOUGH) == 10
    assert best_epoch(CYCLES, [curve(e3=0.8, e4=0.8, e5=0.8, e10=0.9)], ENOUGH) == 4


def test_a_seed_that_stopped_looking_counts_with_its_last_loss() -> None:
    going, stopped = curve(e10=0.8, e30=0.9, e70=0.65), curve(e10=0.8, e30=0.9)[:30]
    assert best_epoch(CYCLES, [going, stopped, np.empty(0)], 0) == 70  # .775, where the end of the first cycle has .8
    assert best_epoch(CYCLES, [going, stopped, stopped], 0) == 10


def test_an_epoch_that_a_seed_diverged_before_is_not_chosen() -> None:
    diverged = np.append(curve(e10=0.9)[:40], np.nan)
    assert best_epoch(CYCLES, [curve(e10=0.9, e70=0.5), diverged], 0) == 10
    assert best_epoch(CYCLES, [curve(e10=0.9), np.array([1.0, 0.9, np.inf])], ENOUGH) == 1  # 2 and 3 know the third


@pytest.mark.parametrize("losses", [[], [np.empty(0)], [np.full(150, np.nan)]])
def test_without_a_loss_the_first_candidate_must_do(losses: list[np.ndarray]) -> None:
    assert best_epoch(FLAT, losses, ENOUGH) == 1


def test_a_loss_that_is_not_known_is_never_the_lowest() -> None:
    assert best_epoch(FLAT, [curve(e1=np.nan, e7=0.5)], ENOUGH) == 7
