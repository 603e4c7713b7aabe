"""Commands that show what is there: plans, origins, comparisons, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from pipeline.audit_graph import audit
from pipeline.commands.experiment import DEFAULT, Minutes, Name, Slug, console_for, ensure_run, load, out, run_nodes
from pipeline.config import load_competition
from pipeline.engine.console import Console
from pipeline.engine.plan import plan as make_plan
from pipeline.engine.store import Store
from pipeline.errors import SubmissionError
from pipeline.graph import up_to
from pipeline.publish import check_submission, trace
from pipeline.report.audit import checked, leaking, verdict
from pipeline.show import runs as shown
from pipeline.show.current import judge

app = typer.Typer()


@app.command()
def plan(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Say for every stage whether it is cached, or will run and why; no stage is run."""
    _, _, nodes = load(context.obj, slug, experiment, minutes)
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
    check_submission(submission)
    slug = submission.resolve().parent.name
    if not context.obj.cache(slug).is_dir():
        raise SubmissionError(
            f"{submission} lies in a folder called '{slug}', which is not a competition with results",
            hint="explain knows the competition by that name: give the file as it lies in submissions/<slug>/",
        )
    origins = list(trace(submission, Store(context.obj.cache(slug))))
    branches = [Tree(f"[bold]{escape(origins[0].what)}[/] {origins[0].digest} [dim]{escape(origins[0].detail)}[/]")]
    for origin in origins[1:]:
        del branches[origin.depth :]
        digest = origin.digest if origin.is_file else origin.digest[:16]
        branches.append(branches[-1].add(f"{escape(origin.what)} {digest} [dim]{escape(origin.detail)}[/]"))
    out.print(branches[0])


@app.command()
def folds(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default") -> None:
    """Write the folds of an experiment to stdout, as CSV, so that predictions made elsewhere can be made on them."""
    competition, _, nodes = load(context.obj, slug, experiment, None)
    results = run_nodes(context.obj, slug, up_to("split", nodes), Console()).results
    import pandas as pd

    from pipeline.files import read_folds
    from pipeline.types import VALID

    ids = pd.read_parquet(results["preprocess"].folder / "rows.parquet", columns=["id"])["id"].to_numpy()
    repeat, row, fold = (read_folds(results["split"].folder).role.swapaxes(1, 2) == VALID).nonzero()
    listed = pd.DataFrame({competition.id: ids[row], "repeat": repeat, "fold": fold})
    typer.echo(listed.to_csv(index=False, lineterminator="\n").encode(), nl=False)  # UTF-8 in every locale


@app.command()
def show(context: typer.Context, slug: Slug = DEFAULT) -> None:
    """Compare a competition's experiments: scores, and only the settings that differ."""
    shown.compare(context.obj, slug, out, judge(context.obj, load_competition(context.obj, slug)))


@app.command()
def report(context: typer.Context, slug: Slug = DEFAULT, experiment: Name = "default", minutes: Minutes = None) -> None:
    """Write the HTML report of an experiment, run and audited first where that is not cached; exit code 1: a leak."""
    competition, wanted, nodes = load(context.obj, slug, experiment, minutes)
    console = console_for(wanted)
    outcome = ensure_run(context.obj, competition, wanted, nodes, console)
    checks = checked(run_nodes(context.obj, slug, audit(context.obj, competition, wanted), console).results)
    with console.stage("report", ["drawing the plots takes some seconds"]):
        from pipeline.report import html

        path = html.write(context.obj, slug, experiment, outcome, competition.title, checks)
    out.print(escape(str(path)), soft_wrap=True)
    if leaking(checks):
        out.print(f"[bold red]{verdict(checks)}[/]; `pipeline audit` says where")
        raise typer.Exit(1)


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

    _, _, nodes = load(context.obj, slug, experiment, minutes)
    serve(nodes, Store(context.obj.cache(slug)), model, host, port)
