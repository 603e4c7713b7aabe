"""Everything that plots and tables of a finished run need, read from its verified results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.store import Result, Store
from pipeline.entries import ENSEMBLE, TUNED, library_nodes
from pipeline.files import read_entries, read_json, read_target
from pipeline.report.settings import settings
from pipeline.report.summary import Summary, summarise
from pipeline.types import CrossFit


@dataclass(frozen=True)
class Evidence:
    """A finished run: its figures, its configuration, every entry's predictions, and what tuning tried.

    entries, recipes, seconds, the monitor's findings and a network's parameters by entry; blend: the ensemble's own
    predictions, cross-fitted; target (n_train,) values or codes into `classes`; trials: by model a frame (number,
    state, error, se, rungs, parameters).
    """

    results: Mapping[str, Result]
    summary: Summary
    settings: Mapping[str, Any]
    entries: Mapping[str, CrossFit]
    recipes: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    findings: Mapping[str, tuple[str, ...]]
    parameters: Mapping[str, str]
    blend: CrossFit
    target: np.ndarray
    classes: tuple[str, ...]
    trials: Mapping[str, pd.DataFrame]


def gather(store: Store, results: Mapping[str, Result]) -> Evidence:
    """Read a run's results by node name, each hashed before it is read; damage is a DamagedError."""
    folders = {name: store.open(result) for name, result in results.items()}
    entries: dict[str, CrossFit] = {}
    recipes: dict[str, Mapping[str, Any]] = {}
    seconds: dict[str, float] = {}
    findings: dict[str, tuple[str, ...]] = {}
    parameters: dict[str, str] = {}
    for name, result in results.items():
        if verdict := result.facts.get("verdict"):
            findings[f"{name[5:-1]}{TUNED}"] = (verdict,)
    for name, node in library_nodes(results).items():
        own, fits = read_entries(folders[node] / "entries"), dict.fromkeys([f"train[{name}]", node])
        entries |= own
        recipes |= dict.fromkeys(own, results[f"train[{name}]"].facts.get("recipe", {}))
        for facts in (results[fit].facts for fit in fits):
            seconds |= {entry: seconds.get(entry, 0.0) + more for entry, more in facts.get("seconds", {}).items()}
            parameters |= facts.get("parameters", {})
            found = facts.get("findings", {})
            findings |= {entry: (*findings.get(entry, ()), *lines) for entry, lines in found.items()}
    target = read_target(folders["preprocess"])
    return Evidence(
        results=results,
        summary=summarise(results),
        settings=settings(results),
        entries=entries,
        recipes=recipes,
        seconds=seconds,
        findings=findings,
        parameters=parameters,
        blend=read_entries(folders["ensemble"])[ENSEMBLE],
        target=target,
        classes=tuple(read_json(folders["preprocess"] / "task.json")["classes"]),
        trials={n[5:-1]: pd.read_parquet(f / "trials.parquet") for n, f in folders.items() if n.startswith("tune[")},
    )
