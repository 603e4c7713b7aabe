"""Small, quick runs with a held-out part, for `make bench-calibration`: tuned and blended as the pipeline does it.

Every run draws rows of one data set anew, so many to train on and so many to hold out, cross-fits four small models
and what the stage `tune` makes of one of them, and blends them by the stage `ensemble`: once those that never stop on
the rows that score them, once with one that does. What they predicted is kept, so that judging it again costs seconds.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from pipeline.blenders import shrunk
from pipeline.blenders._blend import Blend
from pipeline.commands.experiment import load, run_nodes
from pipeline.engine.console import Console
from pipeline.engine.stage import Job
from pipeline.entries import ENSEMBLE
from pipeline.files import (
    read_entries,
    read_folds,
    read_json,
    read_table,
    write_entry,
    write_folds,
    write_json,
    write_table,
)
from pipeline.graph import up_to
from pipeline.models import lightgbm, linear, mlp
from pipeline.practice.bundled import LOADERS
from pipeline.splitters import group, kfold, stratified
from pipeline.stages import ensemble, tune
from pipeline.stages.split import make_folds
from pipeline.types import CrossFit, Folds, Metric, Table, Task
from pipeline.workspace import Workspace
from tests.benchmarks.machine import code

TRIALS = 8
FEWEST, MOST, MOST_HELD = 150, 600, 1000
"""Rows that are trained on, which are drawn anew for every run, and at most held out."""

CODE = "code.json"
"""Which version of the pipeline a kept run is of."""

BOOSTER: dict[str, Any] = {"rounds": 120, "lr": 0.1, "patience": 15}
NETWORK: dict[str, Any] = {"width": 32, "depth": 1, "epochs": 10, "n_seeds": 1}
SPACE = {
    "width": {"tune": "int", "low": 8, "high": 64, "step": 8},
    "lr": {"tune": "loguniform", "low": 2e-3, "high": 1e-1},
    "dropout": {"tune": "uniform", "low": 0.0, "high": 0.5},
    "weight_decay": {"tune": "loguniform", "low": 1e-3, "high": 1.0},
}


@dataclass(frozen=True)
class Kept:
    """A finished run: everything that a pipeline would know, and the truth of the held-out rows (n_test,).

    blends: by "inner" and "fold" the ensemble without and with an entry that stops on the rows that score it; fitted,
    leaderboards: how each blends, and what it says of its entries.
    """

    table: Table
    folds: Folds
    entries: Mapping[str, CrossFit]
    blends: Mapping[str, CrossFit]
    weights: Mapping[str, Mapping[str, float]]
    tuning: Mapping[str, Any]
    truth: np.ndarray
    fitted: Mapping[str, Blend] = field(default_factory=dict)
    leaderboards: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def _bundled(slug: str, metric: str) -> Table:
    rows, target, _ = LOADERS[slug]()
    return _table(rows.drop(columns=["id", target]), rows[target].to_numpy(), metric)


def _wine() -> Table:
    found = datasets.load_wine(as_frame=True)
    return _table(found.data, found.target.to_numpy(), "log_loss")


def _table(X: pd.DataFrame, y: np.ndarray, metric: str) -> Table:
    """Return all rows as train, and one of them as test, which is not looked at."""
    n_classes = 0 if metric in ("rmse", "mae", "r2") else len(np.unique(y))
    kind: Any = {0: "regression", 2: "binary"}.get(n_classes, "multiclass")
    task = Task(kind, metric_of(metric), tuple(str(c) for c in range(n_classes)))
    X = X.astype(float).rename(columns=str).reset_index(drop=True)
    y = y.astype(np.int64 if n_classes else np.float64)
    return Table(task, X, X.iloc[:1], y, np.arange(len(X)), np.arange(1))


def metric_of(name: str) -> Metric:
    return Metric.from_module(importlib.import_module(f"pipeline.metrics.{name}"))


def _competition(slug: str) -> Table:
    """Return the train rows as the stage `preprocess` leaves them."""
    workspace = Workspace()
    competition, _, nodes = load(workspace, slug, "default", None)
    outcome = run_nodes(workspace, slug, up_to("preprocess", nodes), Console(quiet=True))
    return read_table(outcome.results["preprocess"].folder, metric_of(competition.metric))


SETS: dict[str, Callable[[], Table]] = {
    "diabetes": lambda: _bundled("practice-diabetes", "rmse"),
    "breast-cancer": lambda: _bundled("practice-breast-cancer", "auc"),
    "digits": lambda: _bundled("practice-digits", "accuracy"),
    "wine": _wine,
    "practice-houses": lambda: _competition("practice-houses"),
} | {
    slug: lambda slug=slug: _competition(slug)
    for slug in (
        "titanic",
        "spaceship-titanic",
        "house-prices-advanced-regression-techniques",
        "mercedes-benz-greener-manufacturing",
        "playground-series-s4e4",
        "otto-group-product-classification-challenge",
    )
}
table_of = cache(lambda name: SETS[name]())


def here() -> list[str]:
    """Return the names of the sets whose files are there."""
    return [n for n in SETS if "-" not in n or n in ("breast-cancer", "practice-houses") or _has_files(n)]


def _has_files(slug: str) -> bool:
    return any(Workspace().raw_folder(slug).glob("*"))


def draw(table: Table, seed: int) -> tuple[Table, np.ndarray]:
    """Return a table of few train rows and a test part, both drawn anew (by whole groups), and the truth of the latter.

    Classes of which too few rows are drawn to lie in every fold are left out of both parts.
    """
    rng = np.random.default_rng(seed)
    unit = np.arange(len(table.target)) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    order = np.argsort(rng.permutation(unit.max() + 1)[unit], kind="stable")
    n_train = min(int(rng.integers(FEWEST, MOST)), len(order) // 2)
    n_train += int((unit[order[n_train:]] == unit[order[n_train - 1]]).argmin())  # to the end of the group
    n_test = int(rng.integers(n_train // 2, MOST_HELD))
    train, test = np.sort(order[:n_train]), np.sort(order[n_train : n_train + n_test])
    parts = [table.train.iloc[rows].reset_index(drop=True) for rows in (train, test)]
    groups = None if table.groups is None else table.groups[train]
    made = Table(table.task, *parts, table.target[train], np.arange(len(train)), np.arange(len(test)), groups)
    return made, table.target[test]


def run(name: str, seed: int, folder: Path) -> None:
    """Fit everything and keep it in `folder`, whole or not at all."""
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    table, truth = draw(table_of(name), seed)
    for part in ("preprocess", "split", "tune", "fresh", "entries"):
        (aside / part).mkdir(parents=True)
    write_table(aside / "preprocess", table)
    np.save(aside / "truth.npy", truth)
    write_json(aside / "metric.json", table.task.metric.name)
    write_json(aside / CODE, code())
    repeats = 2 if seed % 4 == 3 else 1
    for part, own in (("split", seed), ("tune", 1000 + seed), ("fresh", 2000 + seed)):
        write_folds(aside / part, folds_of(table, own, repeats if part == "split" else 1))
    facts, found = _search(table, aside, seed)
    entries = _entries(table, read_folds(aside / "split"), found if facts.get("kept") else None, seed)
    for entry, made in entries.items():
        write_entry(aside / "entries", entry, made)
    write_json(aside / "tuning.json", facts)
    for part, left_out in (("inner", "lightgbm-fold"), ("fold", "lightgbm")):
        blend(aside, part, {n: e for n, e in entries.items() if n != left_out}, table, seed)
    for part in ("out", "progress", "budget"):
        shutil.rmtree(aside / part)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside.rename(folder)


def codes(folders: Iterable[Path]) -> str:
    """Name the versions of the pipeline that kept runs are of."""
    return ", ".join(sorted({str(read_json(folder / CODE)) for folder in folders}))


def folds_of(table: Table, seed: int, repeats: int) -> Folds:
    kind, splitter = ("kfold", kfold) if table.task.kind == "regression" else ("stratified", stratified)
    kind, splitter = ("group", group) if table.groups is not None else (kind, splitter)
    options = {"shuffle": True} if kind == "kfold" else {}
    return make_folds(splitter, table, kind=kind, n_folds=5, repeats=repeats, seed=seed, options=options)


def _entries(table: Table, folds: Folds, found: mlp.Recipe | None, seed: int) -> dict[str, CrossFit]:
    how: dict[str, Any] = {"seed": seed, "log": Console(quiet=True)}
    boosters = {n: lightgbm.Recipe(**BOOSTER, stop_on=stop) for n, stop in (("", "inner"), ("-fold", "fold"))}
    networks = {"mlp": mlp.Recipe(**NETWORK)} | ({} if found is None else {"mlp-tuned": found})
    return (
        linear.cross_fit({"linear": linear.Recipe(epochs=40)}, table, folds, **how)
        | lightgbm.cross_fit({f"lightgbm{n}": recipe for n, recipe in boosters.items()}, table, folds, **how)
        | mlp.cross_fit(networks, table, folds, **how)
    )


def _search(table: Table, folder: Path, seed: int) -> tuple[dict[str, Any], mlp.Recipe]:
    """Run the stage `tune`; return what it said, and the recipe that it ends with."""
    for name in ("budget/mlp", "out", "progress"):
        (folder / name).mkdir(parents=True)
    write_json(folder / "budget/mlp/trials.json", TRIALS)
    write_json(folder / "budget/mlp/recipe.json", mlp.Recipe(**NETWORK).model_dump(mode="json"))
    job = Job(
        config={"entry": "mlp", "space": SPACE, "wave": TRIALS, "sampler": "random", "rungs": [], "reduction": 2},
        inputs={"preprocess": folder / "preprocess", "split": folder / "tune", "fresh": folder / "fresh"}
        | {"recipe": folder / "budget", "trials": folder / "budget"},
        sources={},
        plugins={"model": mlp, "metric": importlib.import_module(f"pipeline.metrics.{table.task.metric.name}")},
        out=folder / "out",
        progress=folder / "progress",
        seed=seed,
        log=Console(quiet=True),
    )
    facts = tune.run(job)
    return facts, mlp.Recipe.model_validate(read_json(folder / "out/recipe.json"))


def blend(folder: Path, part: str, entries: Mapping[str, CrossFit], table: Table, seed: int) -> None:
    """Run the stage `ensemble` on some of the entries; its outputs stay in the folder `part`."""
    made = folder / f"train-{part}" / "entries"
    made.mkdir(parents=True)
    (folder / part).mkdir()
    for name, entry in entries.items():
        write_entry(made, name, entry)
    inputs = {"preprocess": folder / "preprocess", "split": folder / "split", "train:all": made.parent}
    inputs |= {"tune:mlp": folder / "out"} if "mlp-tuned" in entries else {}
    plugins = {"blender": shrunk, "metric": importlib.import_module(f"pipeline.metrics.{table.task.metric.name}")}
    ensemble.run(Job({}, inputs, {}, plugins, folder / part, folder, seed, Console(quiet=True)))
    shutil.rmtree(made.parent)


def kept(folder: Path) -> Kept:
    """Read what `run` kept."""
    table = read_table(folder / "preprocess", metric_of(read_json(folder / "metric.json")))
    return Kept(
        table=table,
        folds=read_folds(folder / "split"),
        entries=read_entries(folder / "entries"),
        blends={part: read_entries(folder / part)[ENSEMBLE] for part in ("inner", "fold")},
        weights={part: read_json(folder / part / "weights.json") for part in ("inner", "fold")},
        fitted={part: Blend.from_dict(read_json(folder / part / "blend.json")["blend"]) for part in ("inner", "fold")},
        leaderboards={part: read_json(folder / part / "leaderboard.json") for part in ("inner", "fold")},
        tuning=read_json(folder / "tuning.json"),
        truth=np.load(folder / "truth.npy"),
    )
