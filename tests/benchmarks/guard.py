"""make bench-guard: is what tuning ends with ever worse than the default on rows that nobody saw?

A target of pure noise and three small data sets that scikit-learn ships; half of the rows are held out at random, a
search runs on the other half, and three recipes are fitted anew on final folds of it: the default, the winner of the
search, and what the guard let through. Results land in tests/benchmarks/results/: guard.json and guard.md.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from pipeline.engine.console import Console
from pipeline.engine.stage import Job
from pipeline.files import read_json, write_folds, write_json, write_table
from pipeline.models import mlp
from pipeline.splitters import kfold, stratified
from pipeline.stages import tune
from pipeline.stages.split import make_folds
from pipeline.tuning.address import STUDIES
from pipeline.types import Folds, Metric, Table, Task
from tests.benchmarks.machine import machine
from tests.benchmarks.turns import publish, standard_error, table

SEEDS = range(5)
TRIALS = 50
RESAMPLES = 1000
SPACE = {
    "depth": {"tune": "int", "low": 1, "high": 3},
    "width": {"tune": "int", "low": 32, "high": 256, "step": 32},
    "activation": {"tune": "choice", "values": ["silu", "mish", "relu", "selu"]},
    "residual": {"tune": "choice", "values": [False, True]},
    "lr": {"tune": "loguniform", "low": 2e-3, "high": 1e-1},
    "dropout": {"tune": "uniform", "low": 0.0, "high": 0.6},
    "weight_decay": {"tune": "loguniform", "low": 1e-3, "high": 1.0},
    "beta2": {"tune": "choice", "values": [0.9, 0.95, 0.99, 0.999]},
}
Rows = tuple[pd.DataFrame, np.ndarray]


def noise() -> Rows:
    """400 rows whose target has nothing to do with the columns."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(generator.normal(size=(400, 10)), columns=[f"x{i}" for i in range(10)]), generator.normal(
        size=400
    )


def shipped(name: str) -> Callable[[], Rows]:
    """Return a loader of one of scikit-learn's own data sets."""

    def load() -> Rows:
        found = getattr(datasets, f"load_{name}")(as_frame=True)
        return found.data.astype(float).rename(columns=str), found.target.to_numpy()

    return load


SETS: dict[str, tuple[Callable[[], Rows], str]] = {
    "noise": (noise, "rmse"),
    "diabetes": (shipped("diabetes"), "rmse"),
    "breast_cancer": (shipped("breast_cancer"), "log_loss"),
    "wine": (shipped("wine"), "log_loss"),
}


def main() -> None:
    """Search, fit, judge, write."""
    os.environ.pop(STUDIES, None)  # every search here is a study of its own
    found: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "sets": {}}
    for name in sys.argv[1:] or SETS:
        load, metric = SETS[name]
        found["sets"][name] = [_compete(*load(), metric, seed) | {"metric": metric} for seed in SEEDS]
    text = _markdown(found)
    publish("guard", found, text)
    print(text)  # noqa: T201 - this is what the command is for


def _compete(X: pd.DataFrame, y: np.ndarray, metric_name: str, seed: int) -> dict[str, Any]:
    """Return what a search said of its winner, and the held-out errors of default, winner and the guard's choice."""
    rows, truth = _halves(X, y, metric_name, seed)
    with tempfile.TemporaryDirectory() as folder:
        facts, guarded, winner = _search(rows, Path(folder), seed)
    default = mlp.Recipe()
    final = _folds(rows, 100 + seed)
    entries = mlp.cross_fit({"default": default, "winner": winner}, rows, final, seed=seed, log=Console(quiet=True))
    tests = {name: entry.test for name, entry in entries.items()}
    tests["guarded"] = tests["default"] if guarded == default else tests["winner"]
    errors = {name: rows.task.metric.error(truth, test) for name, test in tests.items()}
    gaps = {name: _gap(rows.task.metric, truth, tests[name], tests["default"]) for name in ("winner", "guarded")}
    return {"search": facts, "kept": facts["kept"], "held_out": errors, "gaps": gaps}


def _halves(X: pd.DataFrame, y: np.ndarray, metric_name: str, seed: int) -> tuple[Table, np.ndarray]:
    """Return a table whose test rows are half of all, and their truth."""
    order = np.random.default_rng(seed).permutation(len(X))
    train, test = np.sort(order[::2]), np.sort(order[1::2])
    metric = Metric.from_module(importlib.import_module(f"pipeline.metrics.{metric_name}"))
    n_classes = len(np.unique(y)) if metric_name == "log_loss" else 0
    kind: Any = {0: "regression", 2: "binary"}.get(n_classes, "multiclass")
    y = y.astype(np.int64) if n_classes else y.astype(np.float64)
    parts = [X.iloc[part].reset_index(drop=True) for part in (train, test)]
    task = Task(kind, metric, tuple(str(c) for c in range(n_classes)))
    return Table(task, *parts, y[train], np.arange(len(train)), np.arange(len(test))), y[test]


