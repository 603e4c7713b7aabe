"""Minutes shared out: nobody is left out for whom there is room, and searches are paid for to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.minutes import Tuning, Work, plan_of
from pipeline.sharing import NEARLY, STRETCH

TUNE = {"trials": 30, "wave": 10, "repeats": 1, "rungs": [], "reduction": 3}


class Toy:
    """A model whose recipe is the seconds that five folds take; a trial takes a fifth."""

    def __init__(self, least: float) -> None:
        self.least = least

    def seconds(self, recipe: float, n_fits: int) -> float:
        return recipe * n_fits / 5

    def affordable(self, recipe: float, minutes: float, **_: int) -> float:
        return max(self.least, min(recipe, 60 * minutes))

    def for_tuning(self, recipe: float) -> float:
        return recipe / 5


def toy(seconds: float, least: float = 1.0, weight: float = 1.0) -> Work:
    return Work(Toy(min(least, seconds)), seconds, {"n_fits": 5}, weight)


def tuning(work: Work) -> Tuning:
    return Tuning(work, TUNE, 1)


def spent(plan: dict[str, Work], trials: dict[str, int]) -> float:
    return sum(work.seconds for work in plan.values()) + sum(
        tuning(plan[name]).seconds(n) for name, n in trials.items() if n
    )


def test_one_that_made_room_for_another_which_was_left_out_as_well_is_taken_in() -> None:
    works = {"dear": toy(157.0, 22.0, 0.9), "steady": toy(10.0, 10.0, 0.3), "quick": toy(6.0, 6.0)}
    assert plan_of(17.0, works)[0].keys() == {"steady", "quick"}


def test_what_is_taken_in_leaves_no_room_for_others_twice() -> None:
    works = {"a": toy(20.0, 20.0, 0.5), "b": toy(10.0, 10.0, 0.5), "c": toy(10.0, 5.0), "d": toy(20.0, 10.0, 0.3)}
    plan, _ = plan_of(20.0, works | {"e": toy(200.0, 20.0)})
    assert spent(plan, {}) <= 20.0


def test_a_larger_recipe_makes_the_trials_around_it_dearer_too() -> None:
    works = {"cut": toy(100.0, 5.0, 0.3), "left out": toy(200.0, 20.0, 0.3), "too dear": toy(100.0, 50.0, 0.3)}
    works |= {"quick": toy(10.0, 10.0, 0.5), "searched": toy(20.0, 5.0)}
    tunings = {name: tuning(works[name]) for name in ("quick", "searched", "cut")}
    assert spent(*plan_of(150.0, works, tunings)) <= 150.0


WORKS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(toy, st.floats(0.1, 1e4), st.floats(0.1, 1e3), st.floats(0.01, 2)),
    min_size=1,
)


@given(st.floats(1.0, 1e5), WORKS)
def test_nobody_is_left_out_for_whom_there_is_room(seconds: float, works: dict[str, Work]) -> None:
    plan, _ = plan_of(seconds, works)
    left = seconds - spent(plan, {})
    assert all(works[name].claim.least > left for name in works.keys() - plan.keys())


@given(st.floats(1.0, 1e5), WORKS, st.data())
def test_no_search_takes_more_than_is_there(seconds: float, works: dict[str, Work], data: st.DataObject) -> None:
    tuned = data.draw(st.lists(st.sampled_from(sorted(works)), unique=True))
    plan, trials = plan_of(seconds, works, {name: tuning(works[name]) for name in tuned})
    models = spent(plan, {})
    assert all(n == 0 or n >= tuning(plan[name]).fewest for name, n in trials.items())
    if any(trials.values()):
        assert spent(plan, trials) <= max(seconds, models) * max(NEARLY, STRETCH)
    if not tuned and len(works) == 1:
        assert models <= max(seconds * NEARLY, next(iter(works.values())).claim.least)


@pytest.mark.parametrize(("asked", "fewest"), [(30, 6), (3, 3)])
def test_a_search_that_has_no_time_for_a_first_wave_makes_no_trial(asked: int, fewest: int) -> None:
    search = Tuning(toy(50.0), {**TUNE, "trials": asked}, 1)
    afterwards, a_trial = 3 * 50.0, 10.0
    assert search.trials(afterwards + (fewest - 0.1) * a_trial) == 0
    assert search.seconds(0) == 0.0
    assert search.trials(afterwards + (fewest + 0.1) * a_trial) == fewest
    assert search.seconds(fewest) == pytest.approx(afterwards + fewest * a_trial)


def test_the_test_of_what_was_found_is_on_folds_of_the_search_with_all_seeds() -> None:
    search = Tuning(replace(toy(50.0), size={"n_fits": 10}), {**TUNE, "repeats": 1}, 2)  # final folds have two repeats
    assert search.seconds(2) == pytest.approx(2 * 10.0 + 2 * 50.0 + 100.0)


def test_a_search_that_could_not_begin_with_all_the_time_takes_none_from_the_others() -> None:
    works = {"dear": toy(800.0, 800.0), "quick": toy(60.0, 60.0, 0.5), "any": toy(900.0, 30.0)}
    plan, trials = plan_of(200.0, works, {"dear": tuning(works["dear"])})
    assert trials == {"dear": 0}
    assert plan.keys() == {"quick", "any"}
    assert spent(plan, {}) == pytest.approx(200.0)


def test_what_one_search_leaves_that_has_too_little_goes_to_the_trials_of_another() -> None:
    works = {"quick": toy(5.0), "slow": toy(50.0)}
    tunings = {name: tuning(work) for name, work in works.items()}
    plan, trials = plan_of(135.0, works, tunings)
    assert plan == works
    assert trials == {"quick": 30, "slow": 0}
