"""What `pipeline score` prints: the score to expect in private, what makes its interval, and whether test differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.engine.store import Result, Store
from pipeline.entries import ENSEMBLE, library_nodes, read_as_submitted, read_library
from pipeline.errors import ConfigError, nearest
from pipeline.files import read_folds, read_json, read_table
from pipeline.honesty.expectation import expect
from pipeline.honesty.resample import pool
from pipeline.report.expectation import lines
from pipeline.report.summary import Expected, decimals, number, read_expected
from pipeline.stages.score import bias_of
from pipeline.types import CrossFit, Metric


def show(store: Store, results: Mapping[str, Result], metric: Metric, entry: str, out: Console) -> None:
    """Print what to expect of the ensemble, or of another entry; one that is not there is a ConfigError.

    Every file is hashed before it is read; one that is damaged is a DamagedError.
    """
    leaderboard = read_json(store.open(results["ensemble"]) / "leaderboard.json")
    rows = {row["entry"]: row for row in leaderboard if row["kind"] == "entry" or row["entry"] == ENSEMBLE}
    if entry not in rows:
        raise ConfigError(f"this experiment has no entry '{entry}'", hint=nearest(entry, rows))
    found = read_expected(store.open(results["score"]))
    if entry != ENSEMBLE:
        found = _of_entry(store, results, metric, entry, leaderboard, found)
    cv_score, se = rows[entry]["cv_score"], rows[entry]["se"] or math.nan
    places = decimals(cv_score, se)
    out.print(_figures(entry, cv_score, se, found, places))
    out.print()
    for line in lines(found, places):
        out.print(escape(line))


def _of_entry(
    store: Store,
    results: Mapping[str, Result],
    metric: Metric,
    entry: str,
    leaderboard: Sequence[Mapping[str, Any]],
    ensemble: Expected,
) -> Expected:
    """Return what to expect of one entry; train and test rows differ for it as they do for the ensemble."""
    table, folds = read_table(store.open(results["preprocess"]), metric), read_folds(store.open(results["split"]))
    oof = open_library(store, results)[entry].oof
    rows, bias = pool(table.target, folds, metric, table.groups, table.time), bias_of(entry, leaderboard)
    found = expect(rows, folds, table.target, oof, bias, n_private=ensemble.n_private, seed=0)
    scores = found.scores(metric)
    return replace(
        ensemble,
        score=scores["expected"],
        low=scores["low"],
        high=scores["high"],
        test_se=found.test_se,
        own_se=found.own_se,
        optimism=found.optimism,
        flattered=bias.flattered,
        tuning=bias.tuning,
        averaging=bias.averaging,
        weighted=math.nan,
    )


def open_library(store: Store, results: Mapping[str, Result]) -> dict[str, CrossFit]:
    """Read the predictions of every model of a run as each would submit them, hashed before they are read."""
    nodes = library_nodes(results)
    library = read_library({f"train:{name}": store.open(results[node], ("entries",)) for name, node in nodes.items()})
    return read_as_submitted(store.open(results["ensemble"]), library)


def _figures(entry: str, cv_score: float, se: float, found: Expected, places: int) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    grid.add_row("CV score", number(cv_score, places), f"± {number(se, places)}  {escape(entry)}")
    interval = f": {number(found.low, places)} to {number(found.high, places)}, nine times out of ten"
    grid.add_row("expected", number(found.score, places), "in private" + (interval if math.isfinite(found.low) else ""))
    return grid