def _folds(rows: Table, seed: int) -> Folds:
    kind, splitter = ("kfold", kfold) if rows.task.kind == "regression" else ("stratified", stratified)
    options = {"shuffle": True} if kind == "kfold" else {}
    return make_folds(splitter, rows, kind=kind, n_folds=5, repeats=1, seed=seed, options=options)


def _search(rows: Table, folder: Path, seed: int) -> tuple[dict[str, Any], mlp.Recipe, mlp.Recipe]:
    """Run the stage `tune`; return what it said, the recipe that it ends with, and the winner of the search."""
    for name in ("preprocess", "split", "fresh", "budget/mlp", "out", "progress"):
        (folder / name).mkdir(parents=True)
    write_table(folder / "preprocess", rows)
    write_folds(folder / "split", _folds(rows, 200 + seed))
    write_folds(folder / "fresh", _folds(rows, 300 + seed))
    write_json(folder / "budget/mlp/trials.json", TRIALS)
    write_json(folder / "budget/mlp/recipe.json", mlp.Recipe().model_dump(mode="json"))
    job = Job(
        config={"entry": "mlp", "space": SPACE, "wave": 10, "sampler": "tpe", "rungs": "auto", "reduction": 2},
        inputs={name: folder / name for name in ("preprocess", "split", "fresh")}
        | {"recipe": folder / "budget", "trials": folder / "budget"},
        sources={},
        plugins={"model": mlp, "metric": importlib.import_module(f"pipeline.metrics.{rows.task.metric.name}")},
        out=folder / "out",
        progress=folder / "progress",
        seed=seed,
        log=Console(quiet=True),
    )
    facts = tune.run(job)
    trials = pd.read_parquet(folder / "out/trials.parquet").set_index("number")
    own = trials.loc[facts["best_number"], list(SPACE)].to_dict()
    guarded = mlp.Recipe.model_validate(read_json(folder / "out/recipe.json"))
    return facts, guarded, mlp.Recipe.model_validate(mlp.Recipe().model_dump() | own)


def _gap(metric: Metric, truth: np.ndarray, one: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Return by how much the first has the larger error, and the standard error over resampled rows."""

    def gap(rows: np.ndarray) -> float:
        return metric.error(truth[rows], one[rows]) - metric.error(truth[rows], other[rows])

    generator = np.random.default_rng(0)
    resampled = [gap(generator.integers(len(truth), size=len(truth))) for _ in range(RESAMPLES)]
    return {"mean": gap(np.arange(len(truth))), "se": statistics.stdev(resampled)}


def _markdown(found: dict[str, Any]) -> str:
    on = found["machine"]
    rows = []
    for name, runs in found["sets"].items():
        column = {
            "search": [run["search"]["best"] for run in runs],
            "corrected": [run["search"]["corrected"] for run in runs],
            **{kind: [run["held_out"][kind] for run in runs] for kind in ("winner", "default", "guarded")},
        }
        above = {said: _above(column["winner"], column[said]) for said in ("search", "corrected")}
        worst = [max(_in_errors(run["gaps"][kind]) for run in runs) for kind in ("winner", "guarded")]
        kept = f"{sum(run['kept'] for run in runs)} of {len(runs)}"
        means = [f"{statistics.mean(column[kind]):.4f}" for kind in column]
        rows.append([name, runs[0]["metric"], *means, *above.values(), kept, *(f"{own:+.1f}" for own in worst)])
    header = ["data", "metric", "winner, in the search", "corrected (BBC-CV)", "winner, held out", "default, held out"]
    header += ["guarded, held out", "held out less search", "held out less corrected", "winner let through"]
    header += ["worst of the winner", "worst of the guarded"]
    return "\n\n".join(
        [
            "# The guard against overtuning",
            f"`make bench-guard`, {found['date']}, {on['cores']} cores of {on['cpu']}. A search of {TRIALS} trials "
            f"over {len(SPACE)} parameters of the MLP on half of the rows, means over {len(SEEDS)} halves; errors, "
            "lower is better. Worst: the largest error above the default's on held-out rows, in paired standard "
            "errors (rows resampled), of all halves.",
            table(header, rows),
        ]
    )


def _above(held: list[float], said: list[float]) -> str:
    gaps = [one - other for one, other in zip(held, said, strict=True)]
    return f"{statistics.mean(gaps):+.4f} ± {standard_error(gaps):.4f}"


def _in_errors(gap: dict[str, float]) -> float:
    return gap["mean"] / gap["se"] if gap["se"] else 0.0


if __name__ == "__main__":
    main()
