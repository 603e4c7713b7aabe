"""The nodes of [extra], and what [pseudo] asks of the others: what fits learns of it, and no other stage's key does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.config import Competition, Experiment
from pipeline.engine.stage import Input, Node, Plugin
from pipeline.errors import ConfigError
from pipeline.raw.source import TABLES, members_of
from pipeline.workspace import Workspace

VARIANT = "extra rows"
FITS = ("train", "nested")
READERS = ("budget", "tune", *FITS)
FILES = ("extra.parquet", "extra_rows.parquet")


def with_extra(
    nodes: Sequence[Node], workspace: Workspace, competition: Competition, experiment: Experiment, metric: Plugin
) -> list[Node]:
    """Return the graph with extra rows as inputs of what fits (predictions made elsewhere are not fitted here)."""
    if not experiment.extra.files:
        return list(nodes)
    prepare = _prepare(nodes, competition, experiment, metric)
    found = []
    for node in nodes:
        reads = node.stage in READERS and not (node.stage == "train" and node.sources)
        found.append(replace(node, inputs={**node.inputs, "extra": Input(prepare.name, FILES)}) if reads else node)
        if node.name == "ingest":
            found.append(_read(workspace, competition, experiment))
        elif node.name == "preprocess":
            found.append(prepare)
    return found


def with_pseudo(nodes: Sequence[Node], experiment: Experiment) -> list[Node]:
    """Return the graph in which every model is fitted twice, the second time on test rows that its folds labelled."""
    if experiment.pseudo is None:
        return list(nodes)
    settings = experiment.pseudo.model_dump(mode="json")
    fitted = [node.stage == "budget" or (node.stage in FITS and not node.sources) for node in nodes]
    return [
        replace(node, config={**node.config, "pseudo": settings}) if is_fitted else node
        for node, is_fitted in zip(nodes, fitted, strict=True)
    ]


def _read(workspace: Workspace, competition: Competition, experiment: Experiment) -> Node:
    folder = workspace.raw_folder(competition.slug)
    sources = {f"extra {number}": folder / name for number, name in enumerate(experiment.extra.files)}
    if len(set(sources.values())) < len(sources):
        raise ConfigError("[extra] files: a file stands there twice", hint="extra rows weigh more by `weight`")
    besides = [name for name in (competition.groups, competition.time, competition.weight) if name]
    return Node(
        stage="ingest",
        variant=VARIANT,
        module="pipeline.extra.read",
        config={"besides": besides} | members_of(sources),
        inputs={"ingest": Input("ingest", ("schema.json", *([TABLES] if competition.tables else [])))},
        sources=sources,
        outputs=("extra.parquet",),
    )


def _prepare(nodes: Sequence[Node], competition: Competition, experiment: Experiment, metric: Plugin) -> Node:
    table = next(node.inputs["preprocess"] for node in nodes if node.name == "ensemble")
    features = {f"feature:{node.variant}": node.plugins["feature"] for node in nodes if "feature" in node.plugins}
    facts = competition.model_dump(mode="json", include={"id", "target", "groups", "time", "weight"})
    return Node(
        stage="preprocess",
        variant=VARIANT,
        module="pipeline.extra.prepare",
        config=facts | {"factor": experiment.extra.weight, "copies": experiment.extra.copies},
        inputs={
            "extra": Input(f"ingest[{VARIANT}]"),
            "ingest": Input("ingest", ("schema.json",)),
            "preprocess": Input("preprocess", (*table.files, "columns.json")),
        },
        plugins=features | {"metric": metric},
        outputs=FILES,
    )
