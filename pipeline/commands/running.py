"""Commands that run the pipeline, whole or up to a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from rich.markup import escape

from pipeline.commands.experiment import (
    DEFAULT,
    Minutes,
    Name,
    Slug,
    audited,
    console_for,
    load,
    out,
    run_experiment,
    track,
)
from pipeline.engine.run import Outcome
from pipeline.errors import LeakError
from pipeline.graph import STAGES, up_to
from pipeline.publish import check_place
from pipeline.report.audit import Checked, leaking, verdict
from pipeline.show import runs as shown
from pipeline.standin import standing_in
from pipeline.workspace import Workspace

app = typer.Typer()


@app.command()
def run(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Run the whole pipeline and print the score, the submission's path and what to do next."""
    run_whole(context.obj, slug, experiment, minutes)


def _stage_command(stage: str) -> Callable[..., None]:
    def command(
        context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None
    ) -> None:
        if stage == STAGES[-1]:
            run_whole(context.obj, slug, experiment, minutes)
        else:
            _run_up_to(context.obj, slug, experiment, minutes, stage)

    command.__doc__ = f"Run the pipeline up to the stage {stage}."
    return command


for _stage in [stage for stage in STAGES if stage not in ("nested", "score")]:  # score says more: see scoring.py
    app.command(_stage)(_stage_command(_stage))


def run_whole(workspace: Workspace, slug: str, name: str, minutes: float | None) -> Path:
    """Run an experiment to its end, where it is not cached, and return the path of its submission.

    Raises LeakError where the leak audit, made before of this code and data, found a leak; nothing is lost by it.
    """
    competition, experiment, nodes = load(workspace, slug, name, minutes)
    console = console_for(experiment)
    check_place(workspace.submissions / slug)
    with standing_in(workspace, slug, name, nodes, console) as watch:
        outcome = run_experiment(workspace, competition, experiment, nodes, console, watch)
        checks = audited(workspace, competition, experiment)
        path = shown.finish(
            workspace, competition, experiment, outcome, out, minutes, verdict(checks) if checks else ""
        )
    track(workspace, competition, experiment, outcome, checks, console)
    _refuse_leaks(checks, path)
    return path


def _refuse_leaks(checks: Sequence[Checked], path: Path) -> None:
    if found := leaking(checks):
        raise LeakError(
            f"the leak audit failed ({', '.join(found)}): the score of {path} is not to be trusted",
            hint="`make audit` says where it leaks; `pipeline send SLUG --file FILE` sends a file all the same",
        )


def _run_up_to(workspace: Workspace, slug: str, name: str, minutes: float | None, stage: str) -> None:
    competition, experiment, nodes = load(workspace, slug, name, minutes)
    _print_results(run_experiment(workspace, competition, experiment, up_to(stage, nodes), console_for(experiment)))


def _print_results(outcome: Outcome) -> None:
    for name, result in outcome.results.items():
        state = "[yellow]made[/]  " if name in outcome.made else "[green]cached[/]"
        out.print(f"{escape(name):32} {state} {escape(str(result.folder))}", soft_wrap=True)
