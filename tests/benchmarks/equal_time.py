"""make bench-equal-time: our experiment `best` against AutoGluon's best_quality, the same minutes, on held-out rows.

A fifth of each train file is held out (`pipeline holdout`, whole groups where rows hang together). On the rest one
after the other works alone on this machine: `pipeline run`, from the files to the submission and without a cache, then
AutoGluon, which gets the same files and the columns that the competition's features.py makes. Whatever competition's
files lie in data/ takes part, or those named. Results land in tests/benchmarks/results/ after each competition; one
that is there, for the same minutes and experiment, is not run again, so that an interrupted measurement goes on.
With --keep what AutoGluon predicted stays where it would be given the same once more: its turn knows nothing of ours.
Our minutes are planned for two slower cores; with --pace N (what a run calls PIPELINE_PACE) for this machine.

    python -m tests.benchmarks.equal_time titanic --minutes 1 --experiment best
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Competition, load_competition
from pipeline.engine.store import Result
from pipeline.entries import BEST
from pipeline.files import read_json, write_json
from pipeline.models._autogluon_fit import METRICS, TASK_METRIC
from pipeline.types import Metric
from pipeline.workspace import Workspace
from tests.benchmarks.holdouts import Outcome, below, call, competitions, hold_out, outcome
from tests.benchmarks.machine import code, machine
from tests.benchmarks.turns import RESULTS, publish, table

HERE = Path("data/equal-time")
RESAMPLES = 2000
FOUND = "equal_time"


def main() -> None:
    """Run what is not there, judge, write."""
    wanted = _arguments()
    source, workspace = Workspace(), replace(below(HERE), pace=wanted.pace)
    path = RESULTS / f"{FOUND}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"competitions": {}}
    for slug in wanted.slugs or competitions(source):
        asked = {"minutes": wanted.minutes, "experiment": wanted.experiment, "pace": wanted.pace}
        if asked.items() <= found["competitions"].get(slug, {}).items() and not wanted.again:
            continue
        hold_out(HERE, source, slug)
        today = {"date": _today(), "code": code()}
        found["competitions"][slug] = asked | today | _compete(workspace, f"{slug}-holdout", wanted)
        found["machine"] = machine()
        publish(FOUND, found, _markdown(found))
    if found["competitions"]:
        print(_markdown(found))  # noqa: T201 - this is what the command is for


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{FOUND}")
    parser.add_argument("slugs", nargs="*", help="competitions; all whose files are here, if none is named")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each of the two")
    parser.add_argument("--experiment", default="best", help="ours: a TOML file beside competition.toml")
    parser.add_argument("--again", action="store_true", help="run what is there already, too")
    parser.add_argument("--keep", action="store_true", help="what AutoGluon predicted, where it was given the same")
    parser.add_argument("--pace", type=float, default=1.0, help="of this machine, as runs have told: ours plan by it")
    return parser.parse_args()


def _timed(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return round(time.monotonic() - began, 1)


def _compete(workspace: Workspace, slug: str, wanted: argparse.Namespace) -> dict[str, Any]:
    """Run ours and AutoGluon one after the other, each in a process of its own; return what the held-out rows say."""
    competition = load_competition(workspace, slug)
    run, ours = _ours(workspace, slug, wanted.experiment, wanted.minutes)
    rival = HERE / "autogluon" / slug
    turn = _autogluon(rival, _given(workspace, competition, run, wanted.minutes), wanted.keep)
    seconds = {"ours": ours, "autogluon": turn["seconds"]}
    metric, target = run.metric, run.target
    theirs, own = np.load(rival / "predicted.npy"), run.ensemble
    together = _groups(competition, run.results, len(target))
    return {
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "n_held_out": len(target),
        "ours": metric.score(target, own),
        "autogluon": metric.score(target, theirs),
        "loss": _loss(metric, target, (own, theirs), together),
        "seconds": seconds,
        "autogluon_date": turn["date"],
        "left_out": run.results["budget"].facts["notes"],
        "autogluon_models": read_json(rival / "models.json"),
    } | _singles(run, together)


def _ours(workspace: Workspace, slug: str, experiment: str, minutes: float) -> tuple[Outcome, float]:
    """Run ours from the files on, and return what came out, and its seconds."""
    shutil.rmtree(workspace.cache(slug), ignore_errors=True)
    words = ("--pace", str(workspace.pace), "run", slug, "--experiment", experiment, "--minutes", str(minutes))
    seconds = _timed(lambda: call(HERE, *words))
    return outcome(workspace, slug, experiment, minutes), seconds


@dataclass(frozen=True)
class Given:
    """What AutoGluon is given: the raw columns and our features, how it is judged, and its seconds."""

    train: pd.DataFrame
    test: pd.DataFrame
    how: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write it to an empty folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.train.to_parquet(folder / "train.parquet")
        self.test.to_parquet(folder / "test.parquet")
        (folder / "how.json").write_text(json.dumps(self.how), encoding="utf-8")

    def is_in(self, folder: Path) -> bool:
        """Say whether this is what a folder's predictions were made from."""
        if not (folder / "turn.json").is_file() or read_json(folder / "how.json") != self.how:
            return False
        parts = {"train": self.train, "test": self.test}
        return all(own.to_parquet() == (folder / f"{part}.parquet").read_bytes() for part, own in parts.items())


