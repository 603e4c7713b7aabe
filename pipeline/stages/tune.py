"""tune: Optuna proposes waves of trials, each wave is cross-fitted in one call; what it found must stand a test.

The folds are not the final ones, and those of the test are others again. The stored study holds finished trials only:
a wave's trials are asked of a copy in memory by a sampler seeded with (seed, wave), so a resumed study proposes what an
undisturbed one would.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
import pandas as pd
from pydantic import TypeAdapter

from pipeline.engine.stage import Job
from pipeline.files import read_folds, read_json, read_table, write_json
from pipeline.overtuning import Verdict, confirm
from pipeline.seeds import derive
from pipeline.space import Dimension
from pipeline.types import Metric, Table
from pipeline.uncertainty import cv_figure, rows_ratio


def run(job: Job) -> dict[str, Any]:
    """Write trials.parquet (number, error, se, one column a parameter) and recipe.json.

    The recipe is that of the best trial if it is better than the default on fresh folds, else the default.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)
    with _study(job) as stored:
        return _search(job, stored)


@contextmanager
def _study(job: Job) -> Iterator[optuna.Study]:
    """Open the stored study; its database is closed in the end."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{job.progress / 'study.db'}")
    try:
        yield optuna.create_study(storage=storage, study_name=job.config["entry"], load_if_exists=True)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _search(job: Job, stored: optuna.Study) -> dict[str, Any]:
    n_trials = read_json(job.inputs["trials"] / job.config["entry"] / "trials.json")
    wanted = job.plugins["model"].Recipe.model_validate(
        read_json(job.inputs["recipe"] / job.config["entry"] / "recipe.json")
    )
    table = read_table(job.inputs["preprocess"], Metric.from_module(job.plugins["metric"]))
    cross_fit = _objective(job, wanted, table)
    with job.log.progress(f"tune {job.config['entry']}", n_trials) as bar:
        bar.advance(min(len(stored.trials), n_trials))
        while len(stored.trials) < n_trials and not job.log.late():
            trials = _wave(job, stored, n_trials)
            found = cross_fit([t.params for t in trials])
            if found is None:
                break
            for trial, (error, se) in zip(trials, found, strict=True):
                stored.add_trial(_finished(trial, error, se))
            bar.advance(len(trials), note=_note(stored.trials[:n_trials]))
    trials = stored.trials[:n_trials]
    _write_trials(job, trials)
    verdict = _settle(job, trials, wanted, table)
    cut = [f"{len(trials)} of {n_trials} trials"] * (len(trials) < n_trials)
    if verdict is not None and verdict.truncated:
        cut.append(f"the test of what was found: {verdict.truncated}")
    return _facts(trials, verdict) | ({"truncated": cut} if cut else {})


def _objective(job: Job, wanted: Any, table: Table) -> Any:
    """Return a function from parameter sets to (mean, standard error) of their fold errors, all fitted in one call.

    It returns None where time was up before they were fitted to their end: such errors are not comparable.
    """
    folds = read_folds(job.inputs["split"])
    model = job.plugins["model"]

    def cross_fit(parameters: list[Mapping[str, Any]]) -> list[tuple[float, float]] | None:
        recipes = {str(i): model.for_tuning(_recipe(wanted, p, job.config["space"])) for i, p in enumerate(parameters)}
        entries = model.cross_fit(recipes, table, folds, seed=derive(job.seed, "fit"), log=job.log)
        if any(entry.truncated for entry in entries.values()):
            return None
        return [_judge(entries[str(i)].fold_errors, rows_ratio(folds)) for i in range(len(parameters))]

    return cross_fit


def _judge(fold_errors: np.ndarray, valid_to_train: float) -> tuple[float, float]:
    """Return a trial's mean error and its standard error, NaN where a fold diverged."""
    if not np.isfinite(fold_errors).all():
        return float("nan"), float("nan")
    figure = cv_figure(fold_errors, valid_to_train)
    return figure.mean, figure.se


