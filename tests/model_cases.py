"""Small tables and folds, and every model of pipeline/models/ fitted on them once, for the models' contracts."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from own_files import write_own
from small_folds import dealt

from pipeline.engine import plugins
from pipeline.metrics import log_loss, rmse
from pipeline.spread import Spread, in_turn
from pipeline.types import STOP, TRAIN, VALID, CrossFit, Folds, Metric, Table, Task

NAMES = plugins.names("models")
KINDS = ("regression", "targets", "binary", "multiclass")
QUICK: dict[str, dict[str, Any]] = {
    "autogluon": {"models": {"GBM": [{"num_boost_round": 20}]}},
    "catboost": {"rounds": 60, "depth": 4, "lr": 0.2},
    "extra_trees": {"trees": 10},
    "forest": {"trees": 10},
    "h2o": {"n_models": 1, "algorithms": ("GBM",)},
    "histogram": {"rounds": 60, "min_rows": 3, "lr": 0.1},
    "lightgbm": {"rounds": 60, "min_rows": 3, "lr": 0.1},
    "linear": {"epochs": 60},
    "mlp": {"hidden": (16,), "epochs": 25, "n_seeds": 2, "batch_size": 32, "dropout": 0.1},
    "realmlp": {"hidden": (16,), "epochs": 40, "n_seeds": 2, "batch_size": 32},
    "xgboost": {"rounds": 60, "depth": 3, "lr": 0.1, "min_weight": 1.0},
    "tabm": {"k": 4, "width": 16, "epochs": 25, "batch_size": 16, "lr": 0.01, "embedding_numeric_parts": 8},
}
REFITTED = ("h2o",)  # whose one model of all rows predicts the test rows
SLOW = ("autogluon", "h2o")  # tried on one kind of task only
EXTRAS = ("h2o",)  # fitted where they are installed only
FOLDER = tempfile.TemporaryDirectory()  # until the process ends
CASES = [(name, kind) for name in NAMES for kind in KINDS if name not in SLOW or kind == "regression"]


def frame(generator: np.random.Generator, n: int, levels: list[str]) -> pd.DataFrame:
    columns: dict[str, Any] = {f"x{i}": generator.normal(size=n) for i in range(3)}
    columns["x1"][generator.random(n) < 0.1] = np.nan
    colours = np.where(generator.random(n) < 0.1, None, generator.choice(levels, n))
    columns["colour"] = pd.Categorical(
        colours, categories=sorted({"blue", "green", "red", "seen only in test", *levels})
    )
    return pd.DataFrame(columns)


@cache
def table(kind: str) -> Table:
    """120 rows whose target follows from x0 and the colour, with missing values and a level seen only in test.

    Of "targets" there are two, the second skewed and much larger than the first.
    """
    generator = np.random.default_rng(0)
    train = frame(generator, 120, ["blue", "green", "red"])
    test = frame(generator, 30, ["blue", "seen only in test"])
    signal = 3 * train["x0"].to_numpy() + 2 * (train["colour"] == "red").to_numpy() + generator.normal(size=120) * 0.3
    classes = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c")}.get(kind, ())
    target = (
        10 + signal
        if not classes
        else np.searchsorted(np.quantile(signal, np.arange(1, len(classes)) / len(classes)), signal)
    )
    metric = Metric.from_module(log_loss if classes else rmse)
    if kind == "targets":
        target = np.column_stack([target, np.exp(3 + signal / 3)])
        task = Task("regression", metric, targets=("length", "weight"))
    else:
        task = Task(kind, metric, classes)
    return Table(task, train, test, target, np.arange(120), np.arange(30))


@cache
def folds() -> Folds:
    """Two repeats of three folds; some rows of the second repeat validate nowhere."""
    fold = np.stack([np.random.default_rng(repeat).permutation(120).argsort() % 3 for repeat in range(2)])
    fold[1, np.flatnonzero(fold[1] == 0)[:10]] = -1
    return dealt(fold, every=4)


@cache
def whole() -> Folds:
    """One fold that trains on all rows and validates none, as a refit has it."""
    role = np.full((1, 1, 120), TRAIN, dtype=np.int8)
    role[0, 0, ::8] = STOP
    return Folds(role, part=np.where(folds().role[0] == VALID, [[0], [1], [2]], 0).sum(axis=0)[None])


def module(name: str) -> ModuleType:
    return plugins.load(plugins.find("models", name, where="test"))


def fit(
    name: str, data: Table, seed: int = 0, spread: Spread = in_turn, cut: Folds | None = None, **settings: Any
) -> dict[str, CrossFit]:
    recipe = module(name).Recipe(**(QUICK.get(name, {}) | settings))
    if name in EXTRAS:
        pytest.importorskip(name, reason=f"the extra {name} is not installed")
    kind = "targets" if data.task.targets else data.task.kind
    how = made_elsewhere(kind) if hasattr(module(name), "sources") else {}
    return module(name).cross_fit({"entry": recipe}, data, cut or folds(), seed=seed, log=Heard(), spread=spread, **how)


@cache
def made_elsewhere(kind: str) -> dict[str, Any]:
    """Write what the ridge predicts to files; return what a model that reads files is told."""
    folder = Path(FOLDER.name) / kind
    folder.mkdir()
    files = write_own(folder, fitted("ridge", kind)["entry"], table(kind), folds())
    return {"files": files, "id_name": "id", "others": {}}


@cache
def fitted(name: str, kind: str) -> dict[str, CrossFit]:
    return fit(name, table(kind))
