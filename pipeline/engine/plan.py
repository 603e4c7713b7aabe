"""What would run, and why: every reason is typed by what differs from the nearest result of the same node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.engine.key import digest, hash_file, key_parts
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store

State = Literal["cached", "run", "maybe"]
LONGEST = 60
"""Characters of a value in a reason."""


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
        changes = _changes(parts, store.made(node), ignore=waiting_inputs(node, waiting))
        return Step(node, "maybe", tuple(changes) or (f"after {', '.join(waiting)}",), parts)
    key = digest(parts)
    result = store.find(node, key)
    if result is not None:
        return Step(node, "cached", (), parts, key, result)
    reasons = _changes(parts, store.made(node)) or ["its result is incomplete"]
    return Step(node, "run", tuple(reasons), parts, key)


def _changes(parts: Mapping[str, Any], results: Sequence[Result], ignore: frozenset[str] = frozenset()) -> list[str]:
    """Say how a key differs from that of the result that it differs least from, of several the first.

    Another experiment's may be newer: nobody made the changes since that one.
    """
    if not results:
        return changed(parts, None)
    same_scheme = [result for result in results if result.manifest["parts"].get("scheme") == parts["scheme"]]
    told = (changed(parts, result.manifest["parts"], ignore) for result in same_scheme or results)
    return min(told, key=len)


def waiting_inputs(node: Node, waiting: Sequence[str]) -> frozenset[str]:
    """Return the names of the inputs that come from nodes still to run."""
    return frozenset(name for name, i in node.inputs.items() if i.node in waiting)


def changed(new: Mapping[str, Any], old: Mapping[str, Any] | None, ignore: frozenset[str] = frozenset()) -> list[str]:
    """Say in words how the parts of two keys differ; the first run of a node is a reason of its own."""
    if old is None:
        return ["never run before"]
    if new["scheme"] != old.get("scheme"):
        return [f"cache scheme: {old.get('scheme')} → {new['scheme']}"]  # the other parts mean something else there
    reasons = _values("stage", {"": new["stage"]}, {"": old["stage"]})
    reasons += _contents("input", new["inputs"], old["inputs"], ignore)
    reasons += _contents("raw file", new["sources"], old["sources"])
    reasons += _values("config", _sections(new["config"], old["config"]), _sections(old["config"], new["config"]))
    reasons += _values("plug-in", new["plugins"], old["plugins"])
    reasons += _contents("code", new["code"], old["code"])
    reasons += _values("library", new["libraries"], old["libraries"])
    reasons += _values("python", {"": new["python"]}, {"": old["python"]})
    return reasons + _values("seed", {"": new["seed"]}, {"": old["seed"]})


def _contents(
    label: str, new: Mapping[str, str], old: Mapping[str, str], ignore: frozenset[str] = frozenset()
) -> list[str]:
    """Say of what is compared by digest whether it changed, came or went."""
    named = [name for name in _differing(new, old) if name not in ignore]
    return [
        f"{label}: {name} {'is read now' if name not in old else 'is no longer read' if name not in new else 'changed'}"
        for name in named
    ]


def _values(label: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    nothing = "not used" if label == "library" else "absent"
    return [
        f"{label} {name}".rstrip() + f": {_short(old.get(name, nothing))} → {_short(new.get(name, nothing))}"
        for name in _differing(new, old)
    ]


def _differing(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in new.keys() | old.keys() if (name in new) != (name in old) or new[name] != old[name])


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sections(value: Any, other: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten a config where the other one has such sections, too: one that came or went is a single reason."""
    if not (isinstance(value, Mapping) and isinstance(other, Mapping) and value and other):
        return {prefix: value}
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= _sections(part, other.get(name), f"{prefix}.{name}" if prefix else str(name))
    return found


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Turn nested config into {"models.mlp.lr": 0.1}, so that a reason names the very key; empty sections stay."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    found: dict[str, Any] = {}
    for name, part in value.items():
        found |= flat(part, f"{prefix}.{name}" if prefix else str(name))
    return found
