"""What `pipeline choose` prints: which two submissions to select on Kaggle, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config import Competition
from pipeline.engine.store import Result, Store
from pipeline.entries import ENSEMBLE, MORE, TUNED
from pipeline.errors import ConfigError
from pipeline.files import read_entries, read_folds, read_json, read_table
from pipeline.honesty.expectation import Bias, Expectation, expect, own_factor
from pipeline.honesty.resample import Rows, pool
from pipeline.honesty.rivals import Comparison, Leaderboards, Selection, select, simulate
from pipeline.publish import published_name
from pipeline.report.summary import ancestors, decimals, number
from pipeline.show.expected import open_library
from pipeline.show.runs import Run, find_runs
from pipeline.stages.score import bias_of, private_rows
from pipeline.types import Folds, Metric
from pipeline.types import Table as Data
from pipeline.workspace import Workspace

MOST = 12
"""Candidates that are compared, the best by their CV error."""

NOTHING = 0.02
"""A gain below so much of what a private score strays by is nothing."""


@dataclass(frozen=True)
class Candidate:
    """What could be submitted: an experiment's ensemble, or one of its models alone (`path` is None then).

    oof (n_repeats, n_train, n_outputs): its out-of-fold predictions, labels decided as they would be submitted.
    """

    name: str
    oof: np.ndarray
    folds: Folds
    bias: Bias
    cv_error: float
    path: Path | None


@dataclass(frozen=True)
class Chosen:
    """The candidates, what is expected of each, the simulated leaderboards, and what is selected."""

    candidates: Sequence[Candidate]
    expectations: Sequence[Expectation]
    boards: Leaderboards
    selection: Selection
    metric: Metric


def show(workspace: Workspace, competition: Competition, metric: Metric, out: Console) -> None:
    """Compare everything that has been run to its end, and print the two submissions to select."""
    chosen = choose(workspace, competition, metric)
    places = _places(chosen)
    out.print(_table(chosen, places))
    out.print()
    for label, what, why in _reasons(chosen, places):
        out.print(f"[bold]{label}[/]  {escape(what)}", soft_wrap=True)
        out.print(f"        {escape(why)}", style="dim", soft_wrap=True)


def choose(workspace: Workspace, competition: Competition, metric: Metric) -> Chosen:
    """Return what to select, of what was made for this metric; no finished experiment is a ConfigError.

    Every file is hashed before it is read; one that is damaged is a DamagedError.
    """
    slug, store = competition.slug, Store(workspace.cache(competition.slug))
    known = {result.key: result for result in store.results()}
    runs: dict[str, Run] = {}  # one a file: an experiment that changed no byte is no other submission
    found = [run for run in find_runs(workspace, slug) if run.summary.metric == metric.name]
    for run in found:
        if run.judge == found[0].judge:  # the newest text of a metric.py
            runs.setdefault(_sha256(run), run)
    families = [(run, ancestors(known, run.submit.key)) for run in runs.values()]
    if not families:
        raise ConfigError(f"no experiment of {slug} has been run to its end", hint=f"make run COMPETITION={slug}")
    table = read_table(store.open(families[0][1]["preprocess"]), metric)
    candidates: list[Candidate] = []
    for run, results in families:
        if np.array_equal(read_table(store.open(results["preprocess"]), metric).train_ids, table.train_ids):
            candidates.append(_ensemble(run, store, results, workspace.submissions / slug))
    candidates += [one for one in _models(*families[0], store) if not _is_among(candidates, one)]
    candidates = sorted(candidates, key=lambda one: (one.cv_error, one.name))[:MOST]
    rows = pool(
        table.target, candidates[0].folds, metric, table.groups, table.time, [one.folds for one in candidates[1:]]
    )
    n_private = private_rows(len(table.test), competition.public_share)
    expectations = [_expected(one, rows, table, n_private) for one in candidates]
    boards = simulate(
        rows,
        [one.oof for one in candidates],
        [one.error for one in expectations],
        n_public=max(1, len(table.test) - n_private),
        n_private=n_private,
        factor=own_factor(candidates[0].folds),
        seed=0,
    )
    return Chosen(candidates, expectations, boards, select(boards), metric)


def _is_among(candidates: Sequence[Candidate], model: Candidate) -> bool:
    """Return whether one of them predicts the same, as the ensemble of an experiment with this model alone does."""
    return any(np.array_equal(one.oof, model.oof, equal_nan=True) for one in candidates)


def _sha256(run: Run) -> str:
    return str(run.submit.manifest["outputs"]["submission.csv"]["sha256"])


def _ensemble(run: Run, store: Store, results: Mapping[str, Result], submissions: Path) -> Candidate:
    """Return a run's ensemble, and where its submission lies."""
    folds, made = read_folds(store.open(results["split"])), store.open(results["ensemble"])
    own = submissions / published_name(run.name, _sha256(run))
    path = own if own.is_file() else next(iter(sorted(submissions.glob(f"*-{_sha256(run)[:8]}.csv"))), None)
    bias = bias_of(ENSEMBLE, read_json(made / "leaderboard.json"))
    return Candidate(run.name, read_entries(made)[ENSEMBLE].oof, folds, bias, run.summary.ensemble.cv_error, path)


