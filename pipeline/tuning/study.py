"""Trials: the waves that Optuna proposes, what becomes of a trial, and its parameters as recipes take them.

A wave's trials are asked of a copy in memory by a sampler seeded for the wave, so a resumed study proposes what an
undisturbed one would.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter

from pipeline.tuning.space import Dimension, order
from pipeline.types import CrossFit
from pipeline.uncertainty import cv_figure

Parameters = Mapping[str, Any]

N_STARTUP = 10
"""Trials at random before the sampler learns from them; Optuna's default."""
N_FOR_OTHERS = 3
"""Trials that a study leaves for others to start with."""


def ask_wave(
    earlier: Sequence[FrozenTrial],
    space: Mapping[str, Any],
    size: int,
    *,
    sampler: str,
    seed: int,
    n_early: int,
    start: Sequence[Parameters] = (),
) -> list[optuna.Trial]:
    """Ask for a whole wave of trials, given all trials of earlier waves.

    It is asked again from its start wherever it is continued, so that a wave cut short goes on as if it had not been.
    seed: of this wave. n_early: rungs that a trial passes before it is trained to its end on any fold. start:
    parameters of the study's first trials; what they leave open is proposed.
    """
    conditional = any(dimension.when for dimension in dimensions(space).values())
    study = optuna.create_study(sampler=_sampler(sampler, seed, conditional))
    study.add_trials(_given_up(trial, n_early) if trial.state is TrialState.PRUNED else trial for trial in earlier)
    for parameters in start[len(earlier) : len(earlier) + size]:
        study.enqueue_trial(dict(parameters))
    asked = []
    for _ in range(size):
        trial = study.ask()
        _suggest(trial, space)
        asked.append(trial)
    return asked


def _given_up(trial: FrozenTrial, n_early: int) -> FrozenTrial:
    """Return a trial that was given up as samplers get to know it: with the error of a whole training, or none.

    As in BOHB (Falkner, Klein and Hutter 2018, "Robust and efficient hyperparameter optimization at scale") they learn
    from whole trainings alone. Early rungs prefer what learns fast, and a sampler that is told of them goes after that:
    on House Prices to three times the best learning rate.
    """
    errors = rung_errors(trial)
    known = len(errors) > n_early
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        state=TrialState.COMPLETE if known else TrialState.FAIL,
        value=errors[-1] if known else None,
    )


def _suggest(trial: optuna.Trial, space: Mapping[str, Any]) -> None:
    """Ask for every dimension whose condition, if it has one, holds for what the trial was given before."""
    known, chosen = dimensions(space), dict[str, Any]()
    for name in order(known):
        if known[name].applies(chosen):
            chosen[name] = known[name].suggest(trial, name)


def _sampler(name: str, seed: int, conditional: bool) -> optuna.samplers.BaseSampler:
    if name == "tpe":
        # constant_liar: the trials of a wave know of each other, as Optuna's docs advise for batches;
        # group: parameters are modelled together with those that always come with them
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=seed, constant_liar=True, multivariate=True, group=conditional, n_startup_trials=N_STARTUP
            )
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=N_STARTUP, deterministic_objective=False)
    return optuna.samplers.RandomSampler(seed=seed)


def finished(trial: optuna.Trial, entry: CrossFit, valid_to_train: float) -> FrozenTrial:
    """Return the trial as it is stored: pruned where it was given up, failed where it diverged, else with its error."""
    errors = entry.fold_errors
    sound = bool(np.isfinite(errors).all())
    state = TrialState.PRUNED if entry.given_up else TrialState.COMPLETE if sound else TrialState.FAIL
    figure = cv_figure(errors, valid_to_train) if state is TrialState.COMPLETE else None
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        value=None if figure is None else figure.mean,
        state=state,
        intermediate_values=dict(enumerate(entry.rungs, start=1)),
        user_attrs={} if figure is None else {"se": figure.se, "fold_errors": errors.tolist()},
    )


def rung_errors(trial: FrozenTrial) -> list[float]:
    """Return a trial's mean errors at the rungs that it reached."""
    return [error for _, error in sorted(trial.intermediate_values.items())]


def fold_errors(trial: FrozenTrial) -> np.ndarray:
    """Return the errors (n_repeats, n_folds) of a trial that was trained to its end."""
    return np.array(trial.user_attrs["fold_errors"])


def values(parameters: Parameters, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters as the recipe takes them; choices are stored by their place."""
    known = dimensions(space)
    return {n: known[n].values[v] if known[n].tune == "choice" else v for n, v in parameters.items()}


def written(parameters: Parameters, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters for a table: choices of lists, tables or several types as JSON."""
    own = values(parameters, space)
    mixed = {n for n, d in dimensions(space).items() if d.tune == "choice" and not _alike(d.values)}
    return {name: json.dumps(value) if name in mixed else value for name, value in own.items()}


def _alike(choices: Sequence[Any]) -> bool:
    kinds = {type(choice) for choice in choices}
    return len(kinds) == 1 and kinds <= {bool, int, float, str}


def stored_form(parameters: Parameters, space: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a recipe's parameters that lie in the space, as trials store them: the inverse of `values`."""
    known, held = dimensions(space), dict[str, Any]()
    for name in order(known):
        if name in parameters and known[name].applies(held) and known[name].holds(parameters[name]):
            held[name] = parameters[name]
    return {name: known[name].stored(value) for name, value in held.items()}


def best_of(trials: Iterable[FrozenTrial], space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of the best trials, for other studies to start with, as recipes take them."""
    finished = [(trial.value, trial) for trial in trials if trial.value is not None]
    best = sorted(finished, key=lambda known: known[0])[:N_FOR_OTHERS]
    return [values(trial.params, space) for _, trial in best]


def dimensions(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return the space's dimensions by name."""
    adapter: TypeAdapter[Any] = TypeAdapter(Dimension)
    return {name: adapter.validate_python(dimension) for name, dimension in space.items()}
