"""Commands that look after the cache."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from pipeline.audit_graph import audit
from pipeline.commands.experiment import DEFAULT, Slug, load, out
from pipeline.config import Competition, Experiment
from pipeline.engine.key import progress_key
from pipeline.engine.plan import plan as make_plan
from pipeline.engine.run import verify as verify_store
from pipeline.engine.stage import Node
from pipeline.engine.store import Store
from pipeline.engine.sweep import made_from, sweep
from pipeline.errors import ConfigError
from pipeline.publish import kept_keys
from pipeline.report.summary import truncated as shortened
from pipeline.workspace import Workspace

app = typer.Typer()


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
        competition, experiment, nodes = _loaded(workspace, slug, name)
        steps = [*make_plan(nodes, store), *make_plan(audit(workspace, competition, experiment), store)]
        steps = [step for step in steps if step.key]
        keep |= {step.key for step in steps}
        continued |= {progress_key(step.node, step.parts) for step in steps}  # of what was killed, and can go on
    swept = sweep(store, keep | continued, made_from(store, lambda result: truncated and bool(shortened(result))))
    out.print(f"{len(swept.removed)} results removed, {swept.bytes / 1e6:.1f} MB freed, {len(keep)} kept or expected")


def _loaded(workspace: Workspace, slug: str, name: str) -> tuple[Competition, Experiment, list[Node]]:
    try:
        return load(workspace, slug, name, None)
    except ConfigError as error:
        hint = f"{error.hint}; without {name}.toml, its results are removed".removeprefix("; ")
        raise ConfigError(f"nothing is removed while experiment '{name}' cannot be read: {error}", hint=hint) from None
