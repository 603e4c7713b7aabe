"""The second half of `make bench-calibration`: how much AutoGluon's own score flatters, on rows that nobody saw.

Quick AutoGluon fits on the data sets of the first half, drawn and dealt as there, by the plug-in that the pipeline
uses: four base models, stopped on the fold as AutoGluon stops them, and its weighted ensemble. What AutoGluon says of
the ensemble (`score_val`) is held against the held-out score, and beside it what we say of the same predictions. What
ran before is kept in data/calibration-autogluon. Results land in tests/benchmarks/results/calibration_autogluon.json
and .md.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.engine.console import Console
from pipeline.files import (
    read_entries,
    read_folds,
    read_json,
    read_table,
    write_entry,
    write_folds,
    write_json,
    write_table,
)
from pipeline.honesty.expectation import STOPPED, Bias
from pipeline.models import autogluon
from pipeline.types import CrossFit, Metric
from tests.benchmarks.calibration import Gap, Gaps, gap_of, overall, per_set, say
from tests.benchmarks.calibration_runs import CODE, Kept, codes, draw, folds_of, here, metric_of, table_of
from tests.benchmarks.machine import code, machine
from tests.benchmarks.turns import publish, standard_error

HERE = Path("data/calibration-autogluon")
RUNS = 6
"""Of each data set; more that are kept are judged, too."""

NAME = "autogluon"
MODELS: dict[str, list[dict[str, Any]]] = {
    "GBM": [{"num_boost_round": 300, "learning_rate": 0.05}],
    "CAT": [{"iterations": 300, "learning_rate": 0.08, "boosting_type": "Plain", "max_ctr_complexity": 1}],
    "XT": [{"n_estimators": 100}],
    "LR": [{}],
}
OWN, OURS = "AutoGluon's score_val of its ensemble", "what we expect of it"


@dataclass(frozen=True)
class Judged:
    """A run's gaps by what was judged, and by how much score_val was lower than the error of the held-out rows.

    share: the latter as a share of the held-out error.
    """

    gaps: Mapping[str, Gap]
    flattery: float
    share: float


def main() -> None:
    """Run what has not been run, judge all, write."""
    names = here()
    wanted = [(name, seed) for seed, name in product(range(RUNS), names) if not (HERE / name / str(seed)).is_dir()]
    for name in {name for name, _ in wanted}:
        table_of(name)
    with ProcessPoolExecutor() as workers:
        for told in workers.map(_fit, wanted):
            say(told)
    judge(names)


def judge(names: Sequence[str]) -> None:
    """Judge every run that is kept, and write."""
    folders = {name: sorted((HERE / name).glob("[0-9]*"), key=lambda path: int(path.name)) for name in names}
    judged = {name: [_judge(folder) for folder in found] for name, found in folders.items() if found}
    gaps = {what: {name: [run.gaps[what] for run in runs] for name, runs in judged.items()} for what in _whats(judged)}
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "code": codes(folder for found in folders.values() for folder in found),
        "machine": machine(),
        "flattery": {name: [round(run.flattery, 4) for run in runs] for name, runs in judged.items()},
        "share": {name: [round(run.share, 4) for run in runs] for name, runs in judged.items()},
    }
    text = _markdown(found, gaps, judged)
    publish("calibration_autogluon", found, text)
    say(text)


def _whats(judged: Mapping[str, Sequence[Judged]]) -> list[str]:
    return list(next(iter(judged.values()))[0].gaps)


def _fit(wanted: tuple[str, int]) -> str:
    """Fit AutoGluon on a draw of a data set and keep what came out, whole or not at all."""
    name, seed = wanted
    folder = HERE / name / str(seed)
    aside = folder.with_name(f".{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    table, truth = draw(table_of(name), seed)
    folds = folds_of(table, seed, repeats=1)
    for part in ("preprocess", "split", "entries"):
        (aside / part).mkdir(parents=True)
    write_table(aside / "preprocess", table)
    write_folds(aside / "split", folds)
    np.save(aside / "truth.npy", truth)
    recipe = autogluon.Recipe.model_validate({"models": MODELS})
    entries = autogluon.cross_fit({NAME: recipe}, table, folds, seed=seed, log=Console(quiet=True))
    for entry, made in entries.items():
        write_entry(aside / "entries", entry, made)
    metric = table.task.metric
    facts = {"metric": metric.name, "error": _own_error(metric, entries[NAME]), "seconds": entries[NAME].seconds}
    write_json(aside / "facts.json", facts)
    write_json(aside / CODE, code())
    aside.rename(folder)
    return f"{name} {seed}: {', '.join(sorted(entries))}"


def _own_error(metric: Metric, ensemble: CrossFit) -> float:
    """Return the error that AutoGluon says its ensemble has: score_val of its leaderboard, which is greater if better.

    A metric of ours that is smaller if better is, of AutoGluon, its negative.
    """
    fit: Any = ensemble.fitted[0,]
    scores = fit.predictor.leaderboard().set_index("model")["score_val"]
    score = float(scores[fit.models[""]])
    return metric.as_error(score) if metric.greater_is_better else -score


def _judge(folder: Path) -> Judged:
    """Return a run's gaps; the standard deviation of our interval is the unit of all of them."""
    facts = read_json(folder / "facts.json")
    table = read_table(folder / "preprocess", metric_of(facts["metric"]))
    entries, truth = read_entries(folder / "entries"), np.load(folder / "truth.npy")
    plain = gap_of(Kept(table, read_folds(folder / "split"), entries, {}, {}, {}, truth), entries[NAME], Bias())
    own = plain.plus(facts["error"] - plain.expected)
    gaps = {
        OWN: own,
        OURS: plain.plus(STOPPED * plain.unit),
        "the same, not corrected": plain,
    }
    gap = own.held - own.expected
    return Judged(gaps, gap / plain.se, gap / own.held if own.held else 0.0)


def _markdown(found: Mapping[str, Any], gaps: Gaps, judged: Mapping[str, Sequence[Judged]]) -> str:
    on, runs = found["machine"], [run for one in judged.values() for run in one]
    too_good = statistics.mean(run.flattery > 0 for run in runs)
    means = [statistics.mean(run.share for run in one) for one in judged.values()]
    return "\n\n".join(
        [
            "# Does AutoGluon's own score hold?",
            f"`make bench-calibration`, {found['date']}, code {found['code']}, {on['cores']} cores of {on['cpu']}. "
            f"{len(runs)} runs on {len(judged)} data sets, drawn and dealt as those of calibration.md; AutoGluon's "
            "LightGBM, CatBoost, extra trees and linear model on our folds, and its weighted ensemble of them. Its "
            "score_val has no interval: it is given ours, so that only the middle differs. Columns as in "
            "calibration.md.",
            overall(gaps),
            f"score_val was better than the score of the held-out rows in {too_good:.0%} of the runs; it is lower than "
            f"the held-out error by {statistics.mean(means):.1%} ± {standard_error(means):.1%} of it, on average over "
            "data sets. What we expect counts that its models stopped on the rows that score them, and not that its "
            "weights have seen those rows: this ensemble is shown for comparison and never submitted.",
            "By data set, AutoGluon's score_val:",
            per_set(gaps[OWN]),
            "By data set, what we expect of the same predictions:",
            per_set(gaps[OURS]),
        ]
    )


if __name__ == "__main__":
    main()
