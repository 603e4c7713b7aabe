"""Tells MLflow of finished runs, now or by way of a journal; a run never fails because of it.

PIPELINE_TRACKING=off switches it off, MLFLOW_TRACKING_URI names another place than experiments/mlflow.db.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config import Competition, Experiment
from pipeline.engine.console import Console
from pipeline.engine.run import Outcome
from pipeline.engine.store import Result, Store
from pipeline.engine.track import Journal, Mirror, Record, default_uri, shown
from pipeline.errors import ConfigError, PipelineError, StoreError, TrackingError, refusal
from pipeline.kaggle.ledger import Line
from pipeline.workspace import Workspace


def mirror(
    workspace: Workspace,
    competition: Competition,
    experiment: Experiment,
    outcome: Outcome,
    console: Console,
    audit: Mapping[str, str] | None = None,
) -> None:
    """Tell MLflow of a finished run; of one that was all cached, and of what MLflow does not take, the journal.

    audit: what the leak audit found, where it has been made, as report.audit.facts has it; tags of the run.
    """
    if not _wanted():
        return
    line = _line(competition, experiment, outcome) | ({"audit": dict(audit)} if audit else {})
    try:
        _now_or_later(workspace, line, outcome, console)
    except OSError as error:
        console.warn(f"MLflow is not told of this run: {refusal(error)}; PIPELINE_TRACKING=off does without")


def _now_or_later(workspace: Workspace, line: dict[str, Any], outcome: Outcome, console: Console) -> None:
    journal(workspace).append(line | {"action": "log" if outcome.made else "reused"})
    if outcome.made:
        with console.stage("track", [f"MLflow at {shown(uri(workspace))}"]):
            _hand_over(workspace, console)


def tell_scores(workspace: Workspace, slug: str, lines: Sequence[Line], console: Console) -> None:
    """Tell MLflow what Kaggle says of submissions; lines of the ledger without a run of ours are passed over."""
    told = [_scored(slug, line) for line in lines if re.fullmatch(r"[0-9a-f]{12,64}", line.run)]
    if not told or not _wanted():
        return
    try:
        journal(workspace).append(*told)
        hand_over(workspace, console)
    except OSError as error:
        console.warn(f"MLflow is not told of the score: {refusal(error)}; PIPELINE_TRACKING=off does without")


def _scored(slug: str, line: Line) -> dict[str, Any]:
    numbers = {"public_score": line.public, "private_score": line.private, "leaderboard_rank": line.rank}
    tags = {"kaggle/ref": line.ref, "kaggle/status": line.status, "kaggle/error": line.error}
    return {
        "action": "scored",
        "competition": slug,
        "experiment": line.experiment,
        "run": line.run,
        "metrics": {name: value for name, value in numbers.items() if value is not None},
        "tags": {name: text for name, text in tags.items() if text},
    }


def hand_over(workspace: Workspace, console: Console) -> None:
    """Empty the journal into MLflow; lines that it does not take stay."""
    n_lines = len(journal(workspace).lines())
    if n_lines:
        with console.stage("track", [f"{n_lines} journal lines to MLflow at {shown(uri(workspace))}"]):
            _hand_over(workspace, console)


def serve(workspace: Workspace, host: str, port: int, console: Console) -> None:
    """Hand over the journal and become the MLflow UI; does not return."""
    address = uri(workspace)
    hand_over(workspace, console)
    if address.startswith(("http://", "https://")):
        raise ConfigError(
            f"MLFLOW_TRACKING_URI is {shown(address)}: that server has a UI of its own",
            hint=f"open {shown(address)} in a browser",
        )
    console.rich.print(f"MLflow: [bold]http://{host}:{port}[/]  (Ctrl-C ends it)")
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--host",
        host,
        "--port",
        str(port),
    ]
    command += ["--default-artifact-root", _artifacts(workspace).resolve().as_uri()]
    # one person's UI: one worker starts in a quarter of the time, and there are no jobs to run
    command += ["--workers", "1"]
    os.environ["MLFLOW_BACKEND_STORE_URI"] = address  # no argument: others can read those, and it may hold a password
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    os.execv(sys.executable, command)


def journal(workspace: Workspace) -> Journal:
    """Return the journal of a workspace."""
    return Journal(workspace.experiments / "journal.jsonl")


def uri(workspace: Workspace) -> str:
    """Return MLFLOW_TRACKING_URI, or the sqlite database below experiments/."""
    return os.environ.get("MLFLOW_TRACKING_URI") or default_uri(workspace.experiments)


def _wanted() -> bool:
    """Return whether to track at all; a word that is neither on nor off is a ConfigError."""
    word = os.environ.get("PIPELINE_TRACKING", "on").lower()
    if word not in ("on", "off"):
        raise ConfigError(f"PIPELINE_TRACKING is '{word}', expected 'on' or 'off'")
    return word == "on"


def _artifacts(workspace: Workspace) -> Path:
    return workspace.experiments / "mlartifacts"


def _line(competition: Competition, experiment: Experiment, outcome: Outcome) -> dict[str, Any]:
    """Return a run's line of the journal, with its whole config: the files may change before MLflow is told."""
    return {
        "competition": competition.slug,
        "experiment": experiment.name,
        "config": {
            "competition": competition.model_dump(mode="json"),
            "experiment": experiment.model_dump(mode="json"),
        },
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "results": {name: result.key for name, result in outcome.results.items()},
    }


