"""make bench: runs the default experiment of every competition whose files are there, and writes what came out.

Results land in tests/benchmarks/results/: competitions.json, and competitions.md for people. What is cached is not run
again, and its seconds are those of the run that made it.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import load_competition, load_experiment
from pipeline.engine.plan import plan
from pipeline.engine.store import Store
from pipeline.graph import build
from pipeline.practice.catalogue import SLUGS
from pipeline.report.summary import Summary, duration, summarise
from pipeline.workspace import Workspace
from tests.benchmarks.machine import machine

RESULTS = Path(__file__).with_name("results")
COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()"]
REPEATS = 5
HEADER = (
    *("competition", "metric", "ensemble", "± se", "mlp", "mlp tuned", "linear", "AutoGluon alone", "time"),
    "private (AutoGluon, best possible)",
)


def main() -> None:
    """Run, collect and write."""
    workspace = Workspace()
    slugs = [s for s in workspace.competitions() if s in SLUGS or any(workspace.raw_folder(s).glob("*"))]
    for slug in slugs:
        subprocess.run([*COMMAND, "run", slug], check=True, stdout=subprocess.DEVNULL)
    rows = [_row(slug, _summary(workspace, slug)) for slug in slugs]
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "competitions": rows,
        "cached_run_seconds": _cached_run(slugs[0]),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "competitions.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = _markdown(found)
    (RESULTS / "competitions.md").write_text(text, encoding="utf-8")
    print(text)  # noqa: T201 - this is what the command is for


def _summary(workspace: Workspace, slug: str) -> Summary:
    nodes = build(workspace, load_competition(workspace, slug), load_experiment(workspace, slug, "default"))
    steps = plan(nodes, Store(workspace.cache(slug)))
    return summarise({step.node.name: step.result for step in steps if step.result is not None})


def _row(slug: str, summary: Summary) -> dict[str, Any]:
    scores = {row.entry: row.cv_score for row in summary.rows}
    references = [row.entry for row in summary.rows if row.reference]
    judged = summary.judged
    return {
        "competition": slug,
        "metric": summary.metric,
        "ensemble": summary.ensemble.cv_score,
        "se": summary.ensemble.se,
        "entries": {name: scores[name] for name in sorted(scores) if name not in references},
        "autogluon_alone": {name: scores[name] for name in references},
        "minutes": summary.minutes,
        "private": None if judged is None else judged.private,
        "private_autogluon": None if judged is None else {n: judged.entries[n] for n in judged.references},
        "best_possible": None if judged is None or math.isnan(judged.best_possible) else judged.best_possible,
    }


def _cached_run(slug: str) -> dict[str, float]:
    """Time whole processes of a fully cached run, after one that warms the disk."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = time.perf_counter()
        subprocess.run([*COMMAND, "run", slug], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return {"median": statistics.median(seconds[1:]), "min": min(seconds[1:]), "max": max(seconds[1:])}


def _markdown(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        "# Default experiments",
        "",
        f"`make bench`, {found['date']}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}. CV "
        "scores are means of fold scores; the ensemble's weights are fitted on other folds. AutoGluon alone is its own "
        "weighted ensemble, whose out-of-fold score has seen its weights' rows; its models stop on the fold's rows.",
        "",
        f"| {' | '.join(HEADER)} |",
        "|" + "---|" * len(HEADER),
    ]
    for row in found["competitions"]:
        names = ("mlp", "mlp-tuned", "linear")
        cells = [f"{row['entries'][n]:.5f}" if n in row["entries"] else "-" for n in names]
        alone = ", ".join(f"{score:.5f}" for score in row["autogluon_alone"].values()) or "-"
        lines.append(
            f"| {row['competition']} | {row['metric']} | {row['ensemble']:.5f} | {row['se']:.5f} | {' | '.join(cells)} "
            f"| {alone} | {duration(60 * row['minutes'])} | {_private(row)} |"
        )
    cached = found["cached_run_seconds"]
    lines += ["", f"A fully cached `pipeline run`: median {cached['median']:.2f} s of {REPEATS}."]
    return "\n".join(lines) + "\n"


def _private(row: dict[str, Any]) -> str:
    if row["private"] is None:
        return "-"
    others = [f"{score:.5f}" for score in row["private_autogluon"].values()]
    others += [] if row["best_possible"] is None else [f"{row['best_possible']:.5f}"]
    return f"{row['private']:.5f} ({', '.join(others)})"


if __name__ == "__main__":
    main()
