"""Commands that make a competition: from its raw files, or from another one's labelled rows."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pipeline.commands.experiment import out
from pipeline.config import load_competition
from pipeline.workspace import Workspace, check_slug

if TYPE_CHECKING:
    from pipeline.scaffold import Scaffolded

app = typer.Typer()

NewSlug = Annotated[str, typer.Argument(help="The competition's name; its files lie in data/<slug>/raw.")]


class How(StrEnum):
    """How `holdout` chooses the rows that it sets aside."""

    random = "random"
    stratified = "stratified"
    group = "group"
    time = "time"


@app.command()
def new(
    context: typer.Context,
    slug: NewSlug,
    metric: Annotated[str | None, typer.Option(help="The metric, instead of the task's usual one.")] = None,
) -> None:
    """Write competition.toml and the experiments default and best from the raw files; say what was inferred."""
    print_scaffold(context.obj, slug, metric)
    out.print(f"next: make run COMPETITION={escape(slug)}")


def print_scaffold(workspace: Workspace, slug: str, metric: str | None) -> Scaffolded:
    """Scaffold a competition from its raw files and what Kaggle said of it, and print what was inferred."""
    from pipeline.kaggle.facts import known_facts
    from pipeline.scaffold import scaffold

    check_slug(slug)
    raw, kaggle = workspace.check_raw_folder(slug), known_facts(workspace.data / slug)
    made = scaffold(slug, raw, workspace.experiments, metric, kaggle)
    for finding in made.findings:
        out.print(f"  {escape(finding)}", soft_wrap=True)
    return made


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
    n_rows = made.n_train + made.n_held_out
    out.print(f"{made.n_held_out} of {n_rows} rows are held out ({how.value}), to be judged locally")
    out.print(f"next: make run COMPETITION={escape(made.slug)}")
