"""A mirror of results in MLflow, never a source: with tracking off or the server down the same bytes come out.

What cannot be told at once (MLflow is not imported for a cached run, or the server is down) waits in a journal
of JSON lines that the next run or `pipeline ui` hands over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.errors import TrackingError

PARAM_LENGTH = 500
BATCH = 900
"""MLflow takes at most 1,000 metrics and 100 params a call; longer params are cut by some servers."""


@dataclass(frozen=True)
class Record:
    """What one run tells MLflow; `identity` is the key of the result, so that it is told once."""

    name: str
    identity: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)
    artifacts: tuple[Path, ...] = ()
    children: tuple[Record, ...] = ()


def default_uri(experiments: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the sqlite database below experiments/."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(experiments / 'mlflow.db').resolve()}"


def write(record: Record, experiment: str, uri: str, artifacts: Path) -> str:
    """Log a record and its children, once; return the MLflow run id. A server that is down is a TrackingError."""
    client = _client(uri)
    try:
        experiment_id = _experiment(client, experiment, uri, artifacts)
        there = client.search_runs([experiment_id], f"tags.result = '{record.identity}'", max_results=1)
        if there:
            return str(there[0].info.run_id)
        return _write(client, experiment_id, record, parent=None)
    except Exception as error:
        raise TrackingError(f"MLflow at {uri} did not take the run: {type(error).__name__}: {error}") from error


def touch(identity: str, experiment: str, uri: str, when: str) -> None:
    """Tag the run of a result as reused."""
    client = _client(uri)
    try:
        found = client.get_experiment_by_name(experiment)
        runs = client.search_runs([found.experiment_id], f"tags.result = '{identity}'", max_results=1) if found else []
        for run in runs:
            client.set_tag(run.info.run_id, "reused", str(int(run.data.tags.get("reused", "0")) + 1))
            client.set_tag(run.info.run_id, "reused_at", when)
    except Exception as error:
        raise TrackingError(f"MLflow at {uri} did not take a tag: {type(error).__name__}: {error}") from error


def _client(uri: str) -> Any:
    # a server that is down must not hold up a run for MLflow's default of minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _experiment(client: Any, name: str, uri: str, artifacts: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = uri.startswith("sqlite:")
    return str(client.create_experiment(name, artifact_location=(artifacts / name).resolve().as_uri() if local else None))


def _write(client: Any, experiment_id: str, record: Record, parent: str | None) -> str:
    tags = dict(record.tags) | {"mlflow.runName": record.name}
    # the identity is set last: a run that was cut off half-way is not taken for a whole one
    run_id = client.create_run(
        experiment_id, tags=tags | ({"mlflow.parentRunId": parent} if parent else {})
    ).info.run_id
    _log(client, run_id, record)
    for child in record.children:
        _write(client, experiment_id, child, run_id)
    if record.identity:
        client.set_tag(run_id, "result", record.identity)
    client.set_terminated(run_id)
    return str(run_id)


def _log(client: Any, run_id: str, record: Record) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in record.params.items()]
    metrics = [Metric(key, value, 0, 0) for key, value in record.metrics.items()]
    metrics += [Metric(key, value, 0, step) for key, curve in record.curves.items() for step, value in curve]
    for start in range(0, len(params), 90):
        client.log_batch(run_id, params=params[start : start + 90])
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])
    for path in record.artifacts:
        client.log_artifact(run_id, str(path))


class Journal:
    """Lines that wait for MLflow; a torn last line, left by a kill, is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line, whole even when two runs write at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def take(self) -> list[dict[str, Any]]:
        """Return all lines and empty the journal."""
        if not self.path.is_file():
            return []
        with FileLock(f"{self.path}.lock"):
            lines = self.path.read_text(encoding="utf-8").splitlines()
            self.path.unlink()
        return [value for line in lines if (value := _parsed(line)) is not None]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
