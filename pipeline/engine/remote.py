"""What Ray runs in its workers: a node, beside the driver, and units of a node's work, on any machine.

A worker does what the driver itself would do, in the same folder, with the same code and as many threads; what it
says and warns of goes back with what it made.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from pipeline.engine import plugins
from pipeline.engine.console import Console
from pipeline.engine.key import software
from pipeline.engine.run import find_or_make
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store
from pipeline.errors import ClusterError
from pipeline.spread import Unit
from pipeline.wording import first_few

RETRIES = 3
"""How often what a dead worker or machine had begun is begun again; one that kills every worker must end some time."""
AHEAD = 2
"""Units handed to Ray for every one that can run at once, so that no machine waits for the next."""


@dataclass(frozen=True)
class Site:
    """What a worker shares with the driver: folder and settings, threads, when time is up (seconds since the epoch)."""

    folder: str
    settings: Mapping[str, str]
    threads: int
    ends: float

    def console(self) -> Recorder:
        """Return a log for one node or unit."""
        return Recorder(limit=self.ends - time.time())


class Recorder(Console):
    """Keeps lines for the driver's console to show; bars become lines now and then, which Ray forwards as they come."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit=limit)
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True)
class Made:
    """A node's result, whether it was made for this run, and what was said meanwhile."""

    result: Result
    made: bool
    lines: Sequence[str]


@dataclass(frozen=True)
class Did:
    """What a unit returned, said, and what libraries warned of."""

    value: Any
    lines: Sequence[str]
    warned: Sequence[tuple[str, type[Warning]]]


def make_node(site: Site, root: Path, node: Node, names: Sequence[str], *inputs: Made) -> Made:
    """Find or make a node, given what was made of those that it reads, and spread its units over the cluster."""
    _settle(site)
    results = {name: own.result for name, own in zip(names, inputs, strict=True)}
    console = site.console()
    result, made = find_or_make(node, results, Store(root), console, partial(spread, site, node))
    return Made(replace(result, held=None), made, console.lines)


def spread(site: Site, node: Node, function: Unit, shared: Any, items: Iterable[Any], log: Console) -> Iterator[Any]:
    """Run units of a node's work on the cluster; see `pipeline.spread.Spread`.

    Not more are handed over than keep all machines busy: who makes the items may stop, and results take memory.
    """
    import ray
    from ray import cloudpickle

    # as bytes, which every worker turns into arrays of its own: those in Ray's store cannot be written to
    common = ray.put(cloudpickle.dumps((function, shared)))
    task = _task().options(name=node.name, num_cpus=site.threads)
    expected = software(node)
    waiting: deque[Any] = deque()
    try:
        for item in items:
            waiting.append(task.remote(site, node, expected, [common], item))
            if len(waiting) >= AHEAD * _at_once(site):
                yield _told(node, waiting.popleft(), log)
        while waiting:
            yield _told(node, waiting.popleft(), log)
    finally:
        for unit in waiting:
            ray.cancel(unit)


@cache
def _task() -> Any:
    import ray

    return ray.remote(max_retries=RETRIES)(run_unit)


def _at_once(site: Site) -> int:
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 0) / site.threads))


def _told(node: Node, unit: Any, log: Console) -> Any:
    did = taken(unit, node.name)
    for line in did.lines:
        log.say(line)
    for text, category in did.warned:
        warnings.warn(text, category, stacklevel=2)
    return did.value


def run_unit(site: Site, node: Node, expected: Mapping[str, Any], common: Sequence[Any], item: Any) -> Did:
    """Run one unit on whatever machine this is, if it has the driver's code."""
    _settle(site)
    _refuse_other(node, expected)
    function, shared = _common(node, common[0])
    console = site.console()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        value = function(shared, item, console)
    return Did(value, console.lines, [(str(w.message), w.category) for w in caught])


_kept: dict[str, Any] = {}
"""What the units of one call share, by Ray's name of it, as long as units of it come: it is read once a worker."""


def _common(node: Node, reference: Any) -> Any:
    import ray
    from ray import cloudpickle

    name = reference.hex()
    if name not in _kept:
        _kept.clear()
        for plugin in node.plugins.values():  # a competition's own functions are found by their module's name
            plugins.load(plugin)
        _kept[name] = cloudpickle.loads(ray.get(reference))
    return _kept[name]


def taken(reference: Any, what: str) -> Any:
    """Return what a task returned; raise what it raised, or that its workers died."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.TaskCancelledError:
        raise KeyboardInterrupt from None
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise ClusterError(
            f"{what}: lost on Ray, and {RETRIES} times more: {type(error).__name__}: {reason}",
            hint="a machine that ran out of memory is the usual cause; Ray's logs lie in /tmp/ray/session_latest/logs",
        ) from error


def _settle(site: Site) -> None:
    """Work where the driver works."""
    try:
        os.chdir(site.folder)
    except OSError as error:
        raise ClusterError(
            f"{socket.gethostname()} has no folder {site.folder}: {error.strerror}",
            hint="all machines of the cluster must see the same files under the same paths",
        ) from error
    os.environ.update(site.settings)


def _refuse_other(node: Node, expected: Mapping[str, Any]) -> None:
    """Refuse to work with other code or libraries than the key of the result says."""
    found, wanted = (_flat(parts) for parts in (software(node), expected))
    names = [name for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
    if names:
        shown = [f"{name} {found.get(name, 'not there')} instead of {wanted.get(name, 'none')}" for name in names]
        raise ClusterError(
            f"{node.name}: {socket.gethostname()} has {first_few(shown, 3)}",
            hint="start Ray on all machines from the same environment, on a file system that they share",
        )


def _flat(parts: Mapping[str, Any]) -> dict[str, str]:
    """Return versions, and digests in short, by the name of what they are of."""
    code = {name: value[:12] for name, value in parts["code"].items()}
    return code | dict(parts["libraries"]) | {"Python": parts["python"]}
