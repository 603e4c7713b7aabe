"""What `use_spare_minutes = true` adds to the graph: a second budget, and more fits of what can use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.config import Experiment
from pipeline.engine import plugins
from pipeline.engine.stage import Input, Node
from pipeline.entries import MORE
from pipeline.errors import ConfigError
from pipeline.seeds import derive

PLAN = "budget[spare]"
READERS = ("ensemble", "submit")


def with_spare(nodes: Sequence[Node], experiment: Experiment) -> list[Node]:
    """Return the graph in which models are fitted again, each as an entry of its own: `<name>+more`.

    Only models that have seeds are, and none that is refitted, since a refit is to predict alone. Raises
    ConfigError beside a search, whose trials are what minutes are for.
    """
    if not experiment.use_spare_minutes:
        return list(nodes)
    _check(experiment)
    again = [node for node in nodes if node.stage == "train" and _has_seeds(node, experiment)]
    last = max(place for place, node in enumerate(nodes) if node.stage == "train")
    plan = _plan(nodes, again)
    more = [_more(node, experiment) for node in again]
    entries = {f"train:{node.variant}": Input(node.name, ("entries",)) for node in more}
    found = [*nodes[: last + 1], plan, *more, *nodes[last + 1 :]]
    reads = [node.stage in READERS and any(name.startswith("train:") for name in node.inputs) for node in found]
    return [
        replace(node, inputs={**node.inputs, **entries}) if is_reader else node
        for node, is_reader in zip(found, reads, strict=True)
    ]


def _check(experiment: Experiment) -> None:
    searched = [name for name, model in experiment.models.items() if model.space and experiment.tune.trials]
    if searched:
        raise ConfigError(
            f"use_spare_minutes: what is left belongs to the search for {', '.join(searched)}",
            hint="ask for more trials instead ([tune] trials), or leave use_spare_minutes to an experiment of its own",
        )


def _has_seeds(node: Node, experiment: Experiment) -> bool:
    recipe = plugins.load(node.plugins["model"]).Recipe
    return "n_seeds" in recipe.model_fields and not experiment.models[node.variant].refit


def _plan(nodes: Sequence[Node], again: Sequence[Node]) -> Node:
    """Return the node that shares out what is left; it reads what early stopping found in every model."""
    (budget,) = (node for node in nodes if node.stage == "budget")
    (split,) = (node for node in nodes if node.name == "split")
    fits = [node for node in nodes if node.stage == "train" and not node.sources]
    return replace(
        budget,
        variant="spare",
        module="pipeline.spare.plan",
        config={**budget.config, "again": [node.variant for node in again]},
        inputs={
            **budget.inputs,
            "budget": Input(budget.name),
            **{f"train:{node.variant}": Input(node.name, ("entries",)) for node in fits},
        },
        plugins={**budget.plugins, "metric": split.plugins["metric"]},
        outputs=tuple(f"{node.variant}{MORE}/recipe.json" for node in again),
    )


def _more(train: Node, experiment: Experiment) -> Node:
    entry = train.variant + MORE
    recipe = f"{entry}/recipe.json"
    return replace(
        train,
        variant=entry,
        config={**train.config, "entry": entry, "recipe": recipe},
        inputs={**train.inputs, "recipe": Input(PLAN, (recipe,))},
        seed=derive(experiment.seed, "train", entry),
    )
