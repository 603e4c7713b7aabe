"""make bench-quality: our networks with their defaults against AutoGluon's on rows held out of real competitions.

A fifth of each train file is held out (`pipeline holdout`); the networks are trained on five folds of the rest, with
three seeds for folds and networks, and judged on what was held out. AutoGluon's networks get the same folds: its own,
its TabM, and RealMLP, which is that of the package pytabkit. Whatever competition's files lie in data/ takes part, or
those named: `python -m tests.benchmarks.quality titanic mercedes...`. What ran before is kept in data/quality and not
run again. Results land in tests/benchmarks/results/: quality.json and quality.md.
"""

from __future__ import annotations

import json
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Competition, load_competition
from pipeline.types import Metric
from pipeline.workspace import Workspace
from tests.benchmarks.holdouts import below, call, competitions, hold_out, outcome
from tests.benchmarks.machine import code, machine
from tests.benchmarks.turns import table

RESULTS = Path(__file__).with_name("results")
HERE = Path("data/quality")
SEEDS = range(3)
MINUTES = 20
RESAMPLES = 1000
OURS = ("mlp", "tabm", "realmlp")
EXPERIMENT = """seed = {seed}
minutes = {minutes}

[split]
kind = "{kind}"
seed = {seed}

[models.mlp]

[models.tabm]

[models.realmlp]

[models.autogluon]
models = {{ NN_TORCH = [{{}}], TABM = [{{}}], REALMLP = [{{}}] }}

[tune]
trials = 0

[ensemble]
kind = "best"
"""


def main() -> None:
    """Run, judge, write."""
    source, workspace = Workspace(), below(HERE)
    path = RESULTS / "quality.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"competitions": {}}
    for slug in sys.argv[1:] or competitions(source):
        hold_out(HERE, source, slug)
        today = {"date": datetime.now(UTC).date().isoformat(), "code": code()}
        found["competitions"][slug] = today | _compete(workspace, load_competition(workspace, f"{slug}-holdout"))
        found |= {"machine": machine(), "minutes": MINUTES}
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    text = _markdown(found)
    (RESULTS / "quality.md").write_text(text + "\n", encoding="utf-8")
    print(text)  # noqa: T201 - this is what the command is for


def _compete(workspace: Workspace, competition: Competition) -> dict[str, Any]:
    """Return each entry's held-out score by seed, and by how much, and how surely, ours are worse than AutoGluon's."""
    kind = "kfold" if competition.task == "regression" else "stratified"
    seeds = []
    for seed in SEEDS:
        name = f"nets-{seed}"
        text = EXPERIMENT.format(seed=seed, minutes=MINUTES, kind=kind)
        (workspace.competition(competition.slug) / f"{name}.toml").write_text(text, encoding="utf-8")
        call(HERE, "run", competition.slug, "--experiment", name)
        seeds.append(outcome(workspace, competition.slug, name))
    metric, truth = seeds[0].metric, seeds[0].target
    names = [name for name in seeds[0].entries if all(name in run.entries for run in seeds)]
    entries = {name: [run.entries[name] for run in seeds] for name in names}
    scores = {name: [metric.score(truth, one) for one in predicted] for name, predicted in entries.items()}
    rivals = {name: predicted for name, predicted in entries.items() if name not in OURS}
    losses = {
        own: {name: _loss(metric, truth, entries[own], theirs) for name, theirs in rivals.items()}
        for own in OURS
        if own in entries  # not all fit into the minutes
    }
    return {
        "metric": metric.name,
        "greater_is_better": metric.greater_is_better,
        "scores": scores,
        "losses": losses,
        "cut": seeds[0].results["budget"].facts["notes"],
    }


def _loss(metric: Metric, truth: np.ndarray, ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, float]:
    """Return how much larger our held-out error is, mean over seeds, and its standard error over resampled rows."""

    def gap(rows: np.ndarray) -> float:
        errors = [[metric.error(truth[rows], one[rows]) for one in side] for side in (ours, theirs)]
        return statistics.mean(errors[0]) - statistics.mean(errors[1])

    generator = np.random.default_rng(0)
    resampled = [gap(generator.integers(len(truth), size=len(truth))) for _ in range(RESAMPLES)]
    return {"mean": gap(np.arange(len(truth))), "se": statistics.stdev(resampled)}


def _markdown(found: dict[str, Any]) -> str:
    on, rows = found["machine"], []
    names = list(dict.fromkeys(name for own in found["competitions"].values() for name in own["scores"]))
    ranks: dict[str, list[int]] = {name: [] for name in names}
    for slug, own in found["competitions"].items():
        mean = {name: statistics.mean(scores) for name, scores in own["scores"].items()}
        for place, name in enumerate(sorted(mean, key=mean.__getitem__, reverse=own["greater_is_better"]), 1):
            ranks[name].append(place)
        cells = [f"{mean[name]:.5f}" if name in mean else "-" for name in names]
        against = [_surely(own["losses"].get(name, {})) for name in OURS]
        rows.append([slug, own["date"], own["code"], own["metric"], *cells, *against])
    rows.append(
        ["mean rank", "", "", "", *(f"{statistics.mean(ranks[name]):.2f}" for name in names), *("" for _ in OURS)]
    )
    return "\n\n".join(
        [
            "# Networks with their defaults, on rows held out",
            f"`make bench-quality`, {on['cores']} cores of {on['cpu']}, {found['minutes']} minutes planned for each "
            f"run. Means of {len(SEEDS)} seeds, five folds. The last columns: our error less that of each of "
            "AutoGluon's, in paired standard errors (of rows resampled); above 2 is a loss.",
            table(["competition", "date", "code", "metric", *names, *(f"{name} against each" for name in OURS)], rows),
            "What the minutes cut or left out, of our networks and AutoGluon's, where it was written down:",
            "\n".join(
                f"- {slug}: {'; '.join(own['cut'])}" for slug, own in found["competitions"].items() if own.get("cut")
            ),
        ]
    )


def _surely(losses: dict[str, dict[str, float]]) -> str:
    return ", ".join(f"{loss['mean'] / loss['se']:+.1f}" if loss["se"] else "0" for loss in losses.values()) or "-"


if __name__ == "__main__":
    main()
