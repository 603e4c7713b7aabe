"""Successive halving: limits come from earlier trials alone, and the best part of them would pass."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tuning.halving import (
    FIRST_REPEAT,
    RECENT,
    Course,
    course_of,
    first_wave,
    n_trials,
    n_whole,
    rungs_for,
    shares_of,
    wave_of,
)

TRIALS = st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=40)


@given(TRIALS, st.integers(2, 5))
def test_the_best_part_of_what_was_seen_would_go_on(seen: list[list[float]], reduction: int) -> None:
    for place, rung in enumerate(rungs_for([0.1, 0.3, 0.6], seen, reduction)):
        errors = [trial[place] for trial in seen if len(trial) > place][-RECENT:]
        n_kept = len(errors) // reduction
        if not n_kept:
            assert rung.limit == math.inf
        else:
            assert sum(error <= rung.limit for error in errors) >= n_kept
            assert sum(error < rung.limit for error in errors) < n_kept


def test_later_trials_are_compared_to_what_a_sampler_has_learnt_meanwhile() -> None:
    early, late = [[1.0]] * 60, [[0.1 + 0.01 * place] for place in range(RECENT)]
    (rung,) = rungs_for([0.2], early + late, 2)
    assert rung.limit == late[RECENT // 2 - 1][0]
    (wide,) = rungs_for([0.2], late + early, 2)
    assert wide.limit == 1.0


@given(st.integers(0, 500), st.integers(1, 50), st.integers(2, 5))
def test_waves_follow_each_other_and_grow(place: int, size: int, reduction: int) -> None:
    wave = wave_of(place, size, reduction)
    assert place in wave
    assert all(wave_of(other, size, reduction) == wave for other in wave)
    assert len(wave) <= size
    if wave.start == 0:
        assert len(wave) == first_wave(size, reduction)
    else:
        assert len(wave) == min(size, 2 * len(wave_of(wave.start - 1, size, reduction)))


class GoesOn:
    RUNGS = (0.1, 0.4)


class BeginsAnew(GoesOn):
    BEGINS_ANEW = True


@given(
    st.integers(1, 500), st.integers(1, 50), st.integers(2, 4), st.sampled_from([GoesOn, BeginsAnew]), st.integers(1, 3)
)
def test_as_many_trials_fit_as_are_paid_for(whole: int, wave: int, reduction: int, model: type, n_repeats: int) -> None:
    course = course_of(model, "auto", n_repeats)
    trials = n_trials(whole, wave, course, reduction)
    assert n_whole(trials, wave, course, reduction) <= whole + 1e-6
    assert n_whole(trials + 1, wave, course, reduction) > whole - 1e-6


@given(st.integers(1, 4), st.lists(st.floats(0.01, 0.99), max_size=4, unique=True).map(sorted), st.integers(1, 3))
def test_a_first_wave_of_trials_that_go_on_is_as_many_as_whole_ones(
    trials: int, rungs: list[float], n_repeats: int
) -> None:
    assert n_trials(trials, 50, course_of(GoesOn, rungs, n_repeats), 2) == trials


def test_cost_is_what_a_trial_takes_when_one_in_so_many_goes_on() -> None:
    assert course_of(object(), "auto", 1).cost(3) == 1.0
    assert course_of(GoesOn, [0.2], 1).cost(2) == pytest.approx(0.2 + 0.8 / 2)
    assert course_of(GoesOn, "auto", 1).cost(3) == pytest.approx(0.1 + 0.3 / 3 + 0.6 / 9)


def test_a_first_wave_that_is_compared_to_itself_takes_less_than_whole_ones() -> None:
    course = course_of(GoesOn, "auto", 2)
    assert course.first_cost(8, 4) == pytest.approx(8 / 2 + 2 / 2)
    assert course.first_cost(3, 4) == pytest.approx(3), "too few to be compared all go on"
    assert n_whole(20, 10, course, 4) == pytest.approx(5 + 12 * course.cost(4))
    assert n_trials(5, 10, course, 4) == 8


def test_one_repeat_is_trained_before_the_others_are() -> None:
    assert shares_of(GoesOn, "auto", 3) == shares_of(object(), "auto", 3) == [FIRST_REPEAT]
    assert shares_of(GoesOn, "auto", 1) == [0.1, 0.4]
    assert course_of(GoesOn, "auto", 3).steps == pytest.approx([1 / 3, 2 / 3])


def test_rungs_that_an_experiment_states_are_all_there_are() -> None:
    assert shares_of(GoesOn, [0.2], 2) == [0.2]
    assert course_of(GoesOn, [0.2], 2).steps == pytest.approx([0.2, 0.8])
    assert shares_of(object(), [0.2, FIRST_REPEAT], 2) == [FIRST_REPEAT]
    rungs = [0.1, 0.4, FIRST_REPEAT]
    assert course_of(GoesOn, rungs, 3).steps == pytest.approx([0.1 / 3, 0.3 / 3, 0.6 / 3, 2 / 3])
    assert course_of(BeginsAnew, rungs, 2).steps == pytest.approx([0.1 / 2, 0.4 / 2, 1 / 2, 1 / 2])
    assert course_of(GoesOn, [], 2) == Course((1.0,))


def test_who_begins_anew_pays_for_the_beginning_again() -> None:
    course = course_of(BeginsAnew, "auto", 1)
    assert course.cost(3) == pytest.approx(0.1 + 0.4 / 3 + 1.0 / 9)
    assert n_whole(6, 10, course, 3) == pytest.approx(6 * (0.1 + 0.4 + 1.0))
    assert n_trials(1, 10, course, 3) == 0
    assert n_trials(3.1, 10, course, 3) == 2