def _hand_over(workspace: Workspace, console: Console) -> None:
    """Tell MLflow every line; the first that it does not take stays in the journal with all after it."""
    told: set[str] = set()

    def tell(line: dict[str, Any]) -> None:
        try:
            _tell(workspace, line)
            told.add(line["competition"])
        except TrackingError:
            raise
        except PipelineError as error:
            console.warn(f"MLflow is not told of a run of {line['experiment']}: {error}")

    try:
        journal(workspace).tell(tell)
    except (TrackingError, OSError) as error:
        console.warn(f"{error}; kept in {journal(workspace).path} for the next run or `pipeline ui`")
        return
    for slug in sorted(told):
        _describe(workspace, slug, console)


def _tell(workspace: Workspace, line: Mapping[str, Any]) -> None:
    slug = line["competition"]
    mlflow = _mirror(workspace, slug)
    if line.get("action") == "scored":
        if not mlflow.annotate(line["run"], line["metrics"], line["tags"]):
            raise StoreError("MLflow has no run of the submission that was scored")
        return
    keys = line["results"]
    if not mlflow.touch(keys["submit"], line["when"]):
        _write(mlflow, workspace, line)
    if line.get("audit"):
        mlflow.annotate(keys["submit"], {}, line["audit"])


def _write(mlflow: Mirror, workspace: Workspace, line: Mapping[str, Any]) -> None:
    slug, keys = line["competition"], line["results"]
    store = Store(workspace.cache(slug))
    by_key: dict[str, Result] = {result.key: result for result in store.results()}
    gone = [name for name, key in keys.items() if key not in by_key]
    if gone:
        raise StoreError(f"the results of {', '.join(gone)} are no longer in {store.root}")
    results = {name: by_key[key] for name, key in keys.items()}
    with tempfile.TemporaryDirectory() as folder:
        mlflow.write(_record(workspace, line, store, results, Path(folder)))


def _record(
    workspace: Workspace, line: Mapping[str, Any], store: Store, results: Mapping[str, Result], folder: Path
) -> Record:
    """Build what MLflow is told of a run; whatever of it cannot be read or drawn is a StoreError.

    A file that is not there is one, too: results stay as they are, and the line would hold up all others for ever.
    What else the disk refuses may pass.
    """
    from pipeline.report.record import build

    slug = line["competition"]
    submissions, config = workspace.submissions / slug, line.get("config", {})
    try:
        return build(slug, line["experiment"], config, store, results, submissions, folder)
    except PipelineError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            raise
        raise StoreError(f"its results could not be put together: {type(error).__name__}: {error}") from error


def _mirror(workspace: Workspace, slug: str) -> Mirror:
    return Mirror(slug, uri(workspace), _artifacts(workspace), workspace.experiments / "mlflow.lock")


def _describe(workspace: Workspace, slug: str, console: Console) -> None:
    """Put the comparison of a competition's experiments above its runs."""
    from pipeline.report.record import comparison
    from pipeline.show.runs import find_runs

    try:
        _mirror(workspace, slug).describe(comparison(slug, find_runs(workspace, slug)))
    except Exception as error:  # a run does not fail because of what is told of it
        console.warn(str(error) if isinstance(error, TrackingError) else f"MLflow has no comparison: {error!r}")
