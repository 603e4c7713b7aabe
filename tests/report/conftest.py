"""A small finished run in a store of its own: real folds, predictions and ensemble, everything else by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import alternating

from pipeline.blenders import greedy
from pipeline.config import Competition, Experiment
from pipeline.engine.key import digest
from pipeline.engine.run import Outcome
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import Result, Store
from pipeline.files import write_entry, write_folds, write_json, write_table
from pipeline.metrics import auc, rmsle
from pipeline.stages import ensemble, score
from pipeline.types import CrossFit, Folds, Metric, Table, Task
from pipeline.workspace import Workspace

SLUG = "made-up-houses"
N_TRAIN, N_TEST, N_FOLDS = 60, 20, 5
MODULES = {"rmsle": rmsle, "auc": auc}
Fill = Callable[[Path], dict[str, Any] | None]


@dataclass(frozen=True)
class Made:
    """A finished run and everything it was made with."""

    workspace: Workspace
    competition: Competition
    experiment: Experiment
    outcome: Outcome

    @property
    def results(self) -> Mapping[str, Result]:
        return self.outcome.results


class Maker:
    """Commits hand-written results node by node, as the engine would."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.results: dict[str, Result] = {}

    def make(self, name: str, config: Mapping[str, Any], reads: tuple[str, ...], fill: Fill, **more: Any) -> None:
        stage, _, variant = name.partition("[")
        inputs = {node: self.results[node].digest() for node in reads}
        parts = {"config": dict(config), "inputs": inputs, "sources": more.get("sources", {}), "seed": 0} | more
        key = digest({"node": name, "parts": parts})
        node = Node(stage, f"pipeline.stages.{stage}", config, (), variant.rstrip("]"))
        there = self.store.find(node, key)
        if there is None:
            folder = self.store.building(key)
            facts = fill(folder) or {}
            manifest = {
                "parts": parts,
                "inputs": {n: {"node": n, "key": self.results[n].key} for n in reads},
                "sources": {role: f"{role}.csv" for role in parts["sources"]},
                "facts": facts,
                "reproducible": True,
                "started": "2026-01-02T03:04:05+00:00",
                "finished": f"2026-01-02T03:04:{len(list(self.store.results())):02d}.000000+00:00",
                "seconds": 12.5,
                "machine": {},
            }
            there = self.store.commit(node, key, folder, manifest)
        self.results[name] = there


def make_run(
    root: Path,
    name: str = "default",
    *,
    minutes: float = 10,
    metric: str = "rmsle",
    judged: bool = True,
    origin: Mapping[str, str] | None = None,
) -> Made:
    """Make a run of five entries over five folds; the same arguments find the same results again.

    origin: digests of other raw files by role, or of own code, such as "features.py:age" or "metric.py". Another train
    has another target, another test other rows.
    """
    competition, experiment = _configs(name, minutes, metric)
    workspace = Workspace(root / "data", root / "experiments", root / "submissions")
    for file in ("competition", "default", "other"):
        path = workspace.experiments / SLUG / f"{file}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    table, folds = make_table(metric), alternating(N_TRAIN, N_FOLDS)
    if origin and "train" in origin:
        table = replace(table, target=np.roll(table.target, int(origin["train"][:4], 16) % N_TRAIN))
    if origin and "test" in origin:
        table = replace(table, test_ids=np.roll(table.test_ids, int(origin["test"][:4], 16) % N_TEST))
    maker = Maker(workspace.cache(SLUG))
    _data_stages(maker, competition, experiment, table, folds, origin or {})
    _model_stages(maker, table, folds, experiment)
    _last_stages(maker, competition, experiment, metric, judged, origin or {})
    return Made(workspace, competition, experiment, Outcome(maker.results, tuple(maker.results)))


def make_table(metric: str) -> Table:
    rng = np.random.default_rng(0)
    train, test = (pd.DataFrame({"area": rng.normal(size=n), "age": rng.normal(size=n)}) for n in (N_TRAIN, N_TEST))
    signal = train["area"].to_numpy() + 0.5 * rng.normal(size=N_TRAIN)
    binary = metric == "auc"
    task = Task(
        "binary" if binary else "regression", Metric.from_module(MODULES[metric]), ("no", "yes") if binary else ()
    )
    target = (signal > 0).astype(np.int64) if binary else np.exp(12 + 0.3 * signal)
    return Table(task, train, test, target, np.arange(N_TRAIN), np.arange(N_TEST))


