"""The `pipeline` command: its roots, its commands, and how a user's mistake is told."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console as Rich
from rich.markup import escape
from typer.core import TyperGroup

from pipeline.commands import auditing, bundle, competitions, kaggle, keeping, looking, running, scoring
from pipeline.errors import PipelineError, refusal
from pipeline.workspace import Workspace

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
for _theme in (running, scoring, looking, auditing, bundle, competitions, kaggle, keeping):
    app.add_typer(_theme.app)


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
    ray: Annotated[
        str | None, typer.Option(envvar="RAY_ADDRESS", help="Run on a Ray cluster: auto, local or HOST:PORT.")
    ] = None,
    pace: Annotated[
        float,
        typer.Option(
            envvar="PIPELINE_PACE", min=0.01, max=1000, help="How many times as fast as two cores; as a run has told."
        ),
    ] = 1.0,
) -> None:
    """From a Kaggle tabular competition's files to a submission that its user can trust."""
    context.obj = Workspace(data, experiments, submissions, raw, ray or None, pace)


def main() -> None:
    """Entry point: a user's mistake, or a file that the system refuses, is one message and exit code 2.

    An interruption is 130; no traceback for any of them.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no sign for ± gets a question mark
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
