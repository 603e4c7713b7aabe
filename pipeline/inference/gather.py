"""Gathers what a run has fitted into the one folder from which pipeline/inference/predict.py predicts new rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.engine import plugins
from pipeline.engine.stage import Node, Plugin
from pipeline.engine.store import Result, Store
from pipeline.entries import library_nodes
from pipeline.errors import ModelError
from pipeline.models import _optional
from pipeline.raw.source import TABLES

KEPT = "fitted"
"""What `train` calls the folder of its models."""


DECIDED = {"ingest": "schema.json", "preprocess": "columns.json", "ensemble": "blend.json"}
"""What stages before and after the models have decided."""

OWN = {"feature": "features.py", "postprocess": "postprocess.py"}
"""The competition's own code, by its part in the graph."""


def gather(nodes: Sequence[Node], results: Mapping[str, Result], store: Store, folder: Path) -> None:
    """Copy the models of every entry that the blend gives a weight, and all that leads to and from them.

    Every file is hashed before it is copied. Raises ModelError for an entry that cannot predict new rows, DamagedError
    for a file that is not what was written.
    """
    from pipeline.files import read_json, write_json
    from pipeline.inference.predict import FACTS, MODELS

    by_name = {node.name: node for node in nodes}
    folder.mkdir(parents=True)
    for name, file in DECIDED.items():
        shutil.copyfile(store.open(results[name], (file,)) / file, folder / file)
    if any(output.startswith(f"{TABLES}/") for output in results["ingest"].outputs()):
        shutil.copytree(store.open(results["ingest"], (TABLES,)) / TABLES, folder / TABLES)
    weights = read_json(store.open(results["ensemble"], ("weights.json",)) / "weights.json")
    library = {model: _keeper(model, by_name[node], by_name, results) for model, node in library_nodes(by_name).items()}
    entries = {name: _entry(name, library, results) for name in sorted(weights)}
    for model in sorted({entry["node"] for entry in entries.values()}):
        kept = store.open(results[library[model].name], (KEPT,))
        shutil.copytree(kept / KEPT, folder / MODELS / model)
        _thin(folder / MODELS / model, library[model].plugins["model"], entries)
    own = {role: plugin.file for node in nodes for role, plugin in node.plugins.items() if role in OWN}
    for role, source in own.items():
        if source is not None:
            shutil.copyfile(source, folder / OWN[role])
    facts = by_name["submit"].config
    sample = _sample(store.open(results["ingest"], ("sample.parquet",)), facts, read_json(folder / "schema.json"))
    write_json(folder / FACTS, {"competition": dict(facts), "entries": entries, "sample": sample})


def _keeper(model: str, node: Node, by_name: Mapping[str, Node], results: Mapping[str, Result]) -> Node:
    """Return the node that kept what predicts a model's entries: of a refit that came too late, that of the folds."""
    kept = any(output.startswith(f"{KEPT}/") for output in results[node.name].outputs())
    return node if kept else by_name[f"train[{model}]"]


def _entry(name: str, library: Mapping[str, Node], results: Mapping[str, Result]) -> dict[str, str]:
    """Return which model made an entry, and what kind it is."""
    file = f"entries/{quote(name, safe='')}.safetensors"
    model, node = next((model, node) for model, node in library.items() if file in results[node.name].outputs())
    if not any(output.startswith(f"{KEPT}/") for output in results[node.name].outputs()):
        raise ModelError(
            f"{name} has a weight in the blend, but {node.name} kept nothing that predicts new rows",
            hint=f"leave [models.{model}] out of the experiment, or give its plug-in what `load` reads",
        )
    return {"node": model, "kind": node.plugins["model"].module.rpartition(".")[2]}


def _thin(folder: Path, plugin: Plugin, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Where entries share what is kept (`<recipe>/<part>`), leave the parts out that have no weight."""
    parts = {name.partition("/")[2] for name, entry in entries.items() if entry["node"] == folder.name}
    for repeat in folder.iterdir():
        _optional.thin(plugins.load(plugin), repeat, parts)


def _sample(ingest: Path, facts: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each column of the form: of labels one that shows how they are spelled, else 0."""
    import pandas as pd

    from pipeline.raw.labels import spell_labels

    if facts["submission"] != "label":
        return dict.fromkeys(schema["sample_columns"], 0.0)
    sample = pd.read_parquet(ingest / "sample.parquet")
    values = {}
    for name in set(schema["sample_columns"]) - {facts["id"]}:
        spelled = spell_labels(schema["classes"], sample[name])
        values[name] = next((str(value) for value in sample[name].dropna() if str(value) in spelled), None)
    return values