def _given(workspace: Workspace, competition: Competition, run: Outcome, minutes: float) -> Given:
    raw, parts = workspace.raw_folder(competition.slug), {}
    for part, file in (("train", competition.files.train), ("test", competition.files.test)):
        made = [result.folder for name, result in run.results.items() if name.startswith("preprocess[")]
        features = [pd.read_parquet(own / f"{part}.parquet") for own in made]
        columns = [pd.read_csv(raw / file, low_memory=False), *features]
        assert len({len(frame) for frame in columns}) == 1, f"{file}: other rows than our features"
        parts[part] = pd.concat(columns, axis=1).drop(columns=competition.id, errors="ignore")
    metric = run.metric
    how = {
        "target": competition.target,
        "problem_type": competition.task,
        "eval_metric": METRICS.get(metric.name, TASK_METRIC[metric.reads]),
        "logs": metric.name == "rmsle",
        "labels": metric.reads == "label",
        "classes": list(run.table.task.classes),
        "seconds": 60 * minutes,
    }
    return Given(parts["train"], parts["test"], how)


def _autogluon(folder: Path, given: Given, keep: bool) -> dict[str, Any]:
    """Let AutoGluon fit and predict in `folder`, unless it has; return when that was, and how long it took."""
    if not (keep and given.is_in(folder)):
        given.write(folder)
        command = [sys.executable, "-m", "tests.benchmarks.equal_time_autogluon", str(folder)]
        seconds = _timed(lambda: subprocess.run(command, check=True))
        write_json(folder / "turn.json", {"date": _today(), "seconds": seconds})
    turn: dict[str, Any] = read_json(folder / "turn.json")
    return turn


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _groups(competition: Competition, results: Mapping[str, Result], n_rows: int) -> np.ndarray:
    """Return the group of each held-out row; every row is one of its own where none hang together."""
    for name, result in results.items():
        if competition.groups and (name == "ingest" or name.startswith("preprocess[")):
            test = pd.read_parquet(result.folder / "test.parquet")
            if competition.groups in test:
                return np.unique(test[competition.groups].astype(str), return_inverse=True)[1]
    return np.arange(n_rows)


