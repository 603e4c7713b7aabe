"""The nodes that a stack needs beside the others: the folds of pairs, and every model that can be fitted on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.config import Experiment
from pipeline.engine import plugins
from pipeline.engine.stage import Input, Node
from pipeline.entries import section_of
from pipeline.errors import ConfigError
from pipeline.seeds import derive

STAGE = "nested"
PAIRS = "split[nested]"
FEWEST_FOLDS = 3  # of which two are left out


def with_nested(nodes: Sequence[Node], experiment: Experiment) -> list[Node]:
    """Return the graph with nested fits where the blender asks for them (its options say `nested`).

    Models that stop on the rows that they predict are not nested (AutoGluon's among them), because one fold of a pair
    would be seen while the other is predicted; nor are predictions made elsewhere. Raises ConfigError where the folds
    cannot be nested, or no model can.
    """
    if not _asked_for(experiment):
        return list(nodes)
    _check_folds(experiment)
    fits = [node for node in nodes if node.stage == "train" and _can_nest(node, experiment)]
    if not fits:
        raise ConfigError(
            f"[ensemble] kind = '{experiment.ensemble.kind}': none of the models can be nested "
            f"({', '.join(experiment.models)})",
            hint='models that do not stop on the fold can (stop_on = "inner", say); or choose another blender',
        )
    nested = {node.variant: _nested(node, experiment) for node in fits}
    found = []
    for node in nodes:
        if node.name == "split":
            found += [node, _pairs(node)]
        elif node.stage == "budget":
            found.append(replace(node, config={**node.config, "nested": sorted(nested)}))
        elif node.name == "ensemble":
            read = {f"nested:{name}": Input(own.name, ("entries",)) for name, own in nested.items()}
            found += [*nested.values(), replace(node, inputs={**node.inputs, **read})]
        else:
            found.append(node)
    return found


def _asked_for(experiment: Experiment) -> bool:
    """Return whether the blender is judged on nested predictions."""
    ensemble = experiment.ensemble
    module = plugins.load(plugins.find("blenders", ensemble.kind, where="[ensemble] kind"))
    return bool(getattr(module.Options(**ensemble.options), "nested", False))


def _check_folds(experiment: Experiment) -> None:
    where, split = f"[ensemble] kind = '{experiment.ensemble.kind}'", experiment.split
    if split.kind == "time":
        raise ConfigError(
            f"{where}: predictions cannot be nested in folds of kind 'time': a model that leaves out an earlier fold "
            "would be trained on what lies between that fold and the one that is judged",
            hint="choose another blender, such as 'shrunk'",
        )
    if split.n_folds < FEWEST_FOLDS:
        raise ConfigError(
            f"{where}: found split.n_folds = {split.n_folds}, expected {FEWEST_FOLDS} or more: each nested fit leaves "
            "two folds out",
            hint="more folds (5 are usual), or another blender, such as 'shrunk'",
        )


def _can_nest(node: Node, experiment: Experiment) -> bool:
    section = experiment.models[section_of(node.variant, experiment.models)]
    recipe: Any = plugins.load(node.plugins["model"]).Recipe.model_validate(section.recipe)
    return not node.sources and getattr(recipe, "stop_on", "fold") != "fold"


def _pairs(split: Node) -> Node:
    return Node(
        stage="split",
        variant=STAGE,
        module="pipeline.nested.pairs",
        config={"options": split.config["options"], "seed": derive(split.config["seed"], "split", STAGE)},
        inputs={
            "preprocess": Input("preprocess", ("rows.parquet", "task.json")),
            "split": Input(split.name, ("folds.safetensors",)),
        },
        plugins={"splitter": split.plugins["splitter"]},
        outputs=("folds.safetensors",),
    )


def _nested(train: Node, experiment: Experiment) -> Node:
    return replace(
        train,
        stage=STAGE,
        module="pipeline.nested.fit",
        inputs={**train.inputs, "split": Input(PAIRS, ("folds.safetensors",))},
        seed=derive(experiment.seed, STAGE, train.variant),
    )
