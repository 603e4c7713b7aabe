"""Commands that say what a submission is worth, and which two to select."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands.experiment import DEFAULT, Minutes, Name, Slug, console_for, load, out, run_experiment
from pipeline.config import Competition, load_competition, metric_plugin
from pipeline.engine import plugins
from pipeline.engine.store import Store
from pipeline.entries import ENSEMBLE
from pipeline.graph import build, up_to

app = typer.Typer()

Public = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=0.99, help="Share of the test rows judged in public; else competition.toml's public_share, or 0.3."
    ),
]


@app.command()
def score(
    context: typer.Context,
    slug: Slug = DEFAULT,
    experiment: Name = "default",
    minutes: Minutes = None,
    public: Public = None,
    entry: Annotated[str, typer.Option(help="One of the ensemble's entries in its place.")] = ENSEMBLE,
) -> None:
    """Say which private score to expect, with a 90 % interval, and whether test differs from train."""
    competition, wanted, _ = load(context.obj, slug, experiment, minutes)
    competition = _with(competition, public)
    nodes = build(context.obj, competition, wanted)
    outcome = run_experiment(context.obj, competition, wanted, up_to("score", nodes), console_for(wanted))
    from pipeline.show import expected
    from pipeline.types import Metric

    metric = Metric.from_module(plugins.load(metric_plugin(context.obj, competition)))
    expected.show(Store(context.obj.cache(slug)), outcome.results, metric, entry, out)


@app.command()
def choose(context: typer.Context, slug: Slug = DEFAULT, public: Public = None) -> None:
    """Choose the two submissions to select on Kaggle: the best expected, and a hedge, with reasons."""
    competition = _with(load_competition(context.obj, slug), public)
    from pipeline.show import selection
    from pipeline.types import Metric

    metric = Metric.from_module(plugins.load(metric_plugin(context.obj, competition)))
    selection.show(context.obj, competition, metric, out)


def _with(competition: Competition, public: float | None) -> Competition:
    return competition if public is None else competition.model_copy(update={"public_share": public})
