"""budget: minutes become work units (which models, which recipes, how many trials) that then run without a clock.

A pure formula of the minutes, of the machine's pace if it is stated, and of the table's size, so that the same budget
means the same work everywhere; each model's own formulas stand beside it (`seconds` and `affordable` in its plug-in),
measured on 2 cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.engine.stage import Job
from pipeline.files import read_folds, read_json, write_json
from pipeline.minutes import Tuning, Work, plan_of
from pipeline.models import _optional
from pipeline.types import Folds
from pipeline.wording import first_few

RESERVED = 0.1
"""Part of the minutes for all that is neither trained nor tuned: reading, blending, judging."""

MUCH = 1.5
"""So many times the minutes is told, where not even the least of the models fits into them."""

UNSET = "unset"
"""What is told of a value that a recipe leaves to a library."""


WHOLE = 16
"""Distinct values from which a column counts as a whole one: a flag costs trees and networks far less than a number."""


def run(job: Job) -> dict[str, Any]:
    """Write <model>/recipe.json, as much of each recipe as its part of the minutes allows, and <model>/trials.json.

    The recipe of a model is null if its part of the minutes is too short for the least of it: it is left out.
    """
    models, works = job.config["models"], works_of(job)
    tuned = [name for name, model in models.items() if model["tuned"] and job.config["tune"]["trials"]]
    tunings = {name: Tuning(works[name], job.config["tune"], job.config["repeats"]) for name in tuned}
    plan, trials = plan_of(seconds_of(job), works, tunings)
    notes = []
    for name, wanted in works.items():
        planned = plan.get(name)
        (job.out / name).mkdir()
        write_json(job.out / name / "recipe.json", planned and planned.recipe.model_dump(mode="json"))
        if note := _note(name, wanted, planned, job):
            notes.append(note)
            job.log.warn(f"{note}; more with --minutes")
        if name in trials:
            write_json(job.out / name / "trials.json", trials[name])
            if planned and not trials[name]:
                notes.append(f"{name}: not tuned, {job.config['minutes']:g} minutes are too short for it")
                job.log.warn(f"{notes[-1]}; more with --minutes")
    least = sum(work.seconds for work in plan.values()) / 60 / pace_of(job)
    if least > MUCH * job.config["minutes"]:
        notes.append(f"{', '.join(plan)}: the least takes about {least:.0f} minutes, not {job.config['minutes']:g}")
        job.log.warn(notes[-1])
    return {"notes": notes, "seconds": {name: round(planned.seconds, 1) for name, planned in plan.items()}}


def seconds_of(job: Job) -> float:
    """Return what the minutes leave for models, in seconds of the two cores that models are priced for."""
    return 60 * float(job.config["minutes"]) * pace_of(job) * (1 - RESERVED)


def pace_of(job: Job) -> float:
    """Return how many times as fast as those two cores the machine is said to be."""
    return float(job.config.get("pace", 1.0))


def works_of(job: Job) -> dict[str, Work]:
    """Return every model's work, as much of it as its recipe wants."""
    size, weights = _size(job), _weights(job)
    return {name: _work(job, name, size, weights[name]) for name in job.config["models"]}


def _work(job: Job, name: str, size: Mapping[str, int], weight: float) -> Work:
    plugin = job.plugins[f"model:{name}"]
    recipe = plugin.Recipe.model_validate(job.config["models"][name]["recipe"])
    n_values, n_times = _targets(job, plugin)
    size = {**size, "n_outputs": size["n_outputs"] * n_values, "n_fits": size["n_fits"] * n_times}
    labels = "pseudo" in job.config and hasattr(recipe, "stop_on")  # others keep no model of each fold to label with
    apart = _optional.on_folds(plugin, recipe, None)
    recipe = apart if labels else _optional.on_folds(plugin, recipe, _fitted_on(job))
    passes = 2 if labels else 1
    # a refit, and nearly always a fit on pairs of folds, is on such as cannot be paired once more
    dearer = 1.0 if apart == recipe else plugin.seconds(apart, **size) / plugin.seconds(recipe, **size)
    refits = passes * n_times * job.config["models"][name].get("refit", False) * dearer
    return Work(plugin, recipe, size, weight, passes * (1 + _nested(job, name) * dearer), refits)


def _fitted_on(job: Job) -> Folds | None:
    """Return the folds, None where extra rows of groups that a fold validates make each train on others."""
    folds = read_folds(job.inputs["split"])
    return None if "extra" in job.inputs and "group" in folds.kind else folds


