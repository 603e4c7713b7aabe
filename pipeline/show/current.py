"""What runs are compared by: the metric and the raw files of a competition, as they are now."""

from __future__ import annotations

from pipeline.config import Competition, metric_plugin
from pipeline.engine.code import closure
from pipeline.engine.key import hash_file
from pipeline.engine.store import Result
from pipeline.errors import DataError
from pipeline.graph import raw_sources
from pipeline.own_metric import FILE
from pipeline.report.summary import Summary
from pipeline.workspace import Workspace


def judge(workspace: Workspace, competition: Competition) -> str:
    """Return what tells the competition's metric from others: its name, or the digest of metric.py."""
    plugin = metric_plugin(workspace, competition)
    return closure([], [plugin]).digests.get(FILE) or plugin.module.rpartition(".")[2]


def judge_of(summary: Summary, ensemble: Result) -> str:
    """Return the same of a run, whatever metric it was judged by."""
    return ensemble.manifest["parts"].get("code", {}).get(FILE) or summary.metric


def raw_hashes(workspace: Workspace, competition: Competition) -> dict[str, str]:
    """Return the hashes of the raw files by role, as `ingest` has them in its key; none where one is not there."""
    try:
        return {role: hash_file(path) for role, path in raw_sources(workspace, competition).items()}
    except DataError:
        return {}
