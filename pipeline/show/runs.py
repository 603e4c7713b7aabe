"""What a run prints when it is done, and the comparison of a competition's experiments.

Imports no table, torch or tracking library, so that a run which finds everything cached ends at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.config import Competition, Experiment
from pipeline.engine.run import Outcome
from pipeline.engine.store import Result, Store
from pipeline.entries import ENSEMBLE
from pipeline.publish import provenances, publish
from pipeline.report.settings import differing, origins, settings
from pipeline.report.summary import Row, Summary, ancestors, decimals, duration, minute, number, signed, summarise
from pipeline.show.current import judge_of
from pipeline.show.leaking import leaks
from pipeline.show.next_steps import next_steps
from pipeline.wording import first_few
from pipeline.workspace import Workspace

ROWS_SHOWN = 8
VALUE_LENGTH = 28
OPTIMISTIC = "*"
NOISE = 0.1


def finish(
    workspace: Workspace,
    competition: Competition,
    experiment: Experiment,
    outcome: Outcome,
    out: Console,
    minutes: float | None = None,
    audited: str = "",
) -> Path:
    """Verify the last results, publish the submission, print what was found and return the CSV's path.

    minutes: those asked for in place of the experiment's own, if any. audited: what the leak audit found, if made.
    """
    slug, name, results = competition.slug, experiment.name, outcome.results
    store = Store(workspace.cache(slug))
    store.open(results["ensemble"])
    store.open(results["submit"])
    path = publish(workspace.submissions / slug, name, results["submit"], results)
    summary = summarise(results)
    out.print()
    out.print(_done(outcome, summary), style="dim", soft_wrap=True)
    out.print()
    _print_leaderboard(summary, out)
    out.print()
    _print_worth(summary, out)
    _print_figures(summary, path, out)
    _print_truncated(summary, slug, out)
    out.print()
    asked = "" if minutes is None else f" MINUTES={minutes:g}"  # without them it would be another run
    for label, command in next_steps(workspace, slug, experiment, results["budget"], summary, asked, audited):
        out.print(f"[dim]{label:12}[/] {escape(command)}", soft_wrap=True)
    return path


def _done(outcome: Outcome, summary: Summary) -> str:
    total, made = len(outcome.results), list(outcome.made)
    if not made:
        return f"all {total} stages cached; they took {duration(summary.minutes * 60)} when they were made"
    seconds = sum(summary.seconds[name] for name in made)
    return escape(f"{total - len(made)} of {total} stages cached; made in {duration(seconds)}: {first_few(made)}")


def _print_leaderboard(summary: Summary, out: Console) -> None:
    better = "higher" if summary.greater_is_better else "lower"
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("entry")
    table.add_column(f"CV {summary.metric}", justify="right")
    table.add_column("± se", justify="right")
    table.add_column("weight", justify="right")
    table.add_column("")
    rows = _chosen(summary)
    for row in rows:
        style = "bold" if row is summary.ensemble else "dim" if row.reference or row.kind == "blend" else None
        table.add_row(
            escape(row.entry),
            number(row.cv_score, summary.decimals) + (OPTIMISTIC if row.stop_on == "fold" else " "),
            number(row.se, summary.decimals),
            "" if math.isnan(row.weight) else f"{row.weight:.0%}" if row.weight else "-",
            "for comparison" if row.reference else "",
            style=style,
        )
    out.print(table)
    hidden = sum(row.kind == "entry" for row in summary.rows) - sum(row.kind == "entry" for row in rows)
    out.print(f"{better} is better{f'; {hidden} more in the report' if hidden else ''}", style="dim")
    if any(row.stop_on == "fold" for row in rows):
        out.print(f"{OPTIMISTIC} stopped on the rows that score it: somewhat too good", style="dim")


def _chosen(summary: Summary) -> list[Row]:
    """Return the rows to show, in order: the ensemble, its comparisons, and the best of the others."""
    ways = (ENSEMBLE,) if summary.n_entries == 1 else tuple(row.entry for row in summary.rows if row.kind == "blend")
    must = [row for row in summary.rows if row.entry in ways or row.reference]
    others = [row for row in summary.rows if row.kind == "entry" and not row.reference]
    return [row for row in summary.rows if row in must or row in others[: max(ROWS_SHOWN - len(must), 3)]]


def _print_worth(summary: Summary, out: Console) -> None:
    """Print what each model is worth and what it cost, the most and the least valuable where there are many."""
    if not summary.worth:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model")
    for label in ("worth", "± se", "took"):
        table.add_column(label, justify="right")
    hidden = max(len(summary.worth) - ROWS_SHOWN, 0)
    for row in summary.worth[: ROWS_SHOWN - 2] + summary.worth[ROWS_SHOWN - 2 + hidden :]:
        table.add_row(
            escape(row.model),
            signed(row.worth, summary.decimals),
            number(row.se, summary.decimals),
            duration(row.seconds),
        )
    out.print(table)
    more = f"; {hidden} between them in the report" if hidden else ""
    out.print(f"worth: by how much the ensemble's error is larger without it{more}", style="dim")
    out.print()


def _print_figures(summary: Summary, path: Path, out: Console) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(justify="right")
    grid.add_column()
    grid.add_column(style="dim")
    ours, places = summary.ensemble, summary.decimals
    se = f"± {number(ours.se, places)}" if math.isfinite(ours.se) else ""
    grid.add_row("CV score", number(ours.cv_score, places), se, _how(summary))
    if summary.expected is not None:
        found = summary.expected
        interval = f"; nine times out of ten {number(found.low, places)} to {number(found.high, places)}"
        note = f"on {found.n_private} hidden rows" + (interval if math.isfinite(found.low) else "")
        grid.add_row("expected", number(found.score, places), "", note)
    for label, score, note in _judged(summary):
        grid.add_row(label, number(score, places), "", escape(note))
    out.print(grid)
    out.print(f"[bold]submission[/]  {escape(str(path))}", soft_wrap=True)


def _print_truncated(summary: Summary, slug: str, out: Console) -> None:
    for line in summary.truncated:
        out.print(f"[yellow]cut short[/]   {escape(line)}", soft_wrap=True)
    if summary.truncated:
        out.print(f"[dim]time was up; for the whole of it: pipeline gc {escape(slug)} --truncated, then run again[/]")


def _how(summary: Summary) -> str:
    repeats = f"{summary.n_repeats} x " if summary.n_repeats > 1 else ""
    stopped = {"inner": "stopped on inner rows", "none": "no early stopping", "fold": "see *"}
    return f"{repeats}{summary.n_folds} folds, weights out-of-fold, {stopped[summary.ensemble.stop_on]}"


def _judged(summary: Summary) -> Iterator[tuple[str, float, str]]:
    judged = summary.judged
    if judged is None:
        return
    yield "private", judged.private, "our submission on hidden rows"
    if math.isfinite(judged.public):
        yield "public", judged.public, "the part that a leaderboard would show"
    for name in judged.references:
        yield "AutoGluon", judged.entries[name], f"{name} alone, private"
    if math.isfinite(judged.best_possible):
        yield "best", judged.best_possible, "possible: knows everything but the noise"


@dataclass(frozen=True)
class Run:
    """One line of the comparison: an experiment's newest result of one configuration, own code and files.

    folds, judge: equal where two runs were judged on the same folds, by the same metric. raw: hashes by role. leaks:
    the checks of the audit that found one in its code and data.
    """

    name: str
    submit: Result
    summary: Summary
    settings: Mapping[str, Any]
    folds: str
    judge: str
    raw: Mapping[str, str]
    leaks: tuple[str, ...] = ()

    @property
    def finished(self) -> str:
        """When its submission was made, as an ISO timestamp."""
        return str(self.submit.manifest["finished"])


def compare(workspace: Workspace, slug: str, out: Console, judge: str = "") -> None:
    """Print one line an experiment and version of it, best first, and the settings, code and files that differ.

    judge: the competition's metric as it is now; without it, that of the newest run.
    """
    runs = find_runs(workspace, slug, judge)
    if not runs:
        out.print(f"no results yet for {escape(slug)}; next: make run COMPETITION={escape(slug)}")
        return
    out.print(_runs_table(runs))
    if judge and runs[0].judge != judge:
        out.print("none of these was judged by the competition's metric as it is now: run them again", style="yellow")
    if any(run.leaks for run in runs):
        out.print("leaks: says the audit of that code and data; its score is not to be trusted", style="dim")
    missing = sorted(set(workspace.experiments_of(slug)) - {run.name for run in runs})
    if missing:
        out.print(f"never run to the end: {escape(', '.join(missing))}", style="dim")
    keys = differing([run.settings for run in runs])
    if keys:
        out.print()
        out.print(_settings_table(runs, keys))


def find_runs(workspace: Workspace, slug: str, judge: str = "") -> list[Run]:
    """Return the newest result of every experiment of every configuration, own code and files, the best CV first.

    Before runs that the audit found leaking, and those before runs that were judged by another metric than `judge`, or,
    where none was judged by it, than the last one was.
    """
    results = {result.key: result for result in Store(workspace.cache(slug)).results()}
    newest: dict[str, Run] = {}
    for name, family in _families(workspace.submissions / slug, results):
        if not {"submit", "ensemble", "budget", "split", "preprocess"} <= family.keys():
            continue  # `pipeline gc` or a hand has taken a part of it away
        try:
            summary, configured = summarise(family), settings(family) | origins(family)
        except (KeyError, FileNotFoundError, ValueError):
            continue  # made by another version of this code, in another form; damaged, or partly gone
        raw = family["ingest"].manifest["parts"]["sources"] if "ingest" in family else {}
        by = judge_of(summary, family["ensemble"])
        leaking = tuple(leaks(results.values(), family))
        run = Run(name, family["submit"], summary, configured, family["split"].digest(), by, raw, leaking)
        identity = json.dumps([name, run.settings], sort_keys=True)
        if identity not in newest or newest[identity].finished < run.finished:
            newest[identity] = run
    runs = sorted(newest.values(), key=lambda run: run.finished, reverse=True)
    if judge not in {run.judge for run in runs} and runs:
        judge = runs[0].judge
    return sorted(runs, key=lambda run: (run.judge != judge, bool(run.leaks), run.summary.ensemble.cv_error, run.name))


def _families(submissions: Path, results: Mapping[str, Result]) -> Iterator[tuple[str, dict[str, Result]]]:
    """Yield an experiment's name and its results by node, for every submission that was published or only made."""
    names: dict[str, str] = {}
    for provenance in provenances(submissions):
        names |= {provenance["submit_key"]: provenance["experiment"], provenance["sha256"]: provenance["experiment"]}
        yield provenance["experiment"], {n: results[key] for n, key in provenance["results"].items() if key in results}
    for key, result in results.items():
        if result.name == "submit" and key not in names:
            sha256 = result.manifest["outputs"]["submission.csv"]["sha256"]
            yield names.get(sha256, f"({key[:8]})"), ancestors(results, key)


