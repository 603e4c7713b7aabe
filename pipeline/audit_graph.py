"""The leak audit as nodes, one a file of pipeline/audit/, beside the graph: run on demand, cached like any stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.config import Competition, Experiment
from pipeline.engine import plugins
from pipeline.engine.stage import Input, Node
from pipeline.graph import build
from pipeline.wording import first_few
from pipeline.workspace import Workspace

Given = dict[str, dict[str, Any]]
"""What a word of READS adds to a check's node: config, inputs, plugins and sources."""


def audit(workspace: Workspace, competition: Competition, experiment: Experiment) -> list[Node]:
    """Return the checks' nodes after those that they read; no stage reads them in turn."""
    nodes = {node.name: node for node in build(workspace, competition, experiment)}
    checks = [_check(name, nodes, experiment) for name in plugins.names("audit")]
    read = {i.node for check in checks for i in check.inputs.values()}
    reached = read | {i.node for name in read for i in nodes[name].inputs.values()}
    return [*(node for node in nodes.values() if node.name in reached), *checks]


def untried(nodes: Sequence[Node], experiment: Experiment) -> list[str]:
    """Return what an experiment has and no check tries: a rehearsal takes its stages and untuned models alone."""
    searched = [name for name, model in experiment.models.items() if model.space and experiment.tune.trials]
    refitted = [name for name, model in experiment.models.items() if model.refit]
    found = {
        "the rows of [extra]": experiment.extra.files,
        "the labels of [pseudo]": experiment.pseudo,
        f"the search of {first_few(searched)}": searched,
        f"the refit of {first_few(refitted)}": refitted,
        "postprocess.py": any("postprocess" in node.plugins for node in nodes),
    }
    return [what for what, there in found.items() if there]


def _check(name: str, nodes: Mapping[str, Node], experiment: Experiment) -> Node:
    """Return one check, which is given what its READS names and nothing else, so that it is kept while that stays."""
    plugin = plugins.find("audit", name, where="audit")
    node = Node("audit", "pipeline.stages.audit", {}, ("findings.json",), variant=name, plugins={"check": plugin})
    for word in plugins.load(plugin).READS:
        given = _WORDS[word](nodes, experiment)
        parts: dict[str, Any] = {part: {**getattr(node, part), **added} for part, added in given.items()}
        node = replace(node, **parts)
    return node


def _table(nodes: Mapping[str, Node], experiment: Experiment) -> Given:  # noqa: ARG001
    return {"inputs": {"preprocess": nodes["ensemble"].inputs["preprocess"]}, "plugins": _metric(nodes)}


def _folds(nodes: Mapping[str, Node], experiment: Experiment) -> Given:  # noqa: ARG001
    return {"inputs": {"split": nodes["ensemble"].inputs["split"]}}


def _extra(nodes: Mapping[str, Node], experiment: Experiment) -> Given:  # noqa: ARG001
    found = nodes["budget"].inputs.get("extra")
    return {"inputs": {"extra": found}} if found else {}


def _transforms(nodes: Mapping[str, Node], experiment: Experiment) -> Given:  # noqa: ARG001
    names = plugins.names("transforms")
    return {"plugins": {f"transform:{n}": plugins.find("transforms", n, where="audit") for n in names}}


def _features(nodes: Mapping[str, Node], experiment: Experiment) -> Given:  # noqa: ARG001
    features = _of_features(nodes)
    file = next((node.plugins["feature"].file for node in features.values()), None)
    return {
        "config": {key: nodes["preprocess"].config[key] for key in ("id", "target")},
        "inputs": {"ingest": Input("ingest", ("train.parquet", "test.parquet"))}
        | {f"feature:{name}": Input(node.name) for name, node in features.items()},
        "plugins": {f"feature:{name}": node.plugins["feature"] for name, node in features.items()},
        "sources": {"features": file} if file else {},
    }


def _stages(nodes: Mapping[str, Node], experiment: Experiment) -> Given:
    """Everything that a rehearsal of the stages takes (pipeline/audit/_rehearsal.py), models as they are untuned."""
    features = _of_features(nodes)
    own = {role: nodes[name].plugins[role] for name, role in (("split", "splitter"), ("ensemble", "blender"))}
    return {
        "config": {
            "features": {name: dict(node.config) for name, node in features.items()},
            "models": {name: model.recipe for name, model in experiment.models.items()},
            **{stage: dict(nodes[stage].config) for stage in ("preprocess", "split", "ensemble")},
        },
        "inputs": {
            "ingest": Input("ingest", ("train.parquet", "test.parquet", "schema.json")),
            "preprocess": Input("preprocess", ("rows.parquet",)),
        },
        "plugins": own
        | _metric(nodes)
        | {f"feature:{name}": node.plugins["feature"] for name, node in features.items()}
        | {f"model:{name}": nodes["budget"].plugins[f"model:{name}"] for name in experiment.models},
    }


def _metric(nodes: Mapping[str, Node]) -> dict[str, Any]:
    return {"metric": nodes["split"].plugins["metric"]}


def _of_features(nodes: Mapping[str, Node]) -> dict[str, Node]:
    return {node.variant: node for node in nodes.values() if "feature" in node.plugins}


_WORDS: dict[str, Callable[[Mapping[str, Node], Experiment], Given]] = {
    "table": _table,
    "folds": _folds,
    "extra": _extra,
    "transforms": _transforms,
    "features": _features,
    "stages": _stages,
}
