"""The `pipeline` command: parse, call, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console as Rich
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree
from typer.core import TyperGroup

from pipeline import show as shown
from pipeline.config import Competition, Experiment, load_competition, load_experiment
from pipeline.engine.console import Console
from pipeline.engine.key import progress_key
from pipeline.engine.plan import plan as make_plan
from pipeline.engine.run import Outcome
from pipeline.engine.run import run as run_graph
from pipeline.engine.run import verify as verify_store
from pipeline.engine.stage import Node
from pipeline.engine.store import Store
from pipeline.engine.sweep import made_from, sweep
from pipeline.errors import Interrupted, PipelineError, refusal
from pipeline.graph import STAGES, build, up_to
from pipeline.practice.catalogue import provide
from pipeline.publish import check_place, kept_keys, publish_studies, trace
from pipeline.report.summary import truncated as shortened
from pipeline.workspace import Workspace

DEFAULT = "practice-houses"

GRACE, LEAST_GRACE = 2.0, 20.0
"""The safety stop: work ends with what there is after the planned minutes and GRACE times as many, at least 20.

Plans are formulas, not clocks, so that a run can be repeated; on a machine that is slower than they assume, the stop
keeps a run from going on for ever.
"""

SPINS = 1000
"""How often a waiting OpenMP thread looks before it sleeps; the libraries read it when they are loaded.

By their own choice threads look for milliseconds, which is as fast on an idle machine and many times slower on a busy
one: five networks took 6.3 s either way alone on 2 cores, and 11 s against 19 to 95 s beside other work.
"""


class Root(TyperGroup):
    """Says of an option that stands behind the command, where it is unknown, that it belongs before it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            late = getattr(error, "option_name", "")
            if any(late in parameter.opts for parameter in self.params):
                error.message += f"; it stands before the command: pipeline {late} ... {ctx.invoked_subcommand}"
            raise


