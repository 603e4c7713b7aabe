"""The experiment's own stages once more, in small: a sample of the rows, quick recipes, on whatever was changed.

Checks change ingest's result, or the table, and look what else has changed; the code that runs is the stages' own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.audit._finding import Finding
from pipeline.blenders._blender import Blender
from pipeline.engine.console import Console
from pipeline.engine.stage import Job
from pipeline.entries import ENSEMBLE
from pipeline.extra.rows import cross_fit
from pipeline.files import read_entries, read_table, write_entry, write_folds, write_table
from pipeline.models import _optional
from pipeline.nested.pairs import pair_folds
from pipeline.seeds import derive
from pipeline.splitters._rows import Rows
from pipeline.stages import ensemble, preprocess, split
from pipeline.types import CrossFit, Folds, Metric, Table

MOST_ROWS = 1_000
"""Rows of train, and of test, that are rehearsed with: code that leaks does so in small, too."""

GROUPS_A_FOLD = 8
"""How many groups, of train's, there is room for in each fold."""

MINUTES = 0.001
"""What a recipe is cut down to by its own `affordable`: the fewest epochs or rounds that it knows."""

INNER = "inner"
"""A recipe's word for what rows inside the fold choose."""


@dataclass(frozen=True)
class Raw:
    """Some rows of ingest's train and test, in their order."""

    train: pd.DataFrame
    test: pd.DataFrame


def sample(job: Job) -> Raw:
    """Draw rows, of train by groups; all of them where they are few."""
    train, test = (pd.read_parquet(job.inputs["ingest"] / f"{part}.parquet") for part in ("train", "test"))
    known = pd.read_parquet(job.inputs["preprocess"] / "rows.parquet")
    groups = known["groups"].to_numpy() if "groups" in known else np.arange(len(train))
    order = np.random.default_rng(derive(0, "rehearsal")).permutation(len(train))
    if len(train) > MOST_ROWS:
        order = _some_of_each(order, groups, GROUPS_A_FOLD * job.config["split"]["n_folds"])
    unit = pd.factorize(groups[order])[0]  # units are drawn in a random order, each with all rows that are left of it
    enough = np.cumsum(np.bincount(unit)) <= MOST_ROWS
    return Raw(_rows(train, np.sort(order[enough[unit]])), _rows(test, np.arange(len(test))[:MOST_ROWS]))