def make_entry(table: Table, folds: Folds, noise: float, seed: int, **more: Any) -> CrossFit:
    rng = np.random.default_rng(seed)
    if table.task.kind == "regression":
        oof = (table.target * np.exp(noise * rng.normal(size=N_TRAIN)))[None, :, None]
        test = np.full((N_TEST, 1), table.target.mean())
    else:
        positive = 1 / (1 + np.exp(-(2 * table.target - 1 + 3 * noise * rng.normal(size=N_TRAIN))))
        oof = np.stack([1 - positive, positive], axis=1)[None]
        test = np.full((N_TEST, 2), 0.5)
    metric = table.task.metric
    errors = [metric.error(table.target[rows], oof[0, rows]) for rows in (folds.valid_rows(*rf) for rf in folds)]
    fold_errors = np.array(errors)[None]
    known = {"stop_on": "inner", "epochs": np.full((1, N_FOLDS), 30.0)} | more
    return CrossFit(oof, test, fold_errors, fold_errors * 0.8, seconds=3.0, **known)


def make_curves() -> pd.DataFrame:
    rows = [
        {"repeat": 0, "fold": fold, "seed": 0, "epoch": epoch, "train_loss": 1 / epoch, "stop_loss": 1 / epoch + 0.1}
        for fold in range(N_FOLDS)
        for epoch in range(1, 301)
    ]
    return pd.DataFrame(rows)


def _configs(name: str, minutes: float, metric: str) -> tuple[Competition, Experiment]:
    binary = metric == "auc"
    competition = Competition(
        slug=SLUG, title="Made-up houses", task="binary" if binary else "regression", id="Id", target="Price",
        metric=metric, submission="probability" if binary else "value",
    )  # fmt: skip
    space = {"lr": {"tune": "loguniform", "low": 1e-4, "high": 1e-2}}
    models = {
        "mlp": {"kind": "mlp", "recipe": {"lr": 0.01, "epochs": "auto", "hidden": [64, 64]}, "space": space},
        "autogluon": {"kind": "autogluon", "recipe": {"presets": "medium"}},
    }
    return competition, Experiment(name=name, minutes=minutes, models=models)


def _data_stages(
    maker: Maker,
    competition: Competition,
    experiment: Experiment,
    table: Table,
    folds: Folds,
    origin: Mapping[str, str],
) -> None:
    facts = competition.model_dump(mode="json", exclude={"files", "title"})
    sources = {role: origin.get(role, letter * 64) for role, letter in (("train", "a"), ("test", "b"), ("sample", "c"))}
    maker.make("ingest", facts, (), lambda f: write_json(f / "schema.json", {"columns": {}, **origin}), sources=sources)

    def preprocess(folder: Path) -> None:
        write_table(folder, table)
        column = {"kind": "numeric", "from": "raw", "missing_train": 3, "missing_test": 1}
        about = {"rows": {"train": N_TRAIN, "test": N_TEST}, "numeric": 2, "categorical": 0}
        about |= {"columns": {"area": column, "age": column}, "dropped": {"Street": "constant in train: Pave"}}
        write_json(folder / "report.json", about | {"notes": ["<b>PoolQC</b> is rare"]})

    facts = facts | {"preprocess": experiment.preprocess.model_dump(mode="json", exclude={"features"})}
    code = {name: digest for name, digest in origin.items() if name.startswith("features.py:")}
    maker.make("preprocess", facts, ("ingest",), preprocess, code=code)

    def split(folder: Path) -> None:
        write_folds(folder, folds)
        fold = {"repeat": 0, "fold": 0, "train_rows": 48, "of_these_stop_rows": 6, "valid_rows": 12, "unused_rows": 0}
        fold |= {"train": {"mean": 1.0}, "valid": {"mean": 2.0}}
        write_json(folder / "report.json", {"kind": "kfold", "folds": [fold], "notes": []})

    maker.make("split", experiment.split.model_dump(mode="json"), ("preprocess",), split)
    models = {n: {"kind": m.kind, "recipe": m.recipe, "tuned": bool(m.space)} for n, m in experiment.models.items()}

    def budget(folder: Path) -> None:
        for name, model in experiment.models.items():
            (folder / name).mkdir()
            write_json(folder / name / "recipe.json", model.recipe | {"epochs": int(experiment.minutes * 10)})

    config = {"minutes": experiment.minutes, "tune": experiment.tune.model_dump(), "models": models}
    maker.make("budget", config, ("preprocess", "split"), budget)


