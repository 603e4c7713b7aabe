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
    keep, continued = kept_keys(workspace.submissions / slug), set[str]()
    for name in workspace.experiments_of(slug):
        expected, going_on = _keys_of(workspace, slug, name, store)
        keep, continued = keep | expected, continued | going_on
    swept = sweep(store, keep | continued, made_from(store, lambda result: truncated and bool(shortened(result))))
    in_use = f", {len(swept.in_use)} in use by a run stay" if swept.in_use else ""
    removed = f"{len(swept.removed)} results removed, {swept.bytes / 1e6:.1f} MB freed"
    out.print(f"{removed}, {len(keep)} kept or expected{in_use}")


def _keys_of(workspace: Workspace, slug: str, name: str, store: Store) -> tuple[set[str], set[str]]:
    """Return the keys of an experiment's results, and of what can go on of those that were killed.

    Keys alone: a plan's steps hold its results, so that none of them could be removed.
    """
    competition, experiment, nodes = _loaded(workspace, slug, name)
    steps = [*make_plan(nodes, store), *make_plan(audit(workspace, competition, experiment), store)]
    steps = [step for step in steps if step.key]
    return {step.key for step in steps}, {progress_key(step.node, step.parts) for step in steps}


def _loaded(workspace: Workspace, slug: str, name: str) -> tuple[Competition, Experiment, list[Node]]:
    try:
        return load(workspace, slug, name, None)
    except ConfigError as error:
        hint = f"{error.hint}; without {name}.toml, its results are removed".removeprefix("; ")
        raise ConfigError(f"nothing is removed while experiment '{name}' cannot be read: {error}", hint=hint) from None
