"""Commands that predict rows which no run has seen: here, or as a bundle where a code competition is judged."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.experiment import DEFAULT, Minutes, Name, Slug, console_for, ensure_run, load, out
from pipeline.commands.kaggle import refuse_practice
from pipeline.engine.console import Console
from pipeline.engine.store import Store
from pipeline.errors import ConfigError
from pipeline.publish import check_place, publish
from pipeline.raw.source import locate
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.kaggle.bundle import Bundle

GIB = 2**30

app = typer.Typer()


@app.command()
def bundle(
    context: typer.Context,
    slug: Slug = DEFAULT,
    experiment: Name = "default",
    minutes: Minutes = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Where to write it, and <out>.zip.")] = None,
    check: Annotated[bool, typer.Option(help="Run it offline and compare with the run's submission.")] = True,
    memory: Annotated[float, typer.Option(min=0.1, max=1e6, help="GiB that the dry run may have resident.")] = 8.0,
    wheels: Annotated[bool, typer.Option(help="Take the libraries along, as wheels that pip downloads.")] = False,
    push: Annotated[bool, typer.Option(help="Upload it as a private dataset, then the notebook.")] = False,
) -> None:
    """Write a self-contained notebook with all models, for a code competition, and try it offline."""
    from pipeline.kaggle.bundle import Finished, make_bundle
    from pipeline.kaggle.bundle_wheels import collect_wheels

    workspace: Workspace = context.obj
    if push:
        refuse_practice(workspace, slug)
    competition, wanted, nodes = load(workspace, slug, experiment, minutes)
    check_place(workspace.submissions / slug)
    console, store = console_for(wanted), Store(workspace.cache(slug))
    results = ensure_run(workspace, competition, wanted, nodes, console).results
    submission = publish(workspace.submissions / slug, experiment, results["submit"], results)
    folder = folder or submission.with_name(f"{submission.stem}-bundle")
    with console.stage("bundle", [str(folder)]):
        run = Finished(nodes, results, store, workspace.raw_folder(slug))
        made = make_bundle(folder, run, collect_wheels if wheels else None)
    size = f"{made.bytes / 1e6:.1f} MB, zipped {made.archive.stat().st_size / 1e6:.1f} MB"
    out.print(f"[bold]bundle[/]      {escape(str(made.folder))}  [dim]{size}[/]", soft_wrap=True)
    if check:
        from pipeline.kaggle.bundle_check import check as dry_run

        with console.stage("dry run", [f"without network, at most {memory:g} GiB resident"]):
            told = dry_run(made, submission, int(memory * GIB))
        figures = f"{told.seconds:.0f} s, {told.peak / GIB:.2f} GiB resident at its peak; no network: {told.network}"
        out.print(
            f"[bold]dry run[/]     [green]the same bytes as the run's submission[/]  [dim]{escape(figures)}[/]",
            soft_wrap=True,
        )
    if push:
        out.print(f"[bold]pushed[/]      {escape(_push(made, slug, experiment, console))}", soft_wrap=True)


@app.command()
def predict(
    context: typer.Context,
    slug: Annotated[str, typer.Argument(help="The competition: a folder of experiments/ with a competition.toml.")],
    rows: Annotated[Path, typer.Argument(help="A CSV file like the competition's test file.")],
    experiment: Name = "default",
    minutes: Minutes = None,
    predictions: Annotated[Path, typer.Option("--out", help="The CSV file to write.")] = Path("predictions.csv"),
) -> None:
    """Predict new rows with what an experiment has fitted (which is run first where it is not cached)."""
    workspace: Workspace = context.obj
    competition, wanted, nodes = load(workspace, slug, experiment, minutes)
    check_place(predictions.parent)
    if predictions.is_dir():
        raise ConfigError(
            f"--out {predictions} is a folder, expected a CSV file", hint=f"{predictions}/predictions.csv"
        )
    locate(rows)  # before a run that may take long
    console, store = console_for(wanted), Store(workspace.cache(slug))
    results = ensure_run(workspace, competition, wanted, nodes, console).results
    from pipeline.inference.gather import gather
    from pipeline.inference.predict import predict as infer

    with tempfile.TemporaryDirectory() as name, console.stage("predict", [str(rows)]):
        gather(nodes, results, store, Path(name) / "fitted")
        n_rows = infer(Path(name) / "fitted", rows, None, predictions, console.info)
    out.print(f"{n_rows} rows predicted: {escape(str(predictions))}", soft_wrap=True)


def _push(made: Bundle, slug: str, experiment: str, console: Console) -> str:
    from pipeline.kaggle.client import connect
    from pipeline.kaggle.push import push

    with console.stage("push", [f"{made.archive.name} and the notebook that reads it"]), connect(slug, console) as link:
        return push(link, made, experiment)
