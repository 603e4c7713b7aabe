"""A run is leaking where the audit, last made of its very code and data, found a leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.store import Result
from pipeline.show.leaking import leaks

RIDGE = {"ridge": {"kind": "ridge", "recipe": {"penalty": 1.0}, "tuned": False}}


def result(name: str, key: str, day: int = 1, leak: int = 0, **parts: Any) -> Result:
    inputs = parts.pop("inputs", {})
    manifest = {"node": name, "key": key, "finished": f"2026-01-{day:02}", "facts": {"leak": leak}, "inputs": inputs}
    return Result(Path(key), manifest | {"parts": {"config": {}, **parts}})


def check(name: str = "row_local", reads: str = "1", **more: Any) -> Result:
    return result(f"audit[{name}]", "a", **{"inputs": {"ingest": {"node": "ingest", "key": reads}}, "leak": 1} | more)


FAMILY = {
    "ingest": result("ingest", "1"),
    "preprocess[age]": result("preprocess[age]", "2", code={"features.py:age": "c", "pipeline.features": "d"}),
    "budget": result("budget", "3", config={"models": RIDGE}),
}


@pytest.mark.parametrize(
    ("checks", "found"),
    [
        ([], []),
        ([check()], ["row_local"]),
        ([check(leak=0)], []),
        ([check(), check("copies")], ["copies", "row_local"]),
        ([check(reads="another ingest")], []),
        ([check(code={"features.py:age": "c", "pipeline.audit.row_local": "e"})], ["row_local"]),
        ([check(code={"features.py:age": "another text"})], []),
        ([check(code={"features.py:new": "c"})], []),
        ([check(config={"models": {"ridge": {"penalty": 1.0}}})], ["row_local"]),
        ([check(config={"models": {"ridge": {"penalty": 9.0}}})], []),
        ([check(day=3, leak=0), check(day=2)], []),
        ([check(day=2, leak=0), check(day=3)], ["row_local"]),
    ],
)
def test_a_check_counts_where_it_is_of_the_same_code_and_data(checks: list[Result], found: list[str]) -> None:
    assert leaks([*FAMILY.values(), *checks], FAMILY) == found
