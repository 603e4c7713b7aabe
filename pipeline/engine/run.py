"""Runs a graph: each node is found in the store or made, committed and handed on."""

from __future__ import annotations

import importlib
import platform
import shutil
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.engine import plugins
from pipeline.engine.console import Console
from pipeline.engine.key import progress_key
from pipeline.engine.plan import Step, decide
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import Result, Store
from pipeline.errors import DamagedError, StoreError


@dataclass(frozen=True)
class Outcome:
    """All results of a run by node name, and the names of the nodes that had to be made for it."""

    results: dict[str, Result]
    made: tuple[str, ...]


def run(nodes: Sequence[Node], store: Store, console: Console) -> Outcome:
    """Find or make every node in order; results found damaged on the way are set aside and made anew."""
    made: list[str] = []
    for _ in nodes:
        try:
            return Outcome(_run(nodes, store, console, made), tuple(made))
        except DamagedError as error:
            console.warn(f"{error}; it is made anew")
    raise StoreError(f"results below {store.root} are damaged again and again", hint="check the disk")


def _run(nodes: Sequence[Node], store: Store, console: Console, made: list[str]) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for node in nodes:
        step = decide(node, results, store)
        if step.result is None:
            for name in sorted({i.node for i in node.inputs.values()}):
                store.open(results[name])
            step = replace(step, result=_make(step, results, store, console, made))
        assert step.result is not None
        results[node.name] = step.result
    return results


def _make(step: Step, results: dict[str, Result], store: Store, console: Console, made: list[str]) -> Result:
    """Make one node under its lock; the second of two runs waits and adopts what the first made."""
    node = step.node
    with store.locked(step.key, lambda: console.info(f"{node.name}: another run is making it, waiting")):
        adopted = store.find(node, step.key)
        if adopted is not None:
            return adopted
        folder = store.building(step.key)
        progress = store.progress(progress_key(node, step.parts))
        job = _job(node, results, folder, progress, console)
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        with console.stage(node.name, step.reasons):
            facts = _call(node, job)
        manifest = {
            "parts": dict(step.parts),
            "inputs": {name: {"node": i.node, "key": results[i.node].key} for name, i in node.inputs.items()},
            "sources": {name: path.name for name, path in node.sources.items()},
            "facts": facts,
            "reproducible": node.reproducible,
            "started": started,
            "finished": datetime.now(UTC).isoformat(),
            "seconds": round(time.monotonic() - clock, 3),
            "machine": {"system": platform.platform(), "python": platform.python_version()},
        }
        result = store.commit(node, step.key, folder, manifest)
        if not node.continues:
            shutil.rmtree(progress, ignore_errors=True)
        made.append(node.name)
        return result


def _job(node: Node, results: dict[str, Result], folder: Any, progress: Any, console: Console) -> Job:
    return Job(
        config=node.config,
        inputs={name: results[i.node].folder for name, i in node.inputs.items()},
        sources=node.sources,
        plugins={role: plugins.load(plugin) for role, plugin in node.plugins.items()},
        out=folder,
        progress=progress,
        seed=node.seed,
        log=console,
    )


def _call(node: Node, job: Job) -> dict[str, Any]:
    """Run the stage's function; what libraries warn about is kept with the facts instead of on the screen."""
    function = getattr(importlib.import_module(node.module), node.function)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        facts = dict(function(job) or {})
    said = sorted({f"{w.category.__name__}: {w.message}" for w in caught})
    return facts | ({"warnings": said} if said else {})


def verify(store: Store) -> tuple[int, list[DamagedError]]:
    """Hash every file of every result; return how many results there are and what is damaged."""
    damaged = []
    count = 0
    for result in list(store.results()):
        count += 1
        try:
            store.open(result)
        except DamagedError as error:
            damaged.append(error)
    return count, damaged
