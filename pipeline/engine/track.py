"""A mirror of results in MLflow, never a source: with tracking off or the server down the same bytes come out.

What cannot be told at once (MLflow is not imported for a cached run, or the server is down) waits in a journal
of JSON lines that the next run or `pipeline ui` hands over.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.atomic import put_text
from pipeline.errors import TrackingError

PARAM_LENGTH = 500
"""Longer params are cut by some servers."""
PARAMS_A_CALL, METRICS_A_CALL = 90, 900
"""MLflow takes at most 100 params, 100 tags, 1,000 metrics and 1,000 of all together a call."""
RESULT, MAKING = "result", "result_in_making"
ENVIRONMENT = {
    # a server that is down must not hold up a run for MLflow's default of minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
NO_ADDRESS = "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"
"""Always set: MLflow's client would print a run's address, with the password that may stand in it."""


@dataclass(frozen=True)
class Record:
    """What one run tells MLflow; `identity` is the key of the result, so that it is told once.

    curves: (step, value) pairs by metric name. artifacts: a folder whose contents are copied. finished: when, in
    milliseconds since 1970; seconds: how long the work took.
    """

    name: str
    identity: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    artifacts: Path | None = None
    children: tuple[Record, ...] = ()
    finished: int = 0
    seconds: float = 0.0


class Mirror:
    """One MLflow experiment at one address; every method raises TrackingError where MLflow does not answer.

    lock: a file that is held while a run is written, so that two runs with the same result tell it once.
    """

    def __init__(self, experiment: str, uri: str, artifacts: Path, lock: Path) -> None:
        self.experiment, self.uri, self.artifacts, self.lock = experiment, uri, artifacts, lock

    def write(self, record: Record) -> bool:
        """Log a record and its children; False where its result is there already."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.lock), self._talk() as (client, experiment_id):
            if _find(client, experiment_id, RESULT, record.identity):
                return False
            for leftover in _find(client, experiment_id, MAKING, record.identity):
                _delete(client, experiment_id, leftover)
            _write(client, experiment_id, record, None)
            return True

    def touch(self, identity: str, when: str) -> bool:
        """Count one reuse of a result on its run; False where MLflow does not know the result."""
        with self._talk() as (client, experiment_id):
            runs = _find(client, experiment_id, RESULT, identity)
            for run in runs:
                client.set_tag(run.info.run_id, "reused", str(int(run.data.tags.get("reused", "0")) + 1))
                client.set_tag(run.info.run_id, "reused_at", when)
            return bool(runs)

    def annotate(self, identity: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> bool:
        """Add metrics and tags to the run of a result, of whose key the start is enough; False where there is none."""
        with self._talk() as (client, experiment_id):
            runs = list(client.search_runs([experiment_id], f"tags.`{RESULT}` LIKE '{identity}%'"))
            for run in runs:
                for name, value in metrics.items():
                    client.log_metric(run.info.run_id, _name(name), value)
                for name, text in tags.items():
                    client.set_tag(run.info.run_id, _name(name), text)
            return bool(runs)

    def describe(self, markdown: str) -> None:
        """Put a text above the experiment's list of runs."""
        with self._talk() as (client, experiment_id):
            client.set_experiment_tag(experiment_id, "mlflow.note.content", markdown)

    @contextmanager
    def _talk(self) -> Iterator[tuple[Any, str]]:
        try:
            client = _client(self.uri)
            yield client, self._experiment(client)
        except Exception as error:
            said = str(error).strip().partition("\n")[0].replace(self.uri, shown(self.uri))
            kind = type(error).__name__
            raise TrackingError(f"MLflow at {shown(self.uri)} did not take it: {kind}: {said}") from error

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(self.experiment)
        if found is not None:
            if found.lifecycle_stage == "deleted":  # in MLflow's UI; it takes nothing there, and its name is not free
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        location = (self.artifacts / self.experiment).resolve().as_uri() if self.uri.startswith("sqlite:") else None
        experiment_id = client.create_experiment(self.experiment, artifact_location=location)
        # without it the UI asks whether this is about language models, and shows traces instead of runs
        client.set_experiment_tag(experiment_id, "mlflow.experimentKind", "custom_model_development")
        return str(experiment_id)


def shown(uri: str) -> str:
    """Return an address without the user and password that may stand in it."""
    return re.sub(r"(?<=//)[^/@]*@", "", uri)


def default_uri(experiments: Path) -> str:
    """Return the sqlite database below experiments/."""
    return f"sqlite:///{(experiments / 'mlflow.db').resolve()}"


def _client(uri: str) -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ[NO_ADDRESS] = "true"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=uri)


