"""Real competitions held out in a benchmark's own folders, the command run on them, and what its runs predicted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import load_competition, load_experiment, metric_plugin
from pipeline.engine import plugins
from pipeline.engine.plan import plan
from pipeline.engine.store import Result, Store
from pipeline.entries import ENSEMBLE
from pipeline.files import read_entries, read_json, read_table
from pipeline.graph import build
from pipeline.practice.catalogue import SLUGS
from pipeline.practice.judge import truths
from pipeline.types import Metric, Table
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Outcome:
    """A run on what was held out: its stages' results and entries; truth: the held-out rows' by id, in test's order."""

    results: Mapping[str, Result]
    table: Table
    truth: pd.Series

    @property
    def metric(self) -> Metric:
        return self.table.task.metric

    @property
    def target(self) -> np.ndarray:
        """The held-out rows' values or codes (n_test,)."""
        return self.truth.to_numpy()

    @cached_property
    def entries(self) -> dict[str, np.ndarray]:
        """What every entry that may be blended predicts of the held-out rows (n_test, n_outputs)."""
        return {
            name: entry.test
            for node, result in self.results.items()
            if node.startswith("train[")
            for name, entry in read_entries(result.folder / "entries").items()
            if not entry.reference
        }

    @cached_property
    def ensemble(self) -> np.ndarray:
        """What the ensemble predicts of them (n_test, n_outputs)."""
        return read_entries(self.results["ensemble"].folder)[ENSEMBLE].test

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """The ensemble's leaderboard, best entry first."""
        rows: list[dict[str, Any]] = read_json(self.results["ensemble"].folder / "leaderboard.json")
        return rows


def competitions(source: Workspace) -> list[str]:
    """Return the real competitions whose files are here."""
    return [slug for slug in source.competitions() if slug not in SLUGS and any(source.raw_folder(slug).glob("*"))]


def below(here: Path) -> Workspace:
    """Return the workspace of a benchmark's folder."""
    return Workspace(here / "data", here / "experiments", here / "submissions")


def outcome(workspace: Workspace, slug: str, experiment: str, minutes: float | None = None) -> Outcome:
    """Read a finished run."""
    competition = load_competition(workspace, slug)
    nodes = build(workspace, competition, load_experiment(workspace, slug, experiment, minutes))
    steps = plan(nodes, Store(workspace.cache(slug)))
    results = {step.node.name: step.result for step in steps if step.result is not None}
    metric = Metric.from_module(plugins.load(metric_plugin(workspace, competition)))
    table = read_table(results["preprocess"].folder, metric)
    truth = truths(workspace.solution(slug), competition.model_dump(), table.task.classes)
    return Outcome(results, table, truth.loc[[str(row) for row in table.test_ids]])


def call(here: Path, *words: str) -> None:
    """Run the command below a benchmark's folder; it must end well."""
    roots = {f"PIPELINE_{root.upper()}": str(here / root) for root in ("data", "experiments", "submissions")}
    subprocess.run([sys.executable, "-m", "pipeline", *words], check=True, env=os.environ | roots)


def hold_out(here: Path, source: Workspace, slug: str, seed: int = 0) -> None:
    """Make <slug>-holdout there, unless it is there already: whole groups where rows hang together."""
    raw, experiments = here / "data" / slug / "raw", here / "experiments"
    if (experiments / f"{slug}-holdout").is_dir():
        return
    raw.parent.mkdir(parents=True, exist_ok=True)
    if not raw.exists():
        raw.symlink_to(source.raw_folder(slug).resolve())
        shutil.copytree(source.competition(slug), experiments / slug, dirs_exist_ok=True)
    competition = load_competition(source, slug)
    how = "group" if competition.groups else "random" if competition.task == "regression" else "stratified"
    call(here, "holdout", slug, "--how", how, "--seed", str(seed))