def _model_stages(maker: Maker, table: Table, folds: Folds, experiment: Experiment) -> None:
    reads = ("preprocess", "split", "budget")
    curves = make_curves()
    more = experiment.minutes / 1000  # another plan gives other predictions
    mlp = {"mlp": make_entry(table, folds, 0.3 + more, 1, curves=curves)}
    tuned = {"mlp-tuned": make_entry(table, folds, 0.2, 2, curves=curves)}
    baseline = {
        "autogluon/LightGBM": make_entry(table, folds, 0.22, 3, stop_on="fold"),
        "autogluon/Forest": make_entry(table, folds, 0.4, 4, stop_on="none"),
        "autogluon/WeightedEnsemble": make_entry(table, folds, 0.18, 5, stop_on="fold", reference=True),
    }
    recipes = {"mlp": {"lr": 0.01, "epochs": 24}, "mlp-tuned": {"lr": 0.003}, "autogluon": {"presets": "medium"}}

    def entries(name: str, made: Mapping[str, CrossFit]) -> Fill:
        def fill(folder: Path) -> dict[str, Any]:
            (folder / "entries").mkdir()
            for entry, cross_fit in made.items():
                write_entry(folder / "entries", entry, cross_fit)
            parameters = {"mlp": "head.weight  (7, 1)  7\ntotal  7"} if name == "mlp" else {}
            return {"recipe": recipes[name], "seconds": dict.fromkeys(made, 3.0), "parameters": parameters}

        return fill

    maker.make("train[mlp]", {"entry": "mlp"}, reads, entries("mlp", mlp))
    maker.make("train[autogluon]", {"entry": "autogluon"}, reads, entries("autogluon", baseline))
    tune = {"entry": "mlp", "space": {"lr": experiment.models["mlp"].space["lr"].model_dump(mode="json")}}
    maker.make("tune[mlp]", tune | {"wave": 10, "sampler": "tpe"}, reads, _trials)
    maker.make("train[mlp-tuned]", {"entry": "mlp-tuned"}, (*reads, "tune[mlp]"), entries("mlp-tuned", tuned))


def _trials(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    lr, width = 10 ** rng.uniform(-4, -2, 15), rng.integers(16, 256, 15)
    error = 0.2 + (np.log10(lr) + 3) ** 2 + rng.normal(0, 0.01, 15)
    error[[4, 14]] = np.nan
    trials = {
        "number": range(15),
        "error": error,
        "se": 0.01,
        "state": ["finished"] * 4 + ["failed"] + ["finished"] * 9 + ["given up"],
        "rungs": [[0.5 + n / 100, 0.4][: 1 + (n < 14)] for n in range(15)],
        "lr": lr,
        "width": width,
        "act": ["relu", "silu", "relu"] * 5,
    }
    pd.DataFrame(trials).to_parquet(folder / "trials.parquet", index=False)
    write_json(folder / "recipe.json", {"lr": 0.003})
    facts = {"trials": 15, "failed": 1, "given_up": 1, "best": 0.2, "corrected": 0.21}
    return facts | {"kept": False, "verdict": "the default is kept: inside the noise"}


def _last_stages(
    maker: Maker,
    competition: Competition,
    experiment: Experiment,
    metric: str,
    judged: bool,
    origin: Mapping[str, str],
) -> None:
    trains = [name for name in maker.results if name.startswith("train[")]

    def blend(folder: Path) -> dict[str, Any]:
        inputs = {name: maker.results[name].folder for name in ("preprocess", "split")}
        inputs |= {f"train:{name[6:-1]}": maker.results[name].folder for name in trains}
        plugins = {"blender": greedy, "metric": MODULES[metric]}
        return ensemble.run(Job({}, inputs, {}, plugins, folder, folder, 0, Heard()))

    config = experiment.ensemble.model_dump(mode="json")
    code = {name: digest for name, digest in origin.items() if name == "metric.py"}
    maker.make("ensemble", config, ("preprocess", "split", *trains), blend, code=code)

    def expect(folder: Path) -> dict[str, Any]:
        inputs = {name: maker.results[name].folder for name in ("preprocess", "split", "ensemble")}
        return score.run(
            Job({"public_share": 0.5}, inputs, {}, {"metric": MODULES[metric]}, folder, folder, 0, Heard())
        )

    maker.make("score", {"public_share": 0.5}, ("preprocess", "split", "ensemble"), expect)

    def submit(folder: Path) -> None:
        (folder / "submission.csv").write_text(
            f"Id,Price\n1,{experiment.minutes}\n{''.join(origin.values())}", encoding="utf-8"
        )
        write_json(folder / "provenance.json", {"competition": SLUG, "metric": metric})
        if judged:
            names = ("mlp", "mlp-tuned", "autogluon/LightGBM", "autogluon/Forest", "autogluon/WeightedEnsemble")
            scores = {name: {"private": 0.2 + 0.01 * i, "public": 0.21 + 0.01 * i} for i, name in enumerate(names)}
            ours = {"private": 0.19, "public": 0.2, "best_private": 0.12, "best_public": 0.13}
            references = ["autogluon/WeightedEnsemble"]
            write_json(folder / "judged.json", {"ours": ours, "entries": scores, "references": references})

    facts = competition.model_dump(mode="json") | dict(origin)  # as if it had gone through all that was predicted
    maker.make("submit", facts, ("ingest", "preprocess", "ensemble"), submit)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A regression run with a local judge."""
    return make_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A binary run of a real competition: nobody has judged it."""
    return make_run(tmp_path_factory.mktemp("classified"), metric="auc", judged=False)


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[..., Made]:
    """Make runs that share one workspace."""
    return lambda *arguments, **options: make_run(tmp_path, *arguments, **options)


def read_journal(workspace: Workspace) -> list[dict[str, Any]]:
    path = workspace.experiments / "journal.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