def _models(run: Run, results: Mapping[str, Result], store: Store) -> Iterator[Candidate]:
    """Yield the models of a run alone, as hedges; those of which there could be no experiment are left out."""
    folds, library = read_folds(store.open(results["split"])), open_library(store, results)
    leaderboard = read_json(store.open(results["ensemble"]) / "leaderboard.json")
    errors = {row["entry"]: row["cv_error"] for row in leaderboard}
    alone = [
        name
        for name, entry in library.items()
        if not entry.reference and "/" not in name and not name.endswith((TUNED, MORE)) and len(library) > 1
    ]
    for name in sorted(alone, key=lambda name: errors[name])[:MOST]:
        yield Candidate(
            f"{run.name}: {name} alone", library[name].oof, folds, bias_of(name, leaderboard), errors[name], None
        )


def _expected(candidate: Candidate, rows: Rows, table: Data, n_private: int) -> Expectation:
    how = {"n_private": n_private, "seed": 0}
    return expect(rows, candidate.folds, table.target, candidate.oof, candidate.bias, **how)


def _places(chosen: Chosen) -> int:
    best = chosen.expectations[chosen.selection.best]
    return decimals(chosen.metric.as_score(best.error), best.own_se)


def _table(chosen: Chosen, places: int) -> Table:
    best = chosen.selection.best
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("submission", overflow="fold")
    for label in (f"expected {chosen.metric.name}", "nine times out of ten", "behind", "± se", "ahead in public"):
        table.add_column(label, justify="right")
    for place in np.argsort([one.error for one in chosen.expectations], kind="stable"):
        scores = chosen.expectations[place].scores(chosen.metric)
        behind = _behind(chosen.boards.compare(best, place), places) if place != best else ("", "", "")
        interval = f"{number(scores['low'], places)} to {number(scores['high'], places)}"
        name = escape(chosen.candidates[place].name)
        table.add_row(
            name, number(scores["expected"], places), interval, *behind, style="bold" if not behind[0] else ""
        )
    return table


def _behind(comparison: Comparison, places: int) -> tuple[str, str, str]:
    """Return by how much a submission is behind the best, its standard error, and how often the public board errs."""
    return (
        number(-comparison.difference, places) + (" noise" if comparison.is_noise else ""),
        number(comparison.se, places),
        "unknown" if math.isnan(comparison.in_public) else f"{comparison.in_public:.0%}",
    )


def _reasons(chosen: Chosen, places: int) -> Iterator[tuple[str, str, str]]:
    selection, boards = chosen.selection, chosen.boards
    best = chosen.candidates[selection.best]
    flattery = boards.choice_optimism
    why = f"the best expected of {len(chosen.candidates)}"
    if len(chosen.candidates) > 1:
        why += f"; that it was chosen makes it look better by {number(flattery, places)}, which is not in the table"
    yield "select", _where(best), why
    if selection.hedge == selection.best:
        yield "hedge ", "none", "nothing else has been run: another experiment would give a choice"
        return
    loss, gain = number(selection.loss, places), number(selection.gain, places)
    why = f"expected to lose {loss} to the first, and strays with it by a correlation of {selection.correlation:.2f}"
    if selection.gain > NOTHING * boards.believed[:, selection.best].std():
        why += f": the better of the two is expected to be better by {gain} than the first alone"
    else:
        why += ": there is nothing to gain from it, the candidates are too much alike or too far behind"
    yield "hedge ", _where(chosen.candidates[selection.hedge]), why


def _where(candidate: Candidate) -> str:
    if candidate.path is not None:
        return str(candidate.path)
    return f"{candidate.name} (no submission yet: an experiment with only this model makes one)"
