"""What would run, and why: every reason is typed by what changed since the newest result of the same node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.engine.key import digest, hash_file, key_parts
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store

State = Literal["cached", "run", "maybe"]


@dataclass(frozen=True)
class Step:
    """One node of a plan: cached, to run, or to be decided when its inputs are there."""

    node: Node
    state: State
    reasons: tuple[str, ...]
    parts: Mapping[str, Any]
    key: str = ""
    result: Result | None = None


def plan(nodes: Sequence[Node], store: Store) -> list[Step]:
    """Return one step a node, in order; nothing is run or written."""
    results: dict[str, Result] = {}
    steps = []
    for node in nodes:
        step = decide(node, results, store)
        if step.result is not None:
            results[node.name] = step.result
        steps.append(step)
    return steps


def decide(node: Node, results: Mapping[str, Result], store: Store) -> Step:
    """Decide one node, given the results of those before it."""
    waiting = sorted({i.node for i in node.inputs.values() if i.node not in results})
    inputs = {name: results[i.node].digest(i.files) for name, i in node.inputs.items() if i.node in results}
    parts = key_parts(node, inputs, {name: hash_file(path) for name, path in node.sources.items()})
    if waiting:
        changes = changed(parts, _parts(store.latest(node)), ignore=waiting_inputs(node, waiting))
        return Step(node, "maybe", (*changes, f"after {', '.join(waiting)}"), parts)
    key = digest(parts)
    result = store.find(node, key)
    if result is not None:
        return Step(node, "cached", (), parts, key, result)
    latest = store.latest(node)
    reasons = changed(parts, _parts(latest)) or ["its result is gone or damaged"]
    return Step(node, "run", tuple(reasons), parts, key)


def waiting_inputs(node: Node, waiting: Sequence[str]) -> frozenset[str]:
    """Return the names of the inputs that come from nodes still to run."""
    return frozenset(name for name, i in node.inputs.items() if i.node in waiting)


def changed(new: Mapping[str, Any], old: Mapping[str, Any] | None, ignore: frozenset[str] = frozenset()) -> list[str]:
    """Say in words how the parts of two keys differ; the first run of a node is a reason of its own."""
    if old is None:
        return ["never run before"]
    reasons = []
    if new["scheme"] != old["scheme"]:
        reasons.append(f"cache scheme: {old['scheme']} → {new['scheme']}")
    reasons += [f"input: {n} changed" for n in _differing(new["inputs"], old["inputs"]) if n not in ignore]
    reasons += [f"raw file: {n} changed" for n in _differing(new["sources"], old["sources"])]
    reasons += _values("config", _flat(new["config"]), _flat(old["config"]))
    reasons += [f"code: {n} changed" for n in _differing(new["code"], old["code"])]
    reasons += _values("library", new["libraries"], old["libraries"])
    if new["python"] != old["python"]:
        reasons.append(f"python: {old['python']} → {new['python']}")
    if new["seed"] != old["seed"]:
        reasons.append(f"seed: {old['seed']} → {new['seed']}")
    return reasons


def _parts(result: Result | None) -> Mapping[str, Any] | None:
    return None if result is None else result.manifest["parts"]


def _differing(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def _values(label: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    return [f"{label} {n}: {old.get(n, 'absent')} → {new.get(n, 'absent')}" for n in _differing(new, old)]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Turn nested config into {"models.mlp.lr": 0.1}, so that a reason names the very key."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, part in value.items():
        flat |= _flat(part, f"{prefix}.{name}" if prefix else str(name))
    return flat
