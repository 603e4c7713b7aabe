"""Waves of trials: what is searched only under a condition, and what a wave that is asked again proposes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.tuning import study
from pipeline.tuning.space import decided

SPACE = {
    "sigma": {"tune": "loguniform", "low": 0.1, "high": 1.0, "when": {"embedding": ["waves"]}},
    "bins": {"tune": "logint", "low": 2, "high": 64, "when": {"embedding": ["bins"]}},
    "embedding": {"tune": "choice", "values": ["none", "bins", "waves"], "when": {"depth": [2, 3]}},
    "depth": {"tune": "int", "low": 1, "high": 3},
}


def ask(earlier: list[FrozenTrial], sampler: str, seed: int, n_early: int = 0) -> list[dict[str, Any]]:
    wave = study.ask_wave(earlier, SPACE, 8, sampler=sampler, seed=seed, n_early=n_early)
    return [study.values(trial.params, SPACE) for trial in wave]


def told(sampler: str, seed: int) -> list[FrozenTrial]:
    """Two waves with made-up errors, so that the sampler has learnt something."""
    trials: list[FrozenTrial] = []
    for _ in range(2):
        wave = study.ask_wave(trials, SPACE, 8, sampler=sampler, seed=seed, n_early=0)
        trials += [
            create_trial(params=t.params, distributions=t.distributions, value=len(t.params), state=TrialState.COMPLETE)
            for t in wave
        ]
    return trials


def fits(parameters: dict[str, Any]) -> bool:
    """Say whether exactly the parameters whose conditions hold are there."""
    embedding = parameters.get("embedding")
    conditions = {"embedding": parameters["depth"] > 1, "sigma": embedding == "waves", "bins": embedding == "bins"}
    return all((name in parameters) == holds for name, holds in conditions.items())


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(["tpe", "random"]), st.integers(0, 1_000))
def test_a_parameter_is_proposed_exactly_where_its_condition_holds(sampler: str, seed: int) -> None:
    earlier = told(sampler, seed)
    assert all(fits(study.values(trial.params, SPACE)) for trial in earlier)
    assert all(fits(parameters) for parameters in ask(earlier, sampler, seed + 1))


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_wave_that_is_asked_again_proposes_the_same(sampler: str) -> None:
    earlier = told(sampler, 0)
    assert ask(earlier, sampler, 1) == ask(earlier, sampler, 1)


def with_given_up(sampler: str, errors: list[float]) -> list[FrozenTrial]:
    """Two waves, and ten times a trial that was given up with these errors at its rungs."""
    finished = told(sampler, 0)
    own = {"params": {"depth": 3}, "distributions": {"depth": finished[0].distributions["depth"]}}
    return [
        *finished,
        *[create_trial(state=TrialState.PRUNED, intermediate_values=dict(enumerate(errors)), **own)] * 10,
    ]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_samplers_learn_nothing_from_errors_early_in_a_training(sampler: str) -> None:
    good, bad = (ask(with_given_up(sampler, [error]), sampler, 1, n_early=1) for error in (-9.0, 9.0))
    assert good == bad


def test_samplers_learn_from_a_whole_training_on_the_first_repeat() -> None:
    good, bad = (ask(with_given_up("tpe", [1.0, error]), "tpe", 1, n_early=1) for error in (-9.0, 9.0))
    assert [own["depth"] for own in good].count(3) > [own["depth"] for own in bad].count(3)


def test_a_recipe_starts_a_search_with_what_its_conditions_let_in() -> None:
    recipe = {"depth": 2, "embedding": "bins", "bins": 8, "sigma": 0.5}
    assert study.stored_form(recipe, SPACE) == {"depth": 2, "embedding": 1, "bins": 8}
    assert study.stored_form(recipe | {"depth": 1}, SPACE) == {"depth": 1}


def test_conditions_on_what_is_not_searched_are_decided_at_once() -> None:
    space = study.dimensions(SPACE)
    without_depth = {name: space[name] for name in ("sigma", "bins", "embedding")}
    assert decided(without_depth, {"depth": 1}) == {}
    assert decided(without_depth, {"depth": 2}).keys() == without_depth.keys()
    assert decided({"bins": space["bins"]}, {"embedding": "bins"})["bins"].when == {}
    assert decided({"bins": space["bins"]}, {"embedding": "waves"}) == {}
