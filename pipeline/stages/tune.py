"""tune: Optuna proposes waves of trials, each wave is cross-fitted in one call; what it found must stand a test.

The folds are not the final ones, and those of the test are others again. The stored study holds finished trials only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from pipeline.engine.stage import Job
from pipeline.files import read_folds, read_json, read_table, write_json
from pipeline.seeds import derive
from pipeline.tuning import study
from pipeline.tuning.choice import optimism, safest
from pipeline.tuning.guard import Verdict, confirm
from pipeline.tuning.halving import rungs_for, shares_of
from pipeline.types import CrossFit, Folds, Metric, Rung, Table
from pipeline.uncertainty import rows_ratio

STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "given up", TrialState.FAIL: "failed"}


def run(job: Job) -> dict[str, Any]:
    """Write trials.parquet (number, state, error, se, rungs, one column a parameter) and recipe.json.

    The recipe is that of the best trial if it is better than the default on fresh folds, else the default.
    """
    search = search_of(job)
    with study.opened(job.progress / "study.db", search.entry) as stored:
        fill(search, stored)
        trials = stored.trials[: search.n_trials]
    _write_trials(job, trials)
    best = _best(search, trials)
    verdict = _settle(search, best)
    cut = [f"{len(trials)} of {search.n_trials} trials"] * (len(trials) < search.n_trials)
    if verdict is not None and verdict.truncated:
        cut.append(f"the test of what was found: {verdict.truncated}")
    facts = _facts(trials, best, verdict)
    return facts | ({"truncated": cut} if cut else {})


@dataclass(frozen=True)
class Search:
    """What is searched: the recipe around which the space lies, and the rows and folds that judge a trial."""

    job: Job
    n_trials: int
    wanted: Any
    table: Table

    @property
    def entry(self) -> str:
        return str(self.job.config["entry"])

    @property
    def space(self) -> dict[str, Any]:
        return dict(self.job.config["space"])

    @cached_property
    def folds(self) -> Folds:
        return read_folds(self.job.inputs["split"])

    @property
    def shares(self) -> list[float]:
        """Of the training, the points at which trials are compared."""
        return shares_of(self.job.plugins["model"], self.job.config["rungs"])

    @property
    def start(self) -> list[dict[str, Any]]:
        """Parameters of the first trials, as far as they lie in the space: the default, then other studies' best."""
        settled = getattr(self.job.plugins["model"], "settled", lambda recipe, *_: recipe)
        default = settled(self.wanted, self.table.task, self.folds.n_fit_rows)  # a number where it says "auto"
        others = [trial for path in self.job.sources.values() for trial in study.best_of(path)]
        known = [study.stored_form(parameters, self.space) for parameters in (default.model_dump(), *others)]
        return [parameters for parameters in known if parameters]

    def recipe(self, trial: FrozenTrial | optuna.Trial) -> Any:
        """Return the recipe that a trial stands for."""
        own = study.values(trial.params, self.space)
        return type(self.wanted).model_validate(self.wanted.model_dump() | own)

    def cross_fit(self, trials: list[optuna.Trial], rungs: tuple[Rung, ...]) -> list[CrossFit]:
        """Fit all trials in one call, without predictions for the test rows, which nobody reads."""
        model, job = self.job.plugins["model"], self.job
        recipes = {str(trial.number): model.for_tuning(self.recipe(trial)) for trial in trials}
        table = replace(self.table, test=self.table.test[:0], test_ids=self.table.test_ids[:0])
        seed = derive(job.seed, "fit")
        return list(model.cross_fit(recipes, table, self.folds, seed=seed, log=job.log, rungs=rungs).values())

    def oof_path(self, number: int) -> Any:
        """Where a trial's out-of-fold predictions lie until the search has ended."""
        return self.job.progress / f"oof-{number}.npy"


def search_of(job: Job) -> Search:
    """Read what a job is about."""
    n_trials = read_json(job.inputs["trials"] / job.config["entry"] / "trials.json")
    recipe = read_json(job.inputs["recipe"] / job.config["entry"] / "recipe.json")
    table = read_table(job.inputs["preprocess"], Metric.from_module(job.plugins["metric"]))
    return Search(job, n_trials, job.plugins["model"].Recipe.model_validate(recipe), table)


