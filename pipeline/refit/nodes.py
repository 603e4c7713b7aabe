"""What `refit = true` in a [models.<name>] section adds to the graph: one more fit of each of its entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.config import Experiment
from pipeline.engine.stage import Input, Node
from pipeline.entries import refit_of, section_of
from pipeline.seeds import derive

READERS = ("ensemble", "submit")


def with_refits(nodes: Sequence[Node], experiment: Experiment) -> list[Node]:
    """Return the graph in which a refit stands for its train node in all that predicts test rows."""
    (split,) = (node for node in nodes if node.name == "split")
    refits = {node.name: _refit(node, split, experiment) for node in nodes if _is_refitted(node, experiment)}
    found = []
    for node in nodes:
        found.append(_reading(node, refits) if node.stage in READERS else node)
        if node.name in refits:
            found.append(refits[node.name])
    return found


def _is_refitted(node: Node, experiment: Experiment) -> bool:
    models = experiment.models
    return node.stage == "train" and models[section_of(node.variant, models)].refit


def _refit(train: Node, split: Node, experiment: Experiment) -> Node:
    """Return the fit of the same recipe on all rows, which takes what is to be judged by from the train node."""
    return replace(
        train,
        variant=refit_of(train.variant),
        module="pipeline.refit.fit",
        config={**train.config, "split": {name: split.config[name] for name in ("seed", "options")}},
        inputs={**train.inputs, "train": Input(train.name, ("entries",))},
        plugins={**train.plugins, "splitter": split.plugins["splitter"]},
        seed=derive(experiment.seed, "refit", train.variant),
    )


def _reading(node: Node, refits: Mapping[str, Node]) -> Node:
    inputs = {
        name: replace(one, node=refits[one.node].name) if one.node in refits else one
        for name, one in node.inputs.items()
    }
    return replace(node, inputs=inputs)
