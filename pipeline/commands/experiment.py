"""The experiment that a command line names: its arguments, its graph, its run, and where results are printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console as Rich
from rich.markup import escape

from pipeline.config import Competition, Experiment, load_competition, load_experiment
from pipeline.engine import cluster
from pipeline.engine.console import Console
from pipeline.engine.plan import plan
from pipeline.engine.run import Outcome, Watch, in_order, unwatched
from pipeline.engine.run import run as run_graph
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store
from pipeline.errors import Interrupted, PipelineError, refusal
from pipeline.graph import build
from pipeline.practice.catalogue import provide
from pipeline.publish import publish_studies
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.report.audit import Checked

DEFAULT = "practice-houses"

GRACE, LEAST_GRACE = 2.0, 20.0
"""The safety stop: work ends with what there is after the planned minutes and GRACE times as many, at least 20.

Plans are formulas, not clocks, so that a run can be repeated; on a machine that is slower than they assume, the stop
keeps a run from going on for ever.
"""

WIDTH = 120
"""Columns of what is printed to a file, a pipe or a notebook, which have no width of their own."""

out = Rich(highlight=False, width=None if sys.stdout.isatty() or os.environ.get("COLUMNS") else WIDTH)

Slug = Annotated[str, typer.Argument(help="The competition: a folder of experiments/ with a competition.toml.")]
Name = Annotated[str, typer.Option("--experiment", "-e", help="The experiment: a TOML file beside competition.toml.")]
Minutes = Annotated[float | None, typer.Option("--minutes", "-m", min=0.1, help="Plan for so long, not the file's.")]


def load(
    workspace: Workspace, slug: str, name: str, minutes: float | None
) -> tuple[Competition, Experiment, list[Node]]:
    """Read a competition and an experiment, and build their graph; a practice competition's files are made first."""
    provide(workspace, slug)
    competition = load_competition(workspace, slug)
    experiment = load_experiment(workspace, slug, name, minutes)
    return competition, experiment, build(workspace, competition, experiment)


def console_for(experiment: Experiment) -> Console:
    """Return where an experiment's run is told, with its safety stop."""
    return Console(limit=60 * (experiment.minutes + max(GRACE * experiment.minutes, LEAST_GRACE)))


def ensure_run(
    workspace: Workspace, competition: Competition, experiment: Experiment, nodes: list[Node], console: Console
) -> Outcome:
    """Run an experiment to its end where it is not cached; MLflow hears of what had to be made."""
    outcome = run_experiment(workspace, competition, experiment, nodes, console)
    if outcome.made:
        track(workspace, competition, experiment, outcome, audited(workspace, competition, experiment), console)
    return outcome


def run_experiment(
    workspace: Workspace,
    competition: Competition,
    experiment: Experiment,
    nodes: list[Node],
    console: Console,
    watch: Watch = unwatched,
) -> Outcome:
    """Run an experiment's graph, or a part of it, and leave its trials for other experiments."""
    title = competition.title or competition.slug
    console.rich.print(f"[bold]{escape(title)}[/] [dim]experiment {escape(experiment.name)}[/]")
    outcome = run_nodes(workspace, competition.slug, nodes, console, watch)
    _publish_studies(workspace, competition.slug, experiment.name, outcome, console)
    return outcome


def track(
    workspace: Workspace,
    competition: Competition,
    experiment: Experiment,
    outcome: Outcome,
    checks: list[Checked],
    console: Console,
) -> None:
    """Tell MLflow of a run and of the leak audit, as far as it has been made."""
    from pipeline import tracking
    from pipeline.report.audit import facts

    tracking.mirror(workspace, competition, experiment, outcome, console, facts(checks))


def audited(workspace: Workspace, competition: Competition, experiment: Experiment) -> list[Checked]:
    """Return what the leak audit found of this very code and data, as far as it has been made."""
    from pipeline.audit_graph import audit
    from pipeline.report.audit import checked

    try:
        return checked(cached(workspace, competition.slug, audit(workspace, competition, experiment)))
    except PipelineError:  # the competition's own code was edited meanwhile, and does not load: the run is done
        return []


def _publish_studies(workspace: Workspace, slug: str, name: str, outcome: Outcome, console: Console) -> None:
    """Leave the trials where other experiments can start from them; a place that is read-only stops nothing."""
    try:
        publish_studies(workspace.studies(slug), name, outcome.results)
    except OSError as error:
        console.warn(f"no other experiment can start from these trials: {refusal(error)}")


def run_nodes(
    workspace: Workspace, slug: str, nodes: list[Node], console: Console, watch: Watch = unwatched
) -> Outcome:
    """Run a graph against a competition's cache, here or on a cluster; an interruption says how to go on."""
    walk = cluster.on(workspace.ray) if workspace.ray else in_order
    try:
        return run_graph(nodes, Store(workspace.cache(slug)), console, walk, watch)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint="what is done is kept: the same command goes on from there") from None


def cached(workspace: Workspace, slug: str, nodes: list[Node]) -> dict[str, Result]:
    """Return the results of those nodes that would not run, by name."""
    steps = plan(nodes, Store(workspace.cache(slug)))
    return {step.node.name: step.result for step in steps if step.result is not None}
