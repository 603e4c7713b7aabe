"""train: cross-fit one model on our folds; its out-of-fold and test predictions are all that later stages read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.blenders._undecided import decides_labels
from pipeline.engine.stage import Job
from pipeline.entries import read_library
from pipeline.errors import ModelError
from pipeline.extra.pseudo import cross_fit_twice
from pipeline.extra.rows import cross_fit, join_folds, read_extra
from pipeline.files import read_folds, read_json, table_of, write_entry, write_json
from pipeline.models import _optional
from pipeline.types import CrossFit, Folds, Metric, Table

AUTO = "auto"


def run(job: Job) -> dict[str, Any]:
    """Fit every fold of the recipe; write entries/<name>.safetensors, and below fitted/ what predicts new rows.

    A model that the budget left out has no recipe, and no entries.
    """
    recipe = read_recipe(job)
    if recipe is None:
        return left_out(job)
    table, folds = table_of(job), read_folds(job.inputs["split"])
    entries = fit_entries(job, recipe, table, folds)
    for name, entry in sorted(entries.items()):
        job.log.info(f"{name}: CV {_shown(table.task.metric, entry)}")
    trained = as_trained(job, recipe, table, folds, paired="pseudo" not in job.config)
    if chosen := [f"{key} {value}" for key, value in trained if getattr(recipe, key) == AUTO != value]:
        job.log.info(f"{job.config['entry']}: auto is {', '.join(chosen)}")
    return keep(job, trained, entries)


def as_trained(job: Job, recipe: Any, table: Table, folds: Folds, *, paired: bool) -> Any:
    """Return a recipe with what "auto" stands for in such folds; paired: whether they may be where they can."""
    model, n_rows = job.plugins["model"], join_folds(folds, table, read_extra(job.inputs)).n_fit_rows
    return _optional.settled(model, _optional.on_folds(model, recipe, folds if paired else None), table.task, n_rows)


def keep(job: Job, recipe: Any, entries: Mapping[str, CrossFit]) -> dict[str, Any]:
    """Write entries and what predicts new rows, say what was found, and return the facts."""
    for name, entry in sorted(entries.items()):
        write_entry(job.out / "entries", name, entry)
        if entry.parameters:
            job.log.info(f"{name}: each network has {entry.parameters.rpartition(' ')[2]} parameters")
        for finding in entry.findings:
            job.log.info(f"{name}: {finding}")
    save_fitted(entries, job.out / "fitted")
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seconds": {name: round(entry.seconds, 3) for name, entry in entries.items()},
        "findings": {name: list(entry.findings) for name, entry in entries.items() if entry.findings},
        "parameters": {name: entry.parameters for name, entry in entries.items() if entry.parameters},
        "truncated": truncated(entries),
    }


def read_recipe(job: Job) -> Any:
    """Return the recipe that a job is to fit, None where the budget left the model out."""
    given = read_json(job.inputs["recipe"] / job.config["recipe"])
    return given and job.plugins["model"].Recipe.model_validate(given)


def left_out(job: Job) -> dict[str, Any]:
    """Write that there are no entries, and return the facts of that."""
    (job.out / "entries").mkdir()
    write_json(job.out / "entries" / "none.json", "left out: the minutes are too short for it")
    job.log.info(f"{job.config['entry']}: left out, the minutes are too short for it")
    return {"recipe": {}}


def fit_entries(job: Job, recipe: Any, table: Table, folds: Folds) -> dict[str, CrossFit]:
    """Cross-fit a job's model, make the folder for its entries, and return them, each checked."""
    how = {"seed": job.seed, "log": job.log, "progress": job.progress, "spread": job.spread} | _elsewhere(job)
    fit: Callable[..., dict[str, CrossFit]] = (
        partial(cross_fit_twice, **job.config["pseudo"]) if "pseudo" in job.config else cross_fit
    )
    entries = fit(job.plugins["model"], {job.config["entry"]: recipe}, table, folds, read_extra(job.inputs), **how)
    for name, entry in entries.items():
        check(name, entry, folds)
    (job.out / "entries").mkdir()
    return entries


def truncated(entries: Mapping[str, CrossFit]) -> list[str]:
    """Return what was left out of each entry because time was up."""
    return [f"{name}: {entry.truncated}" for name, entry in sorted(entries.items()) if entry.truncated]


def _elsewhere(job: Job) -> dict[str, Any]:
    """Return what a model needs that reads predictions from files: these, and our own entries to compare with."""
    if not job.sources:
        return {}
    return {"files": job.sources, "id_name": job.config["id"], "others": read_library(job.inputs)}


def check(name: str, entry: CrossFit, folds: Folds) -> None:
    """Refuse an entry that failed, or whose out-of-fold predictions do not cover exactly the rows that validate."""
    if entry.failed:
        raise ModelError(
            f"{name}: {entry.failed}",
            hint="a network: a smaller lr, a longer warmup or another init; a booster: another split or fewer columns",
        )
    covered = np.isfinite(entry.oof).all(axis=2)
    wanted = folds.covered
    if covered.shape != wanted.shape or (covered != wanted).any():
        raise ModelError(
            f"{name} predicted {covered.sum()} rows out-of-fold, but {wanted.sum()} rows validate",
            hint="a model must predict every validation row of every repeat, and no other",
        )
    for repeat, fold in folds:
        error = entry.fold_errors[repeat, fold]
        if not np.isfinite(error) and len(folds.valid_rows(repeat, fold)):  # a refit validates none
            raise ModelError(
                f"{name}: its predictions of fold {fold}, repeat {repeat}, have no score: {error}",
                hint="a metric of your own must have a number for any predictions, as for those that are all the same",
            )


def save_fitted(entries: Mapping[str, CrossFit], folder: Path) -> None:
    """Write <repeat>-<fold>/, or <repeat>/ where all folds were fitted as one; what entries share is written once."""
    shared = {key: fitted for entry in entries.values() for key, fitted in entry.fitted.items()}
    for key, fitted in sorted(shared.items()):
        own = folder / "-".join(map(str, key))
        own.mkdir(parents=True)
        fitted.save(own)


def _shown(metric: Metric, entry: CrossFit) -> str:
    if decides_labels(metric):
        return f"is not told before its labels are decided, which the ensemble does (stopped on {entry.stop_on})"
    return f"{metric.name} {metric.as_score(float(entry.fold_errors.mean())):.5f} (stopped on {entry.stop_on})"
