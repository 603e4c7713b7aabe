"""Runs a graph: each node is found in the store or made, committed and handed on."""

from __future__ import annotations

import errno
import importlib
import platform
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.engine import plugins
from pipeline.engine.code import edited, forget
from pipeline.engine.console import Console
from pipeline.engine.key import hash_file, progress_key, software
from pipeline.engine.plan import Step, decide
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import Result, Store
from pipeline.errors import DamagedError, DataError, StoreError
from pipeline.spread import Spread, in_turn


@dataclass(frozen=True)
class Outcome:
    """All results of a run by node name, and the names of the nodes that had to be made for it."""

    results: dict[str, Result]
    made: tuple[str, ...]


Watch = Callable[[Mapping[str, Result]], None]
"""Is shown the results that are there, by node name, whenever something else is about to be made or has been."""

Walk = Callable[[Sequence[Node], Store, Console, list[str], Watch], dict[str, Result]]
"""Finds or makes every node of a graph; adds the names of those that it made to the list, as it makes them."""


def unwatched(results: Mapping[str, Result]) -> None:
    """Look at nothing."""


def in_order(nodes: Sequence[Node], store: Store, console: Console, made: list[str], watch: Watch) -> dict[str, Result]:
    """Find or make one node after the other in this process."""
    results: dict[str, Result] = {}
    for node in nodes:
        if decide(node, results, store).result is None:
            watch(results)
        results[node.name], own = find_or_make(node, results, store, console)
        made += [node.name] * own
    return results


def run(
    nodes: Sequence[Node], store: Store, console: Console, walk: Walk = in_order, watch: Watch = unwatched
) -> Outcome:
    """Find or make every node; results found damaged on the way are set aside and made anew."""
    made: list[str] = []
    for _ in range(len(nodes) + 1):
        try:
            results = walk(nodes, store, console, made, watch)
            read = {i.node for node in nodes for i in node.inputs.values()}
            for name in results.keys() - read - set(made):  # what the run is for: no other node has checked it
                store.open(results[name])
            return Outcome(results, tuple(dict.fromkeys(made)))
        except DamagedError as error:
            console.warn(f"{error}; it is made anew")
    raise StoreError(f"results below {store.root} are damaged again and again", hint="check the disk")


def find_or_make(
    node: Node, results: Mapping[str, Result], store: Store, console: Console, spread: Spread = in_turn
) -> tuple[Result, bool]:
    """Return a node's result, given those that it reads, and whether it was made for this."""
    step = decide(node, results, store)
    if step.result is not None:
        return step.result, False
    for i in node.inputs.values():
        store.open(results[i.node], i.files)
    return _make(step, results, store, console, spread)


def _make(
    step: Step, results: Mapping[str, Result], store: Store, console: Console, spread: Spread
) -> tuple[Result, bool]:
    """Make one node under its lock; the second of two runs waits and adopts what the first made."""
    node = step.node
    continues = progress_key(node, step.parts)
    with ExitStack() as stack:
        stack.enter_context(
            store.locked(step.key, lambda: console.info(f"{node.name}: another run is making it, waiting"))
        )
        adopted = store.find(node, step.key)
        if adopted is not None:
            return adopted, False
        if continues != step.key:  # two runs that ask for more of the same must not continue it side by side
            wait = f"{node.name}: another run is continuing it, waiting"
            stack.enter_context(store.locked(continues, lambda: console.info(wait)))
        folder = stack.enter_context(_building(store, step.key))
        progress = store.progress(continues)
        manifest = _call(step, results, folder, progress, console, spread) | {"progress": continues}
        result = store.commit(node, step.key, folder, manifest)
        if continues == step.key:
            shutil.rmtree(progress, ignore_errors=True)
        return result, True


@contextmanager
def _building(store: Store, key: str) -> Iterator[Path]:
    """Give a folder to build in, and leave nothing of it if that fails or is interrupted."""
    folder = store.building(key)
    try:
        yield folder
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(
            f"{folder} cannot be written: {error.strerror}", hint="free some space, then run again"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _call(
    step: Step, results: Mapping[str, Result], folder: Path, progress: Path, console: Console, spread: Spread
) -> dict[str, Any]:
    """Run the stage's function and return the manifest of what it made, as far as it is known here."""
    node = step.node
    loaded = set(sys.modules)
    job = replace(_job(node, results, folder, progress, console), spread=spread)
    _refuse_edited(step, lambda name: name not in loaded)
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    with console.stage(node.name, step.reasons):
        facts = _facts(node, job)
    _refuse_edited(step, lambda name: name in sys.modules and name not in loaded)
    for role, path in node.sources.items():
        if hash_file(path) != step.parts["sources"][role]:
            raise DataError(f"{path} changed while {node.name} read it", hint="run again")
    return {
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


def _refuse_edited(step: Step, concerns: Callable[[str], bool]) -> None:
    """Refuse to run or keep what was made by other code than its key says: a file edited after the key was worked out.

    Modules that were loaded before are as old as their digest; those loaded since are as new as their file.
    """
    node = step.node
    names = [n for n in edited([node.module], node.plugins.values(), step.parts["code"]) if concerns(n)]
    if names:
        forget(names)
        raise StoreError(f"{', '.join(names)} was edited while {node.name} was about to use it", hint="run again")


def _job(node: Node, results: Mapping[str, Result], folder: Path, progress: Path, console: Console) -> Job:
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


def _facts(node: Node, job: Job) -> dict[str, Any]:
    """Run the stage's function; what libraries warn about is kept with the facts instead of on the screen."""
    function = getattr(importlib.import_module(node.module), node.function)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        facts = dict(function(job) or {})
    said = {f"{w.category.__name__}: {w.message}" for w in caught} | set(facts.get("warnings", ()))
    return facts | ({"warnings": sorted(said)} if said else {})


def try_out(node: Node, inputs: Mapping[str, Path], folder: Path, console: Console) -> None:
    """Run a node's function on the inputs that are there, outside of the store: for what is looked at and not kept."""
    software(node)  # takes the digests that later keys hold, while the code is what is loaded now
    job = _job(replace(node, inputs={}, sources={}), {}, folder, folder, console)
    _facts(node, replace(job, inputs=inputs))


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