def fill(search: Search, stored: optuna.Study) -> None:
    """Run waves until the study holds all trials, or time is up; a wave cut short by it is not judged."""
    job, ratio = search.job, rows_ratio(search.folds)
    with job.log.progress(f"tune {search.entry}", search.n_trials) as bar:
        bar.advance(min(len(stored.trials), search.n_trials))
        while len(stored.trials) < search.n_trials and not job.log.late():
            done = stored.trials
            n_judged = len(done) // job.config["wave"] * job.config["wave"]
            asked = study.ask_wave(
                done,
                search.space,
                size=job.config["wave"],
                n_trials=search.n_trials,
                sampler=job.config["sampler"],
                seed=job.seed,
                start=search.start,
            )
            seen = [study.rung_errors(trial) for trial in done[:n_judged]]
            entries = search.cross_fit(asked, rungs_for(search.shares, seen, job.config["reduction"]))
            if any(entry.truncated for entry in entries):
                break
            for trial, entry in zip(asked, entries, strict=True):
                if not entry.failed:
                    np.save(search.oof_path(trial.number), entry.oof.astype(np.float32))
                stored.add_trial(study.finished(trial, entry, ratio))
            bar.advance(len(asked), note=_note(stored.trials))


def _note(trials: list[FrozenTrial]) -> str:
    complete = study.complete(trials)
    best = f"best {min(t.value for t in complete):.5f}" if complete else "none finished yet"
    return f"{best}, {sum(t.state is TrialState.PRUNED for t in trials)} given up"


@dataclass(frozen=True)
class Best:
    """The trial that a search ends with; corrected: its error with the choice among all finished ones counted."""

    trial: FrozenTrial
    n_finished: int
    corrected: float | None


def _best(search: Search, trials: list[FrozenTrial]) -> Best | None:
    finished = study.complete(trials)
    if not finished:
        return None
    trial = finished[safest(np.array([study.fold_errors(t) for t in finished]), rows_ratio(search.folds))]
    paths = [search.oof_path(t.number) for t in finished]
    corrected = None
    if all(path.is_file() for path in paths):
        oofs = [np.load(path) for path in paths]
        corrected = trial.value + optimism(search.table, search.folds, oofs, search.job.seed)
    return Best(trial, len(finished), corrected)


def _settle(search: Search, best: Best | None) -> Verdict | None:
    """Write the recipe that is used: what was found if it stands the test, else the one that was wanted."""
    job, recipe, verdict = search.job, search.wanted, None
    if best is not None:
        found = search.recipe(best.trial)
        folds, seed = read_folds(job.inputs["fresh"]), derive(job.seed, "confirm")
        verdict = confirm(job.plugins["model"], search.wanted, found, search.table, folds, seed=seed, log=job.log)
        recipe = found if verdict.kept else search.wanted
        job.log.info(f"{search.entry}: {verdict.text}")
    write_json(job.out / "recipe.json", recipe.model_dump(mode="json"))
    return verdict


def _facts(trials: list[FrozenTrial], best: Best | None, verdict: Verdict | None) -> dict[str, Any]:
    counts = {state: sum(t.state is key for t in trials) for key, state in STATES.items()}
    facts: dict[str, Any] = {"trials": len(trials), "failed": counts["failed"], "given_up": counts["given up"]}
    if best is not None:
        facts |= {"best": best.trial.value, "corrected": best.corrected, "best_number": best.trial.number}
    return facts | ({} if verdict is None else {"kept": verdict.kept, "verdict": verdict.text})


def _write_trials(job: Job, trials: list[FrozenTrial]) -> None:
    rows = [
        {
            "number": trial.number,
            "state": STATES[trial.state],
            "error": trial.value,
            "se": trial.user_attrs.get("se"),
            "rungs": study.rung_errors(trial),
        }
        | _plain(study.values(trial.params, job.config["space"]))
        for trial in trials
    ]
    pd.DataFrame(rows).to_parquet(job.out / "trials.parquet", index=False)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {n: json.dumps(v) if isinstance(v, list | dict) else v for n, v in parameters.items()}
