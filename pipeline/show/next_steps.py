"""What to do next, told at the end of a run: commands, and what minutes mean on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.config import Experiment
from pipeline.engine.store import Result
from pipeline.report.summary import Summary, duration
from pipeline.workspace import Workspace

MOSTLY = 0.75
"""Part of its minutes of which a run took less is told to have room for more."""

OVERTIME = 2.0
"""Minutes that a run may take longer than it should before anything is said: what is not planned takes some."""


def next_steps(
    workspace: Workspace, slug: str, experiment: Experiment, budget: Result, summary: Summary, asked: str, audited: str
) -> Iterator[tuple[str, str]]:
    """Yield pairs of a word and a command.

    asked: what make was told beside competition and experiment. audited: what the leak audit found, if it was made.
    """
    this = f"COMPETITION={slug} EXPERIMENT={experiment.name}{asked}"
    yield "details", f"make report {this}"
    yield "check", f"make audit {this}" + f"  # has found {audited}" * bool(audited)
    yield "compare", f"make show COMPETITION={slug}, or make ui"
    if not workspace.solution(slug).is_file():
        yield "send", f"make send {this}"
    for other in [e for e in workspace.experiments_of(slug) if e != experiment.name][:3]:
        yield "another", f"make run COMPETITION={slug} EXPERIMENT={other}"
    if workspace.solution(slug).is_file():
        real = [c for c in workspace.competitions() if _is_real(workspace, c)]
        yield (
            "a real one",
            f"make run COMPETITION={real[0]}"
            if real
            else "files into data/<slug>/raw, then make new COMPETITION=<slug>",
        )
    yield from _on_time(workspace, slug, experiment, budget, summary)


def _on_time(
    workspace: Workspace, slug: str, experiment: Experiment, budget: Result, summary: Summary
) -> Iterator[tuple[str, str]]:
    minutes, took = experiment.minutes, summary.minutes
    fuller = _filling(minutes, budget, summary)
    if fuller is not None:
        yield (
            "more",
            f"make run COMPETITION={slug} EXPERIMENT={experiment.name} MINUTES={fuller}"
            f"  # planned for two cores; {minutes:g} took {duration(60 * took)} here",
        )
    if fuller is not None or took > minutes / MOSTLY + OVERTIME:
        pace = workspace.pace * minutes / took
        yield "minutes", f"export PIPELINE_PACE={pace:.2g}  # from then on they are about as long here as they say"


def _filling(minutes: float, budget: Result, summary: Summary) -> int | None:
    """Return the minutes whose plan takes as long here as was asked for, where models were cut and time was left.

    Minutes are planned for two cores, so that they mean the same work everywhere, and not the same time.
    """
    if budget.facts.get("notes") and summary.minutes < MOSTLY * minutes:
        return math.ceil(minutes * minutes / summary.minutes)
    return None


def _is_real(workspace: Workspace, slug: str) -> bool:
    return any(workspace.raw_folder(slug).glob("*")) and not workspace.solution(slug).is_file()