def _loss(
    metric: Metric, target: np.ndarray, pair: tuple[np.ndarray, np.ndarray], together: np.ndarray
) -> dict[str, float]:
    """Return how much larger the first one's error is, and its standard error over resampled rows (or groups)."""
    members = np.split(np.argsort(together, kind="stable"), np.cumsum(np.bincount(together))[:-1])

    def gap(rows: np.ndarray) -> float:
        first, second = (metric.error(target[rows], one[rows]) for one in pair)
        return first - second

    generator = np.random.default_rng(0)
    drawn = (generator.integers(len(members), size=len(members)) for _ in range(RESAMPLES))
    resampled = [gap(np.concatenate([members[group] for group in draw])) for draw in drawn]
    return {"mean": gap(np.arange(len(target))), "se": statistics.stdev(resampled)}


def _singles(run: Outcome, together: np.ndarray) -> dict[str, Any]:
    """Return how our ensemble stands beside its entries: the one that CV prefers, and the best on the held-out rows."""
    metric, target, entries = run.metric, run.target, run.entries
    preferred = next(row["entry"] for row in run.leaderboard if row["entry"] in entries)
    chosen = {BEST: preferred, "best held out": min(entries, key=lambda name: metric.error(target, entries[name]))}
    singles = {
        what: {"entry": name, "score": metric.score(target, entries[name])}
        | {"loss": _loss(metric, target, (run.ensemble, entries[name]), together)}
        for what, name in chosen.items()
    }
    return {"n_entries": len(entries), "singles": singles}


def _markdown(found: Mapping[str, Any]) -> str:
    on, competitions = found["machine"], found["competitions"]
    rows, singles = [], []
    for slug, own in competitions.items():
        scores = [f"{own[who]:.5f}" for who in ("ours", "autogluon")]
        minutes = [f"{own['seconds'][who] / 60:.1f}" for who in ("ours", "autogluon")]
        if own["pace"] != 1:
            minutes[0] += f" (pace {own['pace']:g})"
        counts = [own["autogluon_date"], own["n_entries"], len(own["autogluon_models"])]
        what = [slug, own["date"], own["code"], f"{own['minutes']:g}", own["metric"], own["n_held_out"]]
        rows.append([*what, *scores, _surely(own["loss"]), *minutes, *counts])
        each = [f"{one['entry']} {one['score']:.5f} ({_surely(one['loss'])})" for one in own["singles"].values()]
        singles.append([slug, own["metric"], scores[0], *each])
    n_ahead = sum(own["loss"]["mean"] < 0 for own in competitions.values())
    worst = max(own["loss"]["mean"] / (own["loss"]["se"] or 1.0) for own in competitions.values())
    header = ["competition", "date", "code", "minutes", "metric", "rows held out", "ours", "AutoGluon", "loss"]
    header += ["our minutes", "AutoGluon's minutes", "AutoGluon's date", "our entries", "AutoGluon's models"]
    return "\n\n".join(
        [
            "# Equal time",
            f"`make bench-equal-time`, {on['cores']} cores of {on['cpu']}. Our experiment `best` and "
            "AutoGluon's `best_quality` on the same rows, one after the other, judged on a fifth of train that neither "
            "saw. AutoGluon's turn is of its own date where it was given the same before (--keep). Ours is planned for "
            "two slower cores, or by the machine's pace where one is given (--pace). Loss: our error less AutoGluon's "
            "± its standard error (rows or whole groups resampled), and in such errors; below zero we are "
            f"ahead. Ahead on {n_ahead} of {len(competitions)}; the largest loss is "
            f"{worst:+.1f} standard errors.",
            table(header, rows),
            "Does the ensemble overfit? Beside it the single entry that cross-validation prefers, and the one that "
            "happens to be best on the held-out rows; in brackets the ensemble's loss against it.",
            table(["competition", "metric", "ensemble", "best by CV", "best on held-out rows"], singles),
        ]
    )


def _surely(loss: Mapping[str, float]) -> str:
    ratio = f", {loss['mean'] / loss['se']:+.1f}" if loss["se"] else ""
    return f"{loss['mean']:+.5f} ± {loss['se']:.5f}{ratio}"


if __name__ == "__main__":
    main()
