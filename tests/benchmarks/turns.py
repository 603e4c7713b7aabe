"""Contenders timed in turns, and what was found in tables and files."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import Timing, timed

RESULTS = Path(__file__).with_name("results")


def interleaved(contenders: Mapping[str, Callable[[int], Any]], repeats: int) -> dict[str, dict[str, Any]]:
    """Time all contenders in turns, each time with another seed; the first turn warms up and is left out.

    A contender returns its error, or None.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in contenders}
    for seed in range(repeats + 1):
        for name, call in contenders.items():
            timing = timed(lambda call=call, seed=seed: call(seed))
            timings[name] += [timing] if seed else []
    return {name: _summary(found) for name, found in timings.items()}


def _summary(timings: Sequence[Timing]) -> dict[str, Any]:
    seconds, errors = [timing.seconds for timing in timings], [timing.result for timing in timings]
    found = {
        "seconds": statistics.median(seconds),
        "all_seconds": seconds,
        "foreign": statistics.median(timing.foreign for timing in timings),
    }
    return found if None in errors else found | {"error": statistics.mean(errors), "se": standard_error(errors)}


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the values' mean."""
    return statistics.stdev(values) / len(values) ** 0.5


def publish(name: str, found: Mapping[str, Any], text: str) -> None:
    """Write what was found as JSON, and as Markdown for people."""
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)