def _some_of_each(order: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the rows in this order without those that a group has too many of for so many groups to fit in.

    Whole groups of hundreds of rows would be too few to cut folds of.
    """
    drawn = pd.Series(groups[order])
    most = max(1, MOST_ROWS // min(n_groups, drawn.nunique()))
    return order[(drawn.groupby(drawn).cumcount() < most).to_numpy()]


def tabulate(job: Job, raw: Raw) -> Table:
    """Run features.py and preprocess on these rows."""
    with tempfile.TemporaryDirectory(dir=job.progress) as name:
        ingest = Path(name) / "ingest"
        ingest.mkdir()
        raw.train.to_parquet(ingest / "train.parquet", index=False)
        raw.test.to_parquet(ingest / "test.parquet", index=False)
        shutil.copy(job.inputs["ingest"] / "schema.json", ingest)
        inputs = {"ingest": ingest}
        for feature, config in job.config["features"].items():
            own = {"feature": job.plugins[f"feature:{feature}"]}
            inputs[f"feature:{feature}"] = _run(preprocess.run_feature, job, name, config, {"ingest": ingest}, own)
        metric = {"metric": job.plugins["metric"]}
        folder = _run(preprocess.run, job, name, job.config["preprocess"], inputs, metric)
        return read_table(folder, Metric.from_module(job.plugins["metric"]))


def cut(job: Job, table: Table) -> Folds:
    """Cut folds as the experiment does, one repeat."""
    return split.make_folds(job.plugins["splitter"], table, **(job.config["split"] | {"repeats": 1}))


def recipes(job: Job) -> dict[str, Any]:
    """Return the recipe of every model that is fitted here, and says what it stops on."""
    found = {name: recipe for name, recipe in _recipes(job).items() if hasattr(recipe, "stop_on")}
    return {name: recipe for name, recipe in found.items() if not _is_made_elsewhere(job, name)}


def not_tried(job: Job) -> list[Finding]:
    """Note the models that have no such choice (AutoGluon's stop on the rows of their fold), or that others fitted."""
    stops = "not tried: its models stop on the rows that they are scored on, as every table marks"
    elsewhere = "not tried: made elsewhere, nothing is fitted here"
    return [
        Finding("note", elsewhere if _is_made_elsewhere(job, name) else stops, name, "")
        for name in _recipes(job).keys() - recipes(job).keys()
    ]


def _is_made_elsewhere(job: Job, name: str) -> bool:
    return _optional.is_made_elsewhere(job.plugins[f"model:{name}"])


def marked(recipe: Any) -> bool:
    """Return whether a model's entries are marked in every table: it stops on the rows that it is scored on."""
    return bool(recipe.stop_on == "fold")


def fit(job: Job, name: str, recipe: Any, table: Table, folds: Folds) -> CrossFit:
    """Cross-fit one model, its recipe cut down to a few seconds' work, but for what it chooses inside the fold."""
    model = job.plugins[f"model:{name}"]
    quick = _optional.for_tuning(model, recipe)
    size = {"n_train": len(table.train), "n_test": len(table.test), "n_columns": table.train.shape[1]}
    size |= {"n_outputs": table.task.n_outputs, "n_fits": folds.n_repeats * folds.n_folds}
    chosen = {field: value for field, value in quick if value == INNER}
    quick = model.affordable(quick, MINUTES, **size).model_copy(update=chosen)
    seed = derive(0, "rehearsal", name)
    return cross_fit(model, {name: quick}, table, folds, None, seed=seed, log=Console(quiet=True))[name]


def blend(job: Job, entries: Mapping[str, CrossFit], table: Table, folds: Folds) -> CrossFit:
    """Run the stage ensemble on these entries."""
    with tempfile.TemporaryDirectory(dir=job.progress) as name:
        inputs = {label: Path(name) / label for label in ("preprocess", "split", "entries")}
        for folder in inputs.values():
            folder.mkdir()
        write_table(inputs["preprocess"], table)
        write_folds(inputs["split"], folds)
        inputs["train:all"] = inputs.pop("entries")
        (inputs["train:all"] / "entries").mkdir()
        for label, entry in entries.items():
            write_entry(inputs["train:all"] / "entries", label, replace(entry, curves=None))
        if found := _nested(job, entries, table, folds):
            inputs["nested:all"] = Path(name) / "nested"
            (inputs["nested:all"] / "entries").mkdir(parents=True)
            for label, entry in found.items():
                write_entry(inputs["nested:all"] / "entries", label, replace(entry, curves=None))
        own = {role: job.plugins[role] for role in ("metric", "blender")}
        folder = _run(ensemble.run, job, name, job.config["ensemble"], inputs, own)
        return read_entries(folder)[ENSEMBLE]


def _nested(job: Job, entries: Mapping[str, CrossFit], table: Table, folds: Folds) -> dict[str, CrossFit]:
    """Return what models of pairs of folds predict, of the entries that the experiment's blender would nest."""
    blender, config = job.plugins["blender"], job.config["split"]
    if not Blender(blender, blender.Options(**job.config["ensemble"]["options"])).nested:
        return {}
    splitter = job.plugins["splitter"]
    rows = Rows.of(table)
    pairs = pair_folds(folds, rows, splitter, splitter.Options(**config["options"]), config["seed"])
    wanted = {name: recipe for name, recipe in recipes(job).items() if name in entries and not marked(recipe)}
    found = {name: fit(job, name, recipe, table, pairs) for name, recipe in wanted.items()}
    return {name: entry for name, entry in found.items() if not entry.failed}


def _recipes(job: Job) -> dict[str, Any]:
    models = job.config["models"]
    return {name: job.plugins[f"model:{name}"].Recipe.model_validate(recipe) for name, recipe in models.items()}


def _run(
    stage: Any, job: Job, root: str, config: Mapping[str, Any], inputs: Mapping[str, Path], own: Mapping[str, Any]
) -> Path:
    out = Path(tempfile.mkdtemp(dir=root))
    stage(replace(job, config=config, inputs=inputs, sources={}, plugins=own, out=out, log=Console(quiet=True)))
    return out


def _rows(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    return frame.iloc[rows].reset_index(drop=True)
