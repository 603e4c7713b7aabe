"""Which runs the leak audit has found leaking, read from its cached results and from what they share with a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.engine.sealed import OWN
from pipeline.engine.store import Result


def leaks(results: Iterable[Result], family: Mapping[str, Result]) -> list[str]:
    """Return the checks that found a leak in the very code and data of a run, as each was last made.

    results: all of a store. family: those of the run, by node name.
    """
    code = {name: digest for result in family.values() for name, digest in _own_code(result).items()}
    models = {name: model["recipe"] for name, model in _parts(family["budget"])["config"]["models"].items()}
    last: dict[str, Result] = {}
    for check in results:
        if check.name.startswith("audit[") and _is_of(check, family, code, models):
            last[check.name] = max(check, last.get(check.name, check), key=lambda made: str(made.manifest["finished"]))
    return sorted(name[6:-1] for name, check in last.items() if check.facts.get("leak"))


def _is_of(check: Result, family: Mapping[str, Result], code: Mapping[str, str], models: Mapping[str, Any]) -> bool:
    """Tell whether a check read what the run read, with the same own code and, where it tries models, the same ones."""
    read = {origin["node"]: origin["key"] for origin in check.manifest["inputs"].values()}
    return (
        all(node in family and family[node].key == key for node, key in read.items())
        and all(code.get(name) == digest for name, digest in _own_code(check).items())
        and _parts(check)["config"].get("models", models) == models
    )


def _own_code(result: Result) -> dict[str, str]:
    code = _parts(result).get("code", {})
    return {name: digest for name, digest in code.items() if name.partition(":")[0] in OWN}


def _parts(result: Result) -> Mapping[str, Any]:
    parts: Mapping[str, Any] = result.manifest["parts"]
    return parts
