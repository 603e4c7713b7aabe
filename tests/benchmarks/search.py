"""make bench-search: a search of many trials as waves of fused networks, against plain Optuna on one network at a time.

On House Prices, whose files must lie in data/. First the experiment `search` (200 trials, 5 folds x 2 repeats) against
the book's loop over the same trials' networks, of which some are timed. Then, for so many minutes each, the search
stage and Optuna with its median pruner over the same recipes and folds, trained one after the other, by the book's loop
and by this pipeline's own trainer; what was best after each minute. Results land in tests/benchmarks/results/:
search.json, search.md and search.svg, after each seed of the race.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import torch

from pipeline.config import load_competition, load_experiment
from pipeline.core import fused
from pipeline.core.members import EncodedRows, Member, View
from pipeline.engine.console import Console
from pipeline.engine.plan import plan
from pipeline.engine.stage import Job
from pipeline.engine.store import Result, Store
from pipeline.files import read_folds, read_table, write_json
from pipeline.graph import build
from pipeline.metrics import rmsle
from pipeline.models import mlp
from pipeline.models._network_case import Case
from pipeline.models._network_fit import NetworkFit
from pipeline.models._network_fold import Fold
from pipeline.models._network_plan import Plan
from pipeline.models._networks import _view
from pipeline.stages import tune
from pipeline.tuning import storage, study
from pipeline.tuning.address import STUDIES
from pipeline.tuning.search import Search, search_of
from pipeline.types import Metric
from pipeline.workspace import Workspace
from tests.benchmarks import book_loop, loops
from tests.benchmarks.machine import machine
from tests.benchmarks.turns import RESULTS, publish, table

SLUG = "house-prices-advanced-regression-techniques"
HERE = Path("data/search")
N_WARM, N_LOOPED = 2, 30
MINUTES = 10
MARKS = (2, 5, 10)
KINDS = {"fused": "fused waves", "book": "the book's loop", "sequential": "our trainer, one at a time"}
COLOURS = {"fused": "#1f6fb2", "book": "#8a8f98", "sequential": "#d9822b"}
Weights = dict[str, torch.Tensor]
OneNetwork = Callable[[Plan, Member, View, EncodedRows], Weights]
"""Train one network on a view; the rows are those that it is judged on."""
FIRST_SEED = 3
"""Of the race: on 0 to 2 the rungs of the search were chosen."""


def main() -> None:
    """Search, loop, race, write."""
    os.environ.pop(STUDIES, None)  # every search here is a study of its own
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=3, help="of the race, 30 minutes each; 0 keeps the one that is there"
    )
    seeds = parser.parse_args().seeds
    torch.set_num_threads(os.cpu_count() or 1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    results, space = _run()
    today = datetime.now(UTC).date().isoformat()
    found: dict[str, Any] = {"date": today, "machine": machine(), "raced": today, "race": []}
    if not seeds:
        found |= _race_before()
    found["search"] = _searched(results) | {"looped_seconds": _looped(results)}
    publish("search", found, _markdown(found))
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        found["race"].append(_race(results, space, seed))
        _plot(found["race"])
        publish("search", found, _markdown(found))
    print(_markdown(found))  # noqa: T201 - this is what the command is for


def _run() -> tuple[dict[str, Result], dict[str, Any]]:
    """Run the experiment `search` among this benchmark's own folders; return its results and its space."""
    source = Workspace()
    if not any(source.raw_folder(SLUG).glob("*")):
        sys.exit(f"{source.raw_folder(SLUG)} holds no files: House Prices is what this benchmark runs on")
    workspace = Workspace(HERE, raw=source.data)
    (HERE / SLUG).mkdir(parents=True, exist_ok=True)
    if not (HERE / SLUG / "raw").exists():
        (HERE / SLUG / "raw").symlink_to(source.raw_folder(SLUG).resolve())
    words = [sys.executable, "-m", "pipeline", "--data", str(HERE), "tune", SLUG, "-e", "search"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    nodes = build(Workspace(HERE), load_competition(workspace, SLUG), load_experiment(workspace, SLUG, "search"))
    steps = plan(nodes, Store(Workspace(HERE).cache(SLUG)))
    (node,) = [node for node in nodes if node.name == "tune[mlp]"]
    return {step.node.name: step.result for step in steps if step.result is not None}, dict(node.config["space"])


def _race_before() -> dict[str, Any]:
    """Return the race of the results that are there, and its date."""
    path = RESULTS / "search.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"race": [], "date": ""}
    return {"race": known["race"], "raced": known.get("raced", known["date"])}


def _searched(results: dict[str, Result]) -> dict[str, Any]:
    found = results["tune[mlp]"]
    folds = read_folds(results["split[tune]"].folder)
    return {
        "seconds": found.facts["seconds_searching"],
        "seconds_of_all": found.manifest["seconds"],
        "facts": found.facts,
        "n_networks": found.facts["trials"] * folds.n_repeats * folds.n_folds,
    }


def _looped(results: dict[str, Result]) -> list[float]:
    """Return how long the book's loop takes for networks of trials of the search, drawn at random, each on one fold."""
    trials = pd.read_parquet(results["tune[mlp]"].folder / "trials.parquet")
    parts, seconds = loops.folds(), []
    for number, own in enumerate(trials.sample(N_WARM + N_LOOPED, random_state=0).itertuples()):
        setting = loops.Setting(own.epochs, 256, dropout=own.dropout, hidden=(own.width,) * own.depth)
        began = time.perf_counter()
        loops.book(parts[number % len(parts)], setting)
        seconds.append(time.perf_counter() - began)
    return seconds[N_WARM:]


def _race(results: dict[str, Result], space: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return of every contender (seconds, error) of its finished trials, in the order in which they finished."""
    return {
        "seed": seed,
        "fused": _fused(results, space, seed),
        "book": _one_by_one(results, space, seed, _by_the_book),
        "sequential": _one_by_one(results, space, seed, _by_our_trainer),
    }


class _Clock(Console):
    """A log that says nothing, and that time is up when it is."""

    def __init__(self) -> None:
        super().__init__(quiet=True, limit=60 * MINUTES)


def _fused(results: dict[str, Result], space: dict[str, Any], seed: int) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        job = _job(results, space, seed, Path(folder))
        search, began = search_of(job), time.time()
        with storage.opened(job.progress, "race") as kept:
            done = tune.fill(_Unguided(**vars(search)), kept).values()
    return [(t.datetime_complete.timestamp() - began, t.value) for t in done if t.value is not None]


class _Unguided(Search):
    """A search that does not begin with the default, which would leave little to find."""

    @property
    def start(self) -> list[dict[str, Any]]:
        return []


def _job(results: dict[str, Result], space: dict[str, Any], seed: int, folder: Path) -> Job:
    for name in ("out", "progress", "trials/mlp", "recipe/mlp"):
        (folder / name).mkdir(parents=True)
    write_json(folder / "trials/mlp/trials.json", 100_000)
    write_json(folder / "recipe/mlp/recipe.json", mlp.Recipe().model_dump(mode="json"))
    own = {"preprocess": results["preprocess"].folder, "split": results["split[tune]"].folder}
    return Job(
        config={"entry": "mlp", "space": space, "wave": 10, "sampler": "tpe", "rungs": "auto", "reduction": 4},
        inputs=own | {"trials": folder / "trials", "recipe": folder / "recipe"},
        sources={},
        plugins={"model": mlp, "metric": rmsle},  # type: ignore[dict-item]
        out=folder / "out",
        progress=folder / "progress",
        seed=seed,
        log=_Clock(),
    )


def _one_by_one(
    results: dict[str, Result], space: dict[str, Any], seed: int, train: OneNetwork
) -> list[tuple[float, float]]:
    """Optuna's TPE and median pruner; the recipe's networks one after the other, the mean so far told after each."""
    rows = read_table(results["preprocess"].folder, Metric.from_module(rmsle))
    folds = read_folds(results["split[tune]"].folder)
    case, began, done = Case(rows, folds, seed, None), time.time(), list[tuple[float, float]]()
    log = _Clock()
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
    searched = optuna.create_study(sampler=sampler, pruner=optuna.pruners.MedianPruner(n_warmup_steps=1))
    while not log.late():
        trial = searched.ask()
        own = {name: dimension.suggest(trial, name) for name, dimension in study.dimensions(space).items()}
        errors = _cross_validated(case, log, mlp.Recipe(**own, n_seeds=1), trial, train)
        searched.tell(trial, errors if errors is None else float(np.mean(errors)), state=_state(errors))
        if errors is not None:
            done.append((time.time() - began, float(np.mean(errors))))
    return done


def _state(errors: list[float] | None) -> Any:
    state = optuna.trial.TrialState
    return state.PRUNED if errors is None else state.COMPLETE


def _cross_validated(
    case: Case, log: Console, recipe: mlp.Recipe, trial: optuna.Trial, train: OneNetwork
) -> list[float] | None:
    plan = mlp.resolve(recipe, case.table.task, case.folds.n_fit_rows)
    data, errors = case.encode(plan, "train"), list[float]()
    for step, (key, fold) in enumerate(data.items()):
        target = case.table.target[case.folds.valid_rows(*key)]
        weights = train(plan, plan.member(0, step, None), _view(fold, case.table), _judging(fold, target))
        fit = NetworkFit(fold.encoder, fold.target, plan.program.architecture, plan.program.loss, (weights,))
        errors.append(case.table.task.metric.error(target, fit.predict_encoded(fold.valid)))
        trial.report(float(np.mean(errors)), step)
        if step + 1 < len(data) and (trial.should_prune() or log.late()):
            return None
    return errors


def _judging(fold: Fold, target: np.ndarray) -> EncodedRows:
    return replace(fold.valid, target=fold.learnt(target))


def _by_the_book(plan: Plan, member: Member, view: View, judging: EncodedRows) -> Weights:
    return book_loop.train(plan.program, member, view.train, judging)


def _by_our_trainer(plan: Plan, member: Member, view: View, judging: EncodedRows) -> Weights:  # noqa: ARG001 - it needs none
    return fused.train(plan.program, [member], [view])[0].state


def _best(trials: Sequence[tuple[float, float]], minutes: float) -> float:
    return min((error for seconds, error in trials if seconds <= 60 * minutes), default=float("nan"))


def _markdown(found: dict[str, Any]) -> str:
    on, own = found["machine"], found["search"]
    looped = statistics.mean(own["looped_seconds"]) * own["n_networks"]
    header = ["trials", "given up", "networks", "minutes", "with the test on fresh folds", "the book's loop", "ratio"]
    figures = [own["facts"]["trials"], own["facts"]["given_up"], own["n_networks"], f"{own['seconds'] / 60:.1f}"]
    figures += [f"{own['seconds_of_all'] / 60:.1f}"]
    figures += [f"{looped / 60:.0f} minutes (by {len(own['looped_seconds'])} of its networks)"]
    parts = [
        "# Searching",
        f"`make bench-search`, {found['date']}, {on['cores']} cores of {on['cpu']}. House Prices, the experiment "
        "`search`: ten parameters of the MLP, five folds, two repeats.",
        table(header, [[*figures, f"{looped / own['seconds']:.1f}"]]),
        own["facts"]["verdict"].capitalize() + ".",
    ]
    if found["race"]:
        rows = [
            [f"{minutes} min", run["seed"], *(f"{_best(run[kind], minutes):.5f}" for kind in KINDS)]
            + [sum(seconds <= 60 * minutes for seconds, _ in run[kind]) for kind in KINDS]
            for minutes in MARKS
            for run in found["race"]
        ]
        header = ["after", "seed", *KINDS.values(), *(f"trials, {name}" for name in KINDS.values())]
        parts += [
            f"{found['raced']}: the search stage against Optuna with a median pruner over the same recipes and folds, "
            "one network after another, by the book's loop and by the pipeline's own trainer; none begins with the "
            "default. Best mean validation error (RMSLE), and finished trials:",
            table(header, rows),
            "![best error by time](search.svg)",
        ]
    return "\n\n".join(parts)


def _plot(races: Sequence[dict[str, Any]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6, 3.4), layout="constrained")
    axes = figure.add_subplot(xlabel="minutes", ylabel="best validation error (RMSLE)")
    for kind, name in KINDS.items():
        for run in races:
            seconds, errors = np.array(run[kind]).T
            axes.step(seconds / 60, np.minimum.accumulate(errors), where="post", color=COLOURS[kind], label=name)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), frameon=False)
    figure.savefig(RESULTS / "search.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
