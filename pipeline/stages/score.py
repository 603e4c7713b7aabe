"""Stage score: what the private leaderboard will say of the ensemble, with a 90 % interval, and of drift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.engine.stage import Job
from pipeline.entries import ENSEMBLE
from pipeline.files import read_entries, read_folds, read_json, read_test_groups, table_of, write_json
from pipeline.honesty.drift import Drift, Weighted, find_drift, not_looked_for, weigh
from pipeline.honesty.expectation import LEVEL, Bias, Expectation, expect, flattered_share
from pipeline.honesty.resample import Pool, pool
from pipeline.seeds import derive
from pipeline.types import Folds, Metric, Table

ASSUMED_SHARE = 0.3
"""Of the test rows, those that a competition shows in public, where competition.toml does not say."""

COLUMNS_SHOWN = 10
FIGURES = ("size", "optimism", "tuning", "averaging", "test_se", "own_se")


def run(job: Job) -> dict[str, Any]:
    """Write score.json: the expected score with its interval, train/test drift, and the weighted expectation.

    Reads preprocess, split and ensemble (ensemble.safetensors, leaderboard.json). config: public_share, or None.
    """
    table = table_of(job)
    folds = read_folds(job.inputs["split"])
    rows = pool(table.target, folds, table.task.metric, table.groups, table.time)
    oof = read_entries(job.inputs["ensemble"])[ENSEMBLE].oof
    leaderboard = read_json(job.inputs["ensemble"] / "leaderboard.json")
    share = job.config["public_share"]
    n_private = private_rows(len(table.test), share)
    with job.log.progress("score", 2) as bar:
        bias = bias_of(ENSEMBLE, leaderboard)
        found = expect(rows, folds, table.target, oof, bias, n_private=n_private, seed=job.seed)
        bar.advance(note="expected private score")
        test_groups = read_test_groups(job.inputs["preprocess"])
        drift = find_drift(table.train, table.test, table.groups, test_groups, derive(job.seed, "drift"))
        weighted = weigh(rows, oof, drift, n_private, derive(job.seed, "weigh"))
        bar.advance(note="drift")
    said = describe(found, table.task.metric) | {
        "n_test": len(table.test),
        "n_private": n_private,
        "public_share": share,
        "drawn": _drawn(rows, table, folds),
        "forward": folds.kind == "time",
        "flattered": bias.flattered,
        "drift": _drift(drift),
        "weighted": _weighted(found, weighted, table.task.metric),
    }
    if why := not_looked_for((len(table.train), len(table.test)), table.groups, test_groups):
        job.log.info(f"drift is not looked for: {why}")
    write_json(job.out / "score.json", said)
    return {"n_units": rows.n_units}


def private_rows(n_test: int, public_share: float | None) -> int:
    """Return how many test rows the private leaderboard judges, at least one."""
    return max(1, round(n_test * (1 - (ASSUMED_SHARE if public_share is None else public_share))))


def bias_of(entry: str, leaderboard: Sequence[Mapping[str, Any]]) -> Bias:
    """Return what the leaderboard knows of an entry, or of the ensemble, beside its predictions."""
    rows = {row["entry"]: row for row in leaderboard}
    weights = (
        {name: row["weight"] for name, row in rows.items() if row["weight"]} if entry == ENSEMBLE else {entry: 1.0}
    )
    flattered = flattered_share(weights, {name: row["stop_on"] for name, row in rows.items()})
    return Bias(flattered, rows[entry]["averaging"], rows[entry]["tuning"])


def describe(found: Expectation, metric: Metric) -> dict[str, Any]:
    """Return an expectation as JSON values: scores as Kaggle shows them, the rest in the metric's own units."""
    values = found.scores(metric) | {"cv_score": metric.as_score(found.cv), "level": LEVEL}
    values |= {name: getattr(found, name) for name in FIGURES}
    return {name: _known(value) for name, value in values.items()}


def _drawn(rows: Pool, table: Table, folds: Folds) -> dict[str, Any]:
    what = "groups" if table.groups is not None else "stretches of time" if folds.kind == "time" else "rows"
    return {"what": what, "n": rows.n_units, "n_rows": len(rows.target)}


def _drift(drift: Drift) -> dict[str, Any]:
    columns = [{"column": name, "share": share} for name, share in drift.columns[:COLUMNS_SHOWN]]
    return {"auc": _known(drift.auc), "se": _known(drift.se), "found": drift.found, "columns": columns}


def _weighted(found: Expectation, weighted: Weighted, metric: Metric) -> dict[str, Any]:
    score = metric.as_score(metric.possible(found.error + weighted.change))
    values = {"expected": _known(score), "se": _known(weighted.se), "effective_rows": weighted.effective_rows}
    return values | {"share": weighted.share, "readable": weighted.readable}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
