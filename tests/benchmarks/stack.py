"""make bench-stack: does the ensemble overfit? Beside each of its entries, on rows held out of Mercedes, several times.

Each time another fifth of the train file is held out (`pipeline holdout --seed`), and our experiment `best` runs on the
rest, as many runs at once as there are cores: one such fifth says little, because a few cars decide its R2. Another
competition: `python -m tests.benchmarks.stack titanic`. What ran before is cached in data/stack. Results land in
tests/benchmarks/results/: stack.json and stack.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.entries import ENSEMBLE
from pipeline.workspace import Workspace
from tests.benchmarks.holdouts import Outcome, below, call, hold_out, outcome
from tests.benchmarks.machine import code, machine
from tests.benchmarks.turns import publish, table

HERE = Path("data/stack")
EXPERIMENT = "best"
RESAMPLES = 2000


def main() -> None:
    """Run what has not been run, judge all, write."""
    wanted = _arguments()
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        runs = list(workers.map(lambda seed: _run(wanted.slug, seed, wanted.minutes), range(wanted.cuts)))
    names = sorted(set.intersection(*(set(run.entries) for run in runs)))
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "code": code(),
        "machine": machine(),
        "competition": wanted.slug,
        "minutes": wanted.minutes,
        "metric": runs[0].metric.name,
        "n_held_out": [len(run.target) for run in runs],
        "cuts": [_cut(run) for run in runs],
        "entries": {name: _beside(runs, name) for name in names},
    }
    text = _markdown(found)
    publish("stack", found, text)
    print(text)  # noqa: T201 - this is what the command is for


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.stack")
    parser.add_argument("slug", nargs="?", default="mercedes-benz-greener-manufacturing")
    parser.add_argument("--cuts", type=int, default=5, help="how often rows are held out")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each run, planned for two cores")
    return parser.parse_args()


def _run(slug: str, seed: int, minutes: float) -> Outcome:
    here = HERE / str(seed)
    hold_out(here, Workspace(), slug, seed)
    call(here, "run", f"{slug}-holdout", "--experiment", EXPERIMENT, "--minutes", str(minutes))
    return outcome(below(here), f"{slug}-holdout", EXPERIMENT, minutes)


def _cut(run: Outcome) -> dict[str, Any]:
    """Return the held-out scores of one cut, and which entry its cross-validation prefers."""
    preferred = next(row["entry"] for row in run.leaderboard if row["entry"] in run.entries)
    predicted = {ENSEMBLE: run.ensemble} | run.entries
    scores = {name: run.metric.score(run.target, one) for name, one in predicted.items()}
    return {"best_by_cv": preferred, "scores": scores}


def _beside(runs: Sequence[Outcome], name: str) -> dict[str, Any]:
    """Return by how much the ensemble's error is larger than an entry's: mean over cuts, and its standard error.

    Rows of the whole train file are resampled, each with all cuts that hold it out, so that what cuts share counts.
    """
    ids = np.unique(np.concatenate([run.truth.index for run in runs]))
    places = [np.searchsorted(ids, run.truth.index) for run in runs]

    def gap(run: Outcome, rows: np.ndarray) -> float:
        ours, theirs = (run.metric.error(run.target[rows], one[rows]) for one in (run.ensemble, run.entries[name]))
        return ours - theirs

    def mean_gap(counts: np.ndarray) -> float:
        each = [gap(run, np.repeat(np.arange(len(at)), counts[at])) for run, at in zip(runs, places, strict=True)]
        return statistics.mean(each)

    generator = np.random.default_rng(0)
    drawn = (np.bincount(generator.integers(len(ids), size=len(ids)), minlength=len(ids)) for _ in range(RESAMPLES))
    whole = [gap(run, np.arange(len(run.target))) for run in runs]
    return {
        "score": statistics.mean(run.metric.score(run.target, run.entries[name]) for run in runs),
        "loss": {"mean": statistics.mean(whole), "se": statistics.stdev(map(mean_gap, drawn))},
        "n_ahead": sum(one < 0 for one in whole),
    }


def _markdown(found: dict[str, Any]) -> str:
    on, cuts, entries = found["machine"], found["cuts"], found["entries"]
    ensemble = statistics.mean(cut["scores"][ENSEMBLE] for cut in cuts)
    first = [
        [number, f"{scores[ENSEMBLE]:.5f}", f"{preferred} {scores[preferred]:.5f}"]
        for number, (preferred, scores) in enumerate((cut["best_by_cv"], cut["scores"]) for cut in cuts)
    ]
    rows = [
        [name, f"{own['score']:.5f}", f"{own['loss']['mean']:+.5f} ± {own['loss']['se']:.5f}", own["n_ahead"]]
        for name, own in sorted(entries.items(), key=lambda one: -one[1]["loss"]["mean"])
    ]
    return "\n\n".join(
        [
            "# Does the ensemble overfit?",
            f"`make bench-stack`, {found['date']}, code {found['code']}, {on['cores']} cores of {on['cpu']}. "
            f"{found['competition']}, `{EXPERIMENT}` with {found['minutes']:g} minutes on four fifths of the train "
            f"file, {found['metric']} of the fifth that is held out, {len(cuts)} times. Mean of the ensemble: "
            f"{ensemble:.5f}.",
            table(["cut", "ensemble", "entry that its CV prefers"], first),
            "Each entry by itself; loss: the ensemble's error less the entry's, mean over cuts ± its standard error "
            "(rows of the train file resampled), below zero the ensemble is ahead.",
            table(["entry", "mean score", "loss", f"cuts of {len(cuts)} where the ensemble is ahead"], rows),
        ]
    )


if __name__ == "__main__":
    main()
