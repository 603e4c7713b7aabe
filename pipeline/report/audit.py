"""What the leak audit found, read from its cached results; needs only the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.engine.store import Result

SEVERITIES = ("leak", "warning", "note")
TAG_LENGTH = 5_000
"""Some servers of MLflow refuse longer tags."""


@dataclass(frozen=True)
class Checked:
    """One check: its name, the question it asks, and its findings, the gravest first."""

    name: str
    asks: str
    findings: tuple[Mapping[str, Any], ...]

    def count(self, severity: str) -> int:
        return sum(finding["severity"] == severity for finding in self.findings)


def checked(results: Mapping[str, Result]) -> list[Checked]:
    """Return every check among a run's results, by node name; the first sentence of a check is its question."""
    found = []
    for name, result in results.items():
        if name.startswith("audit["):
            said = json.loads((result.folder / "findings.json").read_text(encoding="utf-8"))
            findings = sorted(said["findings"], key=lambda finding: SEVERITIES.index(finding["severity"]))
            found.append(Checked(name[6:-1], said["asks"].partition("\n")[0], tuple(findings)))
    return found


def verdict(checks: list[Checked]) -> str:
    """Return "2 leaks, 1 warning in 9 checks", or "no leaks, no warnings in 9 checks"."""
    counts = {severity: sum(check.count(severity) for check in checks) for severity in SEVERITIES[:2]}
    words = [f"{n or 'no'} {severity}{'' if n == 1 else 's'}" for severity, n in counts.items()]
    return f"{', '.join(words)} in {len(checks)} checks"


def leaking(checks: Iterable[Checked]) -> list[str]:
    """Return the names of the checks that found a leak in our own pipeline."""
    return [check.name for check in checks if check.count("leak")]


def facts(checks: list[Checked]) -> dict[str, str]:
    """Return what MLflow is told, as tags: the verdict, and every leak and warning under its check's name."""
    told = {"audit": verdict(checks)} if checks else {}
    for check in checks:
        lines = [
            f"{one['severity']}: {one['what']} ({one['where']}; {one['strength']})"
            for one in check.findings
            if one["severity"] != "note"
        ]
        told[f"audit/{check.name}"] = "; ".join(lines)[:TAG_LENGTH] or "nothing found"
    return told