def _targets(job: Job, plugin: Any) -> tuple[int, int]:
    """Return how many targets one fit learns, and how many fits all of them take."""
    n_targets = len(read_json(job.inputs["preprocess"] / "task.json").get("targets", ())) or 1
    return (n_targets, 1) if _optional.targets_of(plugin) == _optional.TOGETHER else (1, n_targets)


def _nested(job: Job, name: str) -> float:
    """Return how many fits on pairs of folds a model makes for one on a fold: n (n - 1) / 2 for n, or none."""
    return (read_folds(job.inputs["split"]).n_folds - 1) / 2 if name in job.config.get("nested", ()) else 0.0


def _weights(job: Job) -> dict[str, float]:
    """Return the models' weights: their SHARE, or half of it and half by what their kind was worth to other runs.

    A kind that none of them has is worth its SHARE; one of which the experiment has several is worth a part to each.
    """
    kinds = {name: model["kind"] for name, model in job.config["models"].items()}
    priors = {name: float(job.plugins[f"model:{name}"].SHARE) for name in kinds}
    known = [read_json(path) for _, path in sorted(job.sources.items())]
    worth = dict(priors)
    for name, kind in kinds.items():
        found = [own[kind] for own in known if kind in own]
        if found:
            worth[name] = sum(priors.values()) * sum(found) / len(found) / list(kinds.values()).count(kind)
    scale = sum(priors.values()) / (sum(worth.values()) or 1.0)
    return {name: (priors[name] + worth[name] * scale) / 2 for name in kinds}


def _note(name: str, wanted: Work, planned: Work | None, job: Job) -> str:
    """Say what of a model does not fit into the minutes, if anything."""
    if planned is None:
        return f"{name}: left out, {job.config['minutes']:g} minutes are too short for it beside the others"
    if planned.recipe == wanted.recipe:
        return ""
    minutes = planned.seconds / 60 / pace_of(job)
    return f"{name}: cut to fit into {minutes:.1f} minutes ({_cut(wanted.recipe, planned.recipe)})"


def _size(job: Job) -> dict[str, int]:
    """Return what costs depend on: rows, columns and classes of the table, and the fits a cross-fit makes.

    On House Prices, Mercedes and spaceship-titanic all models together took what was planned, within 5 %; single ones
    by a factor of two, and more where early stopping is quick.
    """
    import pyarrow.parquet as pq

    folder = job.inputs["preprocess"]
    train, test = (pq.ParquetFile(folder / f"{part}.parquet").metadata for part in ("train", "test"))
    folds = read_folds(job.inputs["split"])
    return {
        "n_train": train.num_rows + extra_rows(job),
        "n_test": test.num_rows,
        "n_columns": _n_columns(folder / "train.parquet"),
        "n_outputs": len(read_json(folder / "task.json")["classes"]) or 1,
        "n_fits": folds.n_repeats * folds.n_folds,
    }


def _n_columns(train: Path) -> int:
    """Return how many columns of many values cost as much as these."""
    import pyarrow.parquet as pq

    distinct = [len(column.unique()) for column in pq.read_table(train).columns]
    return max(1, round(sum(min(1.0, n / WHOLE) for n in distinct)))


def extra_rows(job: Job) -> int:
    """Return how many rows every fold trains on beside train's."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(job.inputs["extra"] / "extra.parquet").metadata.num_rows if "extra" in job.inputs else 0


def _cut(wanted: Any, recipe: Any) -> str:
    """Say what was cut, by the path of each value in the recipe; a few examples are enough."""
    before, after = _leaves(wanted.model_dump(mode="json")), _leaves(recipe.model_dump(mode="json"))
    paths = [path for path in before | after if before.get(path) != after.get(path)]
    # what was unset and has got parts is told by them
    paths = [path for path in paths if path in after or not any(other.startswith(f"{path}.") for other in after)]
    changes = [f"{path}: {before.get(path, UNSET)} → {after.get(path, 'left out')}" for path in paths]
    return first_few(changes, 3, "; ")


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if value in ({}, []):  # as of a family with AutoGluon's own settings, which can be left out, too
        return {path: UNSET}
    if isinstance(value, dict):
        parts = {f"{path}.{key}" if path else str(key): part for key, part in value.items()}
    elif isinstance(value, list):
        parts = {f"{path}[{place}]": part for place, part in enumerate(value)}
    else:
        return {path: value}
    return {leaf: v for inner, part in parts.items() for leaf, v in _leaves(part, inner).items()}
