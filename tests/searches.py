"""A search over a model that takes no time, for the tests of the tune stage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from heard import Heard
from pydantic import BaseModel, ConfigDict
from small_folds import alternating

from pipeline.engine.stage import Job
from pipeline.files import write_folds, write_json, write_table
from pipeline.metrics import rmse
from pipeline.stages import tune
from pipeline.tuning import storage
from pipeline.tuning.address import STUDIES
from pipeline.types import CrossFit, Folds, Metric, Table, Task

N = 12


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)

    lr: float = 1.0
    width: int = 4


class Model(SimpleNamespace):
    """A model whose fold errors are a formula; it dies at its `dies_at`-th wave, as a killed process would.

    cut: its fits end before their time. penalty: how much worse everything but the default is on fresh folds.
    """

    Recipe = Recipe
    waves = 0
    dies_at = 0
    cut = False
    penalty = 0.0

    def for_tuning(self, recipe: Recipe) -> Recipe:
        return recipe

    def cross_fit(self, recipes: Mapping[str, Recipe], table: Table, folds: Folds, **_: Any) -> dict[str, CrossFit]:
        fresh = folds.n_repeats == 2
        self.waves += not fresh
        if not fresh and self.waves == self.dies_at:
            raise KeyboardInterrupt
        return {name: self._entry(recipe, table, fresh) for name, recipe in recipes.items()}

    def _entry(self, recipe: Recipe, table: Table, fresh: bool) -> CrossFit:
        error = np.nan if recipe.width == 7 else abs(np.log(recipe.lr / 0.01)) + recipe.width / 100
        error += self.penalty * (fresh and recipe != Recipe())
        errors = error + np.array([[-0.1, 0.0, 0.1]] * (1 + fresh))
        errors[-1, 0] += 0.05 * (recipe != Recipe())  # folds never agree entirely
        oof = np.zeros((len(errors), len(table.train), 1))
        test, cut = np.zeros((len(table.test), 1)), "1 of 2 epochs" if self.cut else ""
        return CrossFit(oof, test, errors, errors, errors, "none", truncated=cut)


def make_job(folder: Path, model: Model, trials: int, progress: Path, patience: int | None = None) -> Job:
    task = Task("regression", Metric.from_module(rmse))
    rows = pd.DataFrame({"x": np.arange(N, dtype=float)})
    folds = alternating(N, 3)
    for name in ("preprocess", "split", "fresh", "budget/net", "out"):
        (folder / name).mkdir(parents=True)
    progress.mkdir(exist_ok=True)
    write_table(folder / "preprocess", Table(task, rows, rows, rows["x"].to_numpy(), np.arange(N), np.arange(N)))
    write_folds(folder / "split", folds)
    others = folds.role[..., np.random.default_rng(0).permutation(N)]
    write_folds(folder / "fresh", Folds(np.concatenate([others, others[:, ::-1]])))
    write_json(folder / "budget/net/trials.json", trials)
    write_json(folder / "budget/net/recipe.json", Recipe().model_dump())
    space = {
        "lr": {"tune": "loguniform", "low": 1e-4, "high": 1.0},
        "width": {"tune": "int", "low": 1, "high": 8, "step": 1},
    }
    return Job(
        config={"entry": "net", "space": space, "wave": 4, "sampler": "tpe", "rungs": "auto", "reduction": 3},
        inputs={name: folder / name for name in ("preprocess", "split", "fresh")}
        | {"recipe": folder / "budget", "trials": folder / "budget"},
        sources={},
        plugins={"model": model, "metric": rmse},  # type: ignore[dict-item]
        out=folder / "out",
        progress=progress,
        seed=5,
        log=Heard(patience),
    )


class Asking(Model):
    """Says what it is about to fit, and waits until it is told to, or will not be told anything any more."""

    def cross_fit(self, recipes: Mapping[str, Recipe], table: Table, folds: Folds, **how: Any) -> dict[str, CrossFit]:
        if folds.n_repeats == 1:
            self.said.send([*recipes])
            with suppress(EOFError):
                self.told.recv()
        return super().cross_fit(recipes, table, folds, **how)


def work(folder: Path, url: str, n_trials: int, grace: int, said: Connection, told: Connection) -> None:
    """Search, in a process of its own, in the study that those share whose folders lie beside `folder`."""
    os.environ[STUDIES] = url
    storage.BEAT_SECONDS, storage.GRACE_SECONDS, storage.POLL_SECONDS = 1, grace, 0.05
    folder.mkdir()
    tune.run(make_job(folder / "work", Asking(said=said, told=told), n_trials, folder / folder.parent.name))


def trials_of(folder: Path) -> bytes:
    return (folder / "out" / "trials.parquet").read_bytes()