def _wave(job: Job, stored: optuna.Study, n_trials: int) -> list[optuna.Trial]:
    """Ask for what is still missing of the wave that the stored trials have reached, up to `n_trials` in all.

    The whole wave is asked again from its start, so that a wave cut short goes on as if it had not been.
    """
    done = stored.get_trials(deepcopy=False)
    wave, offset = divmod(len(done), job.config["wave"])
    study = optuna.create_study(sampler=_sampler(job.config["sampler"], derive(job.seed, "wave", wave)))
    study.add_trials(done[: wave * job.config["wave"]])
    space = _dimensions(job.config["space"])
    asked = []
    for _ in range(min(job.config["wave"], n_trials - wave * job.config["wave"])):
        trial = study.ask()
        for name, dimension in space.items():
            dimension.suggest(trial, name)
        asked.append(trial)
    return asked[offset:]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # constant_liar: the trials of a wave know of each other, as Optuna's docs advise for batches
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True, n_startup_trials=10)


def _finished(trial: optuna.Trial, error: float, se: float) -> optuna.trial.FrozenTrial:
    """Return the trial as it is stored; a diverged one counts as failed, not as good or bad."""
    failed = not np.isfinite(error)
    return optuna.trial.create_trial(
        params=trial.params,
        distributions=trial.distributions,
        value=None if failed else error,
        state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
        user_attrs={} if failed else {"se": se},
    )


def _note(trials: list[optuna.trial.FrozenTrial]) -> str:
    best = _best(trials)
    return "none finished yet" if best is None else f"best {best.value:.5f}"


def _best(trials: list[optuna.trial.FrozenTrial]) -> optuna.trial.FrozenTrial | None:
    finished = [t for t in trials if t.value is not None]
    return min(finished, key=lambda t: (t.value, t.number), default=None)


def _settle(job: Job, trials: list[optuna.trial.FrozenTrial], wanted: Any, table: Table) -> Verdict | None:
    """Write the recipe that is used: what was found if it stands the test, else the one that was wanted."""
    best, recipe, verdict = _best(trials), wanted, None
    if best is not None:
        found = _recipe(wanted, best.params, job.config["space"])
        folds, seed = read_folds(job.inputs["fresh"]), derive(job.seed, "confirm")
        verdict = confirm(job.plugins["model"], wanted, found, table, folds, seed=seed, log=job.log)
        recipe = found if verdict.kept else wanted
        job.log.info(f"{job.config['entry']}: {verdict.text}")
    write_json(job.out / "recipe.json", recipe.model_dump(mode="json"))
    return verdict


def _facts(trials: list[optuna.trial.FrozenTrial], verdict: Verdict | None) -> dict[str, Any]:
    best = _best(trials)
    said = {"trials": len(trials), "failed": sum(t.value is None for t in trials), "best": best and best.value}
    return said | ({} if verdict is None else {"kept": verdict.kept, "verdict": verdict.text})


def _write_trials(job: Job, trials: list[optuna.trial.FrozenTrial]) -> None:
    rows = [
        {"number": t.number, "error": t.value, "se": t.user_attrs.get("se")}
        | {
            n: json.dumps(v) if isinstance(v, list | dict) else v
            for n, v in _values(t.params, job.config["space"]).items()
        }
        for t in trials
    ]
    pd.DataFrame(rows).to_parquet(job.out / "trials.parquet", index=False)


def _recipe(wanted: Any, parameters: Mapping[str, Any], space: Mapping[str, Any]) -> Any:
    return type(wanted).model_validate(wanted.model_dump() | _values(parameters, space))


def _values(parameters: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's parameters as the recipe takes them; choices are stored by their place."""
    dimensions = _dimensions(space)
    return {n: dimensions[n].values[v] if dimensions[n].tune == "choice" else v for n, v in parameters.items()}


def _dimensions(space: Mapping[str, Any]) -> dict[str, Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(Dimension)
    return {name: adapter.validate_python(dimension) for name, dimension in space.items()}
