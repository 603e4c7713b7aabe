"""audit: one check of the leak audit; what it found is the result, and the command that shows it decides what fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from types import ModuleType
from typing import Any

from pipeline.engine.stage import Job
from pipeline.extra.rows import read_extra
from pipeline.files import read_folds, table_of, write_json


def run(job: Job) -> dict[str, Any]:
    """Write findings.json: the question that the check asks (its docstring) and what it found.

    The check gets what its READS names: "table", "folds", "extra" (rows, or None), "transforms" (plug-ins by name), or
    the whole job for "features" and "stages", whose inputs, plug-ins and config pipeline/audit_graph.py gives.
    """
    check = job.plugins["check"]
    findings = check.check(**{word: _READERS[word](job) for word in check.READS})
    write_json(job.out / "findings.json", {"asks": check.__doc__, "findings": [asdict(one) for one in findings]})
    return {severity: sum(one.severity == severity for one in findings) for severity in ("leak", "warning", "note")}


def _transforms(job: Job) -> dict[str, ModuleType]:
    return {role[10:]: module for role, module in job.plugins.items() if role.startswith("transform:")}


_READERS: dict[str, Callable[[Job], Any]] = {
    "table": table_of,
    "folds": lambda job: read_folds(job.inputs["split"]),
    "extra": lambda job: read_extra(job.inputs),
    "transforms": _transforms,
    "features": lambda job: job,
    "stages": lambda job: job,
}