app = typer.Typer(cls=Root, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
out = Rich(highlight=False)


class How(StrEnum):
    """How `holdout` chooses the rows that it sets aside."""

    random = "random"
    stratified = "stratified"
    group = "group"
    time = "time"


Slug = Annotated[str, typer.Argument(help="The competition: a folder of experiments/ with a competition.toml.")]
NewSlug = Annotated[str, typer.Argument(help="The competition's name; its files lie in data/<slug>/raw.")]
Name = Annotated[str, typer.Option("--experiment", "-e", help="The experiment: a TOML file beside competition.toml.")]
Minutes = Annotated[float | None, typer.Option("--minutes", "-m", min=0.1, help="Plan for so long, not the file's.")]


@app.callback()
def roots(
    context: typer.Context,
    data: Annotated[Path, typer.Option(envvar="PIPELINE_DATA", help="Holds <slug>/raw and <slug>/cache.")] = Path(
        "data"
    ),
    experiments: Annotated[
        Path, typer.Option(envvar="PIPELINE_EXPERIMENTS", help="Holds the TOML files and what MLflow keeps.")
    ] = Path("experiments"),
    submissions: Annotated[Path, typer.Option(envvar="PIPELINE_SUBMISSIONS", help="Receives the submissions.")] = Path(
        "submissions"
    ),
    raw: Annotated[
        Path | None, typer.Option(envvar="PIPELINE_RAW", help="Holds <slug>/train.csv ...; may be read-only.")
    ] = None,
) -> None:
    """From a Kaggle tabular competition's files to a submission that its user can trust."""
    context.obj = Workspace(data, experiments, submissions, raw)


@app.command()
def run(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Run the whole pipeline and print the score, the submission's path and what to do next."""
    _run(context.obj, slug, experiment, minutes, STAGES[-1])


def _stage_command(stage: str) -> Callable[..., None]:
    def command(
        context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None
    ) -> None:
        _run(context.obj, slug, experiment, minutes, stage)

    command.__doc__ = f"Run the pipeline up to the stage {stage}."
    return command


for _stage in STAGES:
    app.command(_stage)(_stage_command(_stage))


def _run(workspace: Workspace, slug: str, name: str, minutes: float | None, last: str) -> None:
    competition, experiment, nodes = _load(workspace, slug, name, minutes)
    console = Console(limit=60 * (experiment.minutes + max(GRACE * experiment.minutes, LEAST_GRACE)))
    wanted = up_to(last, nodes)
    if last == STAGES[-1]:
        check_place(workspace.submissions / slug)
    console.rich.print(f"[bold]{escape(competition.title or slug)}[/] [dim]experiment {escape(name)}[/]")
    outcome = _run_graph(workspace, slug, wanted, console)
    _publish_studies(workspace, slug, name, outcome, console)
    if last == STAGES[-1]:
        shown.finish(workspace, competition, experiment, outcome, out)
        _track(workspace, competition, experiment, outcome, console)
    else:
        _print_results(outcome)


def _publish_studies(workspace: Workspace, slug: str, name: str, outcome: Outcome, console: Console) -> None:
    """Leave the trials where other experiments can start from them; a place that is read-only stops nothing."""
    try:
        publish_studies(workspace.studies(slug), name, outcome.results)
    except OSError as error:
        console.warn(f"no other experiment can start from these trials: {refusal(error)}")


def _print_results(outcome: Outcome) -> None:
    for name, result in outcome.results.items():
        state = "[yellow]made[/]  " if name in outcome.made else "[green]cached[/]"
        out.print(f"{escape(name):32} {state} {escape(str(result.folder))}", soft_wrap=True)


def _run_graph(workspace: Workspace, slug: str, nodes: list[Node], console: Console) -> Outcome:
    try:
        return run_graph(nodes, Store(workspace.cache(slug)), console)
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint="what is done is kept: the same command goes on from there") from None


def _track(
    workspace: Workspace, competition: Competition, experiment: Experiment, outcome: Outcome, console: Console
) -> None:
    from pipeline import tracking

    tracking.mirror(workspace, competition, experiment, outcome, console)


@app.command()
def plan(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Say for every stage whether it is cached, or will run and why; no stage is run."""
    _, _, nodes = _load(context.obj, slug, experiment, minutes)
    table = Table("stage", "state", "why", box=None, header_style="bold")
    states = {"cached": "[green]cached[/]", "run": "[yellow]run[/]", "maybe": "[dim]run?[/]"}
    for step in make_plan(nodes, Store(context.obj.cache(slug))):
        table.add_row(escape(step.node.name), states[step.state], escape("\n".join(step.reasons)))
    out.print(table)


@app.command()
def explain(
    context: typer.Context,
    submission: Annotated[Path, typer.Argument(help="The CSV file, as it lies in submissions/<slug>/.")],
) -> None:
    """Walk a submission back, stage by stage, to the hashes of the raw files."""
    slug = submission.resolve().parent.name
    origins = list(trace(submission, Store(context.obj.cache(slug))))
    branches = [Tree(f"[bold]{escape(origins[0].what)}[/] {origins[0].digest} [dim]{escape(origins[0].detail)}[/]")]
    for origin in origins[1:]:
        del branches[origin.depth :]
        label = f"{escape(origin.what)} {origin.digest[:16]} [dim]{escape(origin.detail)}[/]"
        branches.append(branches[-1].add(label))
    out.print(branches[0])


@app.command()
def show(context: typer.Context, slug: Slug = DEFAULT) -> None:
    """Compare a competition's experiments: scores, and only the settings that differ."""
    context.obj.competition(slug)
    shown.compare(context.obj, slug, out)


@app.command()
def report(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Write the HTML report of an experiment (which is run first where it is not cached)."""
    competition, _, nodes = _load(context.obj, slug, experiment, minutes)
    console = Console()
    outcome = _run_graph(context.obj, slug, nodes, console)
    with console.stage("report", ["drawing the plots takes some seconds"]):
        from pipeline.report import html

        path = html.write(context.obj, slug, experiment, outcome, competition.title)
    out.print(escape(str(path)), soft_wrap=True)


@app.command()
def ui(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Open the MLflow UI on all runs of all competitions."""
    from pipeline import tracking

    tracking.serve(context.obj, host, port, Console())


@app.command()
def dashboard(
    context: typer.Context,
    slug: Slug = DEFAULT,
    experiment: Name = "default",
    minutes: Minutes = None,
    model: Annotated[str | None, typer.Option(help="Which model's search, where several are tuned.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Open optuna-dashboard on a search, while it runs or afterwards."""
    from pipeline.dashboard import serve

    _, _, nodes = _load(context.obj, slug, experiment, minutes)
    serve(nodes, Store(context.obj.cache(slug)), model, host, port)


@app.command()
def new(
    context: typer.Context,
    slug: NewSlug,
    metric: Annotated[str | None, typer.Option(help="The metric, instead of the task's usual one.")] = None,
) -> None:
    """Write competition.toml and a default experiment from the raw files, and say what was inferred."""
    from pipeline.scaffold import scaffold

    made = scaffold(slug, context.obj.raw_folder(slug), context.obj.experiments, metric)
    for finding in made.findings:
        out.print(f"  {escape(finding)}")
    out.print(f"next: make run COMPETITION={escape(slug)}")


@app.command()
def holdout(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="The competition whose train file is cut.")],
    how: Annotated[How, typer.Option(help="Which rows are held out.")] = How.random,
    fraction: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of the rows held out.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
) -> None:
    """Make a practice competition <slug>-holdout of a real one, judged locally on rows held out of its train file."""
    from pipeline.practice.holdout import make

    made = make(context.obj, load_competition(context.obj, slug), how.value, fraction, seed)
    out.print(f"next: make run COMPETITION={escape(made)}")


@app.command()
def verify(context: typer.Context, slug: Slug = DEFAULT) -> None:
    """Hash every file of a competition's cache; damaged results are set aside."""
    context.obj.competition(slug)
    count, damaged = verify_store(Store(context.obj.cache(slug)))
    for error in damaged:
        out.print(f"[red]damaged[/] {escape(str(error))}")
    out.print(f"{count} results, {len(damaged)} damaged")
    raise typer.Exit(1 if damaged else 0)


@app.command()
def gc(
    context: typer.Context,
    slug: Slug = DEFAULT,
    truncated: Annotated[bool, typer.Option(help="Remove what was cut short for want of time as well.")] = False,
) -> None:
    """Remove cached results that neither an experiment as it stands nor a submission in submissions/ reaches."""
    workspace: Workspace = context.obj
    store = Store(workspace.cache(slug))
    keep, continued = kept_keys(workspace.submissions / slug), set()
    for name in workspace.experiments_of(slug):
        _, _, nodes = _load(workspace, slug, name, None)
        steps = [step for step in make_plan(nodes, store) if step.key]
        keep |= {step.key for step in steps}
        continued |= {progress_key(step.node, step.parts) for step in steps}  # of what was killed, and can go on
    swept = sweep(store, keep | continued, made_from(store, lambda result: truncated and bool(shortened(result))))
    out.print(f"{len(swept.removed)} results removed, {swept.bytes / 1e6:.1f} MB freed, {len(keep)} kept or expected")


def _load(
    workspace: Workspace, slug: str, name: str, minutes: float | None
) -> tuple[Competition, Experiment, list[Node]]:
    provide(workspace, slug)
    competition = load_competition(workspace, slug)
    experiment = load_experiment(workspace, slug, name, minutes)
    return competition, experiment, build(workspace, competition, experiment)


def main() -> None:
    """Entry point: a user's mistake, or a file that the system refuses, is one message and exit code 2.

    An interruption is 130; no traceback for any of them.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    try:
        app()
    except PipelineError as error:
        _fail(error)
    except OSError as error:
        hint = "check what lies there and who may use it; --data, --experiments, --submissions and --raw, before the "
        _fail(PipelineError(refusal(error), hint=f"{hint}command, choose other places"))


def _fail(error: PipelineError) -> None:
    errors = Rich(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"[red]error:[/] {escape(str(error))}")
    if error.hint:
        errors.print(f"[dim]hint:[/]  {escape(error.hint)}")
    sys.exit(error.exit_code)