def _find(client: Any, experiment_id: str, tag: str, value: str) -> list[Any]:
    return list(client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'"))


def _delete(client: Any, experiment_id: str, run: Any) -> None:
    """Delete a run that was cut off half-way, and its children."""
    for child in _find(client, experiment_id, "mlflow.parentRunId", run.info.run_id):
        client.delete_run(child.info.run_id)
    client.delete_run(run.info.run_id)


def _write(client: Any, experiment_id: str, record: Record, parent: str | None) -> None:
    tags = {_name(key): str(value) for key, value in record.tags.items()}
    tags |= {"mlflow.parentRunId": parent} if parent else {MAKING: record.identity}
    started = record.finished - round(1000 * record.seconds)
    run_id = client.create_run(experiment_id, started, tags, record.name).info.run_id
    _log(client, run_id, record)
    for child in record.children:
        _write(client, experiment_id, child, run_id)
    if not parent:
        # set last: a run that was cut off half-way is not taken for a whole one
        client.set_tag(run_id, RESULT, record.identity)
        client.delete_tag(run_id, MAKING)
    client.set_terminated(run_id, end_time=record.finished)


def _log(client: Any, run_id: str, record: Record) -> None:
    from mlflow.entities import Metric, Param

    params = [Param(_name(key), str(value)[:PARAM_LENGTH]) for key, value in record.params.items()]
    metrics = [Metric(_name(key), value, record.finished, 0) for key, value in record.metrics.items()]
    metrics += [
        Metric(_name(key), value, record.finished, step)
        for key, curve in record.curves.items()
        for step, value in curve
    ]
    for start in range(0, len(params), PARAMS_A_CALL):
        client.log_batch(run_id, params=params[start : start + PARAMS_A_CALL])
    for start in range(0, len(metrics), METRICS_A_CALL):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_CALL])
    if record.artifacts is not None:
        client.log_artifacts(run_id, str(record.artifacts))


def _name(key: str) -> str:
    """Return a name that MLflow takes: letters, digits, and _ - . : / and spaces."""
    return re.sub(r"[^\w\-. :/]", "_", key.replace("[", ".").replace("]", ""), flags=re.ASCII)


class Journal:
    """Lines that wait for MLflow, each until it was told; what a kill or a bad disk made of one is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *lines: Mapping[str, Any]) -> None:
        """Add lines, whole even when two runs write at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"), self.path.open("a", encoding="utf-8") as file:
            torn = file.tell() and not self.path.read_bytes().endswith(b"\n")
            file.write("\n" * bool(torn) + "".join(json.dumps(line) + "\n" for line in lines))

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines that wait."""
        return [value for line in self._texts() if (value := _parsed(line)) is not None]

    def tell(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Tell every line, one process at a time, and forget each once it was told: what raises leaves it waiting.

        A kill in between tells it once more: no second run is made of it, but `Mirror.touch` counts one reuse too many.
        """
        if not self.path.is_file():
            return
        with FileLock(f"{self.path}.telling.lock"):
            while texts := self._whole_texts():
                line = _parsed(texts[0])
                if line is not None:
                    tell(line)
                self._forget_first()

    def _whole_texts(self) -> list[str]:
        with FileLock(f"{self.path}.lock"):  # what `append` is at would be taken for a torn line and forgotten
            return self._texts()

    def _texts(self) -> list[str]:
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines() if self.path.is_file() else []

    def _forget_first(self) -> None:
        with FileLock(f"{self.path}.lock"):
            left = self._texts()[1:]
            if left:
                put_text(self.path, "".join(f"{text}\n" for text in left))
            else:
                self.path.unlink()


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
