"""Runs a graph on a Ray cluster: every node that must be made is a task beside the driver, its units tasks anywhere.

Ray orders the tasks by what they read, runs those side by side that do not depend on each other, and begins again
elsewhere what a dead worker or machine had begun. What is cached needs no cluster.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.engine import remote
from pipeline.engine.console import Console
from pipeline.engine.plan import decide
from pipeline.engine.remote import Made, Site
from pipeline.engine.run import Walk, Watch
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store
from pipeline.errors import ClusterError, DamagedError

PACKAGE = Path(__file__).resolve().parents[2]
GRACE_SECONDS = 10.0
"""How long cancelled tasks have to leave the store clean."""

ANSWER_SECONDS = 5.0
THREADS = "OMP_NUM_THREADS"


def on(address: str) -> Walk:
    """Return a walk through a graph on the cluster at an address: `auto`, `local` or host:port."""

    def walk(nodes: Sequence[Node], store: Store, console: Console, made: list[str], watch: Watch) -> dict[str, Result]:
        results: dict[str, Result] = {}
        open_nodes = [node for node in nodes if not _found(node, results, store)]
        if open_nodes:
            with _connected(address):
                _make_all(open_nodes, results, store, console, made, watch)
        return {node.name: results[node.name] for node in nodes}

    return walk


def _found(node: Node, results: dict[str, Result], store: Store) -> bool:
    """Say whether a node is cached, and put its result to the others."""
    if any(i.node not in results for i in node.inputs.values()):
        return False
    step = decide(node, results, store)
    if step.result is not None:
        results[node.name] = step.result
    return step.result is not None


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Connect to a cluster, or start one that ends with the driver; it is only looked for where the address says."""
    try:
        import ray
    except ImportError:
        raise ClusterError(
            "--ray (or RAY_ADDRESS) asks for a cluster, but Ray is not installed",
            hint="pip install --constraint constraints.txt --editable '.[distributed]'",
        ) from None
    _refuse_silent(address)
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, runtime_env={"env_vars": _environment()}, logging_level="error", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ClusterError(f"no Ray cluster at '{address}': {reason}", hint=_START) from error
    try:
        _refuse_small()
        yield
    finally:
        ray.shutdown()


def _refuse_silent(address: str) -> None:
    """Refuse an address at which nobody listens: Ray would go on asking for a quarter of an hour."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ClusterError(f"no Ray cluster at '{address}': {error}", hint=_START) from error


_START = (
    "`ray start --head` on one machine, `ray start --address=HOST:6379` on the others, then this on one of them with "
    "--ray auto; --ray local starts a cluster of this machine alone"
)


def _threads() -> int:
    """Return with how many threads a process of the driver's would work."""
    wanted = os.environ.get(THREADS, "").partition(",")[0]
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _environment() -> dict[str, str]:
    """Return what workers must find when they start: the driver's code, and its number of threads."""
    path = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    spins = {name: os.environ[name] for name in ("GOMP_SPINCOUNT",) if name in os.environ}
    return {"PYTHONPATH": os.pathsep.join(path), THREADS: str(_threads())} | spins


def _site(console: Console) -> Site:
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIPELINE_")}
    left = console.deadline - time.monotonic()
    return Site(str(Path.cwd()), settings, _threads(), time.time() + left)


def _refuse_small() -> None:
    """Refuse a cluster none of whose machines has a core for every thread: its tasks would wait for ever."""
    import ray

    most = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=0)
    if most < _threads():
        raise ClusterError(
            f"no machine of the cluster has {_threads()} cores, one for each thread of a fit; the largest has {most:g}",
            hint=f"set {THREADS}={max(1, int(most))}; with another number the last bits of a result may differ",
        )


def _make_all(
    nodes: Sequence[Node], results: dict[str, Result], store: Store, console: Console, made: list[str], watch: Watch
) -> None:
    """Hand all nodes to Ray at once, and take what comes back as it comes; an error ends them all."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # no core is kept for a node: its work is done by its units
    task = ray.remote(num_cpus=0, max_retries=remote.RETRIES, scheduling_strategy=here)(remote.make_node)
    site, tasks = _site(console), dict[str, Any]()
    for node in nodes:
        names = list(dict.fromkeys(i.node for i in node.inputs.values()))
        inputs = [tasks[name] if name in tasks else _sent(results[name]) for name in names]
        tasks[node.name] = task.options(name=node.name).remote(site, store.root, node, names, *inputs)
    by_task = {tasks[node.name]: node for node in nodes}
    try:
        with console.progress("stages on Ray", len(nodes)) as bar:
            while by_task:
                watch(results)
                (done,), _ = ray.wait(list(by_task), num_returns=1)
                node = by_task.pop(done)
                results[node.name] = _took(node, remote.taken(done, node.name), store, console, made)
                bar.advance(note=node.name)
    finally:
        _cancel(list(by_task))


def _sent(result: Result) -> Made:
    return Made(replace(result, held=None), False, ())  # a lock is this process's own


def _took(node: Node, own: Made, store: Store, console: Console, made: list[str]) -> Result:
    """Show what a node's task said, and find its result in the store, which holds it for this process."""
    for line in own.lines:
        console.say(line)
    made += [node.name] * own.made
    found = store.find(node, own.result.key)
    if found is None:
        raise DamagedError(f"{own.result.folder} is not there, though {node.name} was just made", hint="run again")
    return found


def _cancel(tasks: Sequence[Any]) -> None:
    """Interrupt what is still running, as Ctrl-C would, and let it clean up."""
    import ray

    for task in tasks:
        ray.cancel(task)
    if tasks:
        ray.wait(list(tasks), num_returns=len(tasks), timeout=GRACE_SECONDS)