def _runs_table(runs: Sequence[Run]) -> Table:
    first = runs[0].summary
    places = max(decimals(run.summary.ensemble.cv_score, run.summary.ensemble.se) for run in runs)
    judged = any(run.summary.judged for run in runs)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("experiment", overflow="fold")
    for label in (f"CV {first.metric}", "± se", *(["private"] if judged else []), "behind #1", "entries", "minutes"):
        table.add_column(label, justify="right", no_wrap=label != "behind #1")  # what may wrap gives way first
    table.add_column("made (UTC)", style="dim")
    for place, run in enumerate(runs, 1):
        row, summary = run.summary.ensemble, run.summary
        private = [number(summary.judged.private if summary.judged else math.nan, places)] if judged else []
        scores = (
            number(row.cv_score, places) + (OPTIMISTIC if row.stop_on == "fold" else " "),
            number(row.se, places),
            *private,
            _behind(runs[0], run, places),
        )
        when = minute(run.finished)
        name = f"{escape(run.name)} [red]leaks[/]" if run.leaks else escape(run.name)
        table.add_row(str(place), name, *scores, str(summary.n_entries), f"{summary.minutes:.1f}", when)
    return table


def _behind(best: Run, run: Run, places: int) -> str:
    """Return by how much a run's error is larger, paired fold by fold, where the folds are the same.

    Noise is what two equal runs would differ by in one of ten competitions.
    """
    if run is best:
        return ""
    if run.judge != best.judge:
        return "other metric"
    if run.folds != best.folds:
        return "other folds"
    import numpy as np

    from pipeline.uncertainty import paired_difference

    ours, theirs = (np.array(r.summary.ensemble.fold_errors) for r in (run, best))
    difference = paired_difference(ours, theirs, best.summary.valid_to_train)
    noise = " noise" if difference.p_value > NOISE else ""
    return f"{number(difference.mean, places)} ± {number(difference.se, places)}{noise}"


def _settings_table(runs: Sequence[Run], keys: Sequence[str]) -> Table:
    table = Table("differs in", box=None, header_style="bold", pad_edge=False)
    for place in range(1, len(runs) + 1):
        table.add_column(f"#{place}", justify="right")
    for key in keys:
        table.add_row(escape(key), *map(escape, values_shown([run.settings.get(key, "-") for run in runs])))
    return table


def values_shown(values: Sequence[Any]) -> list[str]:
    """Return the values of a setting as texts, short ones where that leaves the difference to be seen."""
    whole = [_text(value) for value in values]
    cut = [text if len(text) <= VALUE_LENGTH else f"{text[: VALUE_LENGTH - 1]}…" for text in whole]
    lists = [value for value in values if isinstance(value, list)]
    shared = [item for item in lists[0] if all(item in other for other in lists)] if lists else []
    own = [_beside(shared, value) if isinstance(value, list) else _text(value) for value in values]
    return next(texts for texts in (cut, own, whole) if len({*texts}) == len({*whole}))


def _beside(shared: list[Any], value: list[Any]) -> str:
    """Return what a list has beside what all have: "… + age"."""
    return " + ".join(["…", *(str(item) for item in value if item not in shared)])


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
