"""What `pipeline choose` prints: which two submissions to select on Kaggle, and why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from pipeline.honesty.resample import Pool, pool
from pipeline.honesty.rivals import Comparison, Leaderboards, Selection, select, simulate
from pipeline.publish import published_name
from pipeline.report.summary import ancestors, decimals, number
from pipeline.show.current import judge, raw_hashes
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
    """The candidates, what is expected of each, the simulated leaderboards, and what is selected.

    left: a line for each reason for which runs are no candidates.
    """

    candidates: Sequence[Candidate]
    expectations: Sequence[Expectation]
    boards: Leaderboards
    selection: Selection
    metric: Metric
    left: tuple[str, ...] = ()


def show(workspace: Workspace, competition: Competition, metric: Metric, out: Console) -> None:
    """Compare everything that has been run to its end, and print the two submissions to select."""
    chosen = choose(workspace, competition, metric)
    places = _places(chosen)
    out.print(_table(chosen, places))
    for line in chosen.left:
        out.print(escape(line), style="yellow", soft_wrap=True)
    out.print()
    for label, what, why in _reasons(chosen, places):
        out.print(f"[bold]{label}[/]  {escape(what)}", soft_wrap=True)
        out.print(f"        {escape(why)}", style="dim", soft_wrap=True)


def choose(workspace: Workspace, competition: Competition, metric: Metric) -> Chosen:
    """Return what to select, of what was made for this metric; no finished experiment is a ConfigError.

    Every file is hashed before it is read; one that is damaged is a DamagedError.
    """
    slug, store = competition.slug, Store(workspace.cache(competition.slug))
    judged, leaking, others = _judged(workspace, competition)
    table, runs, elsewhere = _on_one_table(judged, raw_hashes(workspace, competition), store, metric)
    candidates = _named([_ensemble(run, store, results, workspace.submissions / slug) for run, results in runs])
    candidates += [one for one in _models(*runs[0], store) if not _is_among(candidates, one)]
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
    left = (
        *_left(elsewhere, "on other training or test data"),
        *_left(leaking, "found leaking by the audit"),
        *_left(others, "judged by another metric"),
    )
    return Chosen(candidates, expectations, boards, select(boards), metric, left)


def _judged(workspace: Workspace, competition: Competition) -> tuple[list[Run], list[Run], list[Run]]:
    """Return the runs that the competition's metric, as it is now, has judged, the best CV first, and the others.

    Those that the audit found leaking stand apart, between the two.
    """
    slug, now = competition.slug, judge(workspace, competition)
    runs = find_runs(workspace, slug, now)
    if not runs:
        raise ConfigError(f"no experiment of {slug} has been run to its end", hint=f"make run COMPETITION={slug}")
    if runs[0].judge != now:
        raise ConfigError(
            f"no run of {slug} was judged by its metric as it is now, {len(runs)} by another",
            hint=f"make run COMPETITION={slug} EXPERIMENT={runs[0].name}",
        )
    if runs[0].leaks:
        raise ConfigError(f"the audit found every run of {slug} leaking", hint="`make audit` says where each leaks")
    judged, others = [run for run in runs if run.judge == now], [run for run in runs if run.judge != now]
    return [run for run in judged if not run.leaks], [run for run in judged if run.leaks], others


def _on_one_table(
    runs: Sequence[Run], raw: Mapping[str, str], store: Store, metric: Metric
) -> tuple[Data, list[tuple[Run, dict[str, Result]]], list[Run]]:
    """Return a table, the runs on its very rows with their results, one a submission, and the runs on others.

    It is that of the newest run on the raw files as they are now; where there is none, of the newest of all.
    """
    known = {result.key: result for result in store.results()}
    families = {run.submit.key: ancestors(known, run.submit.key) for run in runs}
    newest = max(runs, key=lambda run: (run.raw == raw, run.finished))
    first = families[newest.submit.key]["preprocess"]
    table, same = read_table(store.open(first), metric), {first.key: True}
    kept: dict[str, tuple[Run, dict[str, Result]]] = {}  # an experiment that changed no byte is no other submission
    left = []
    for run in runs:
        results = families[run.submit.key]
        prepared = results["preprocess"]
        if prepared.key not in same:
            same[prepared.key] = _has_rows_of(table, read_table(store.open(prepared), metric))
        if same[prepared.key]:
            kept.setdefault(_sha256(run), (run, results))
        else:
            left.append(run)
    return table, list(kept.values()), left


def _has_rows_of(one: Data, other: Data) -> bool:
    """Tell whether two tables have the same rows in the same order, and the same target; their columns may differ."""
    pairs = [(one.train_ids, other.train_ids), (one.target, other.target), (one.test_ids, other.test_ids)]
    return one.task.classes == other.task.classes and all(np.array_equal(*pair) for pair in pairs)


def _left(runs: Sequence[Run], why: str) -> Iterator[str]:
    if runs:
        named = ", ".join(_file(run).removesuffix(".csv") for run in runs)
        yield f"{len(runs)} run{'s' * (len(runs) > 1)} {why} left out: {named}"


def _file(run: Run) -> str:
    return published_name(run.name, _sha256(run))


def _is_among(candidates: Sequence[Candidate], model: Candidate) -> bool:
    """Return whether one of them predicts the same, as the ensemble of an experiment with this model alone does."""
    return any(np.array_equal(one.oof, model.oof, equal_nan=True) for one in candidates)


def _sha256(run: Run) -> str:
    return str(run.submit.manifest["outputs"]["submission.csv"]["sha256"])


def _ensemble(run: Run, store: Store, results: Mapping[str, Result], submissions: Path) -> Candidate:
    """Return a run's ensemble, and where its submission lies."""
    folds, made = read_folds(store.open(results["split"])), store.open(results["ensemble"])
    own = submissions / _file(run)
    path = own if own.is_file() else next(iter(sorted(submissions.glob(f"*-{_sha256(run)[:8]}.csv"))), None)
    bias = bias_of(ENSEMBLE, read_json(made / "leaderboard.json"))
    return Candidate(run.name, read_entries(made)[ENSEMBLE].oof, folds, bias, run.summary.ensemble.cv_error, path)


def _named(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Call the versions of an experiment by their files."""
    names = Counter(one.name for one in candidates)
    return [replace(one, name=one.path.stem) if one.path and names[one.name] > 1 else one for one in candidates]


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


def _expected(candidate: Candidate, rows: Pool, table: Data, n_private: int) -> Expectation:
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
        which = "nothing else has been run" if not chosen.left else "nothing else can be compared with it"
        yield "hedge ", "none", f"{which}: another experiment would give a choice"
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
