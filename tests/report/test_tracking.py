"""MLflow mirrors results: once each, later if need be, and never in the way of a run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline import tracking
from pipeline.config import Competition, Experiment
from pipeline.engine.console import Console
from pipeline.engine.run import Outcome
from pipeline.engine.track import Journal, Record
from pipeline.errors import ConfigError
from pipeline.kaggle.ledger import Line
from pipeline.report.audit import Checked, facts
from pipeline.show import runs as show

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and its libraries warn of their own affairs
SLUG = "made-up-houses"


def mirror(made: Any, *nodes: str) -> None:
    outcome = Outcome(made.results, nodes)
    tracking.mirror(made.workspace, made.competition, made.experiment, outcome, Console(quiet=True))


def journal(made: Any) -> list[dict[str, Any]]:
    path = made.workspace.experiments / "journal.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def runs(made: Any) -> dict[str, Any]:
    client = MlflowClient(tracking_uri=tracking.uri(made.workspace))
    found = client.search_runs([client.get_experiment_by_name(SLUG).experiment_id])
    assert len({run.info.run_name for run in found}) == len(found), "a run was told twice"
    return {run.info.run_name: run for run in found}


@pytest.fixture
def made(run_of: Callable[..., Any], empty_mlflow: Path) -> Any:
    """A run that MLflow has not heard of."""
    made = run_of()
    (made.workspace.experiments / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    return made


@pytest.fixture(scope="module")
def told(finished: Any, empty_mlflow: Path) -> Any:
    """A run that was told twice, as after a change that led to the same submission."""
    show.publish(finished.workspace.submissions / SLUG, "default", finished.results["submit"], finished.results)
    (finished.workspace.experiments / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    mirror(finished, "ensemble", "submit")
    mirror(finished, "split")
    return finished


def test_a_run_is_told_once_with_a_child_for_every_entry(told: Any) -> None:
    found = runs(told)
    entries = {"mlp", "mlp-tuned", "autogluon/LightGBM", "autogluon/Forest", "autogluon/WeightedEnsemble"}
    assert found.keys() == entries | {"default"}
    parent = found["default"]
    assert {found[e].data.tags["mlflow.parentRunId"] for e in entries} == {parent.info.run_id}
    assert parent.data.metrics["private_score"] == pytest.approx(0.19)
    assert {"worth/mlp", "worth/mlp-tuned", "worth/autogluon"} <= parent.data.metrics.keys()
    low, expected, high = (parent.data.metrics[f"expected_{name}"] for name in ("low", "score", "high"))
    assert low < expected < high
    assert parent.data.metrics["cv_error"] == pytest.approx(parent.data.metrics["cv_score"])
    assert parent.data.params["models.mlp.lr"] == "0.01"
    assert parent.data.params["raw/train.csv"] == "a" * 64
    assert "| mlp-tuned |" in parent.data.tags["mlflow.note.content"]
    assert found["mlp-tuned"].data.tags["findings"] == "the default is kept: inside the noise"
    assert parent.info.status == "FINISHED"
    assert journal(told) == []


def test_artifacts_and_curves_are_there(told: Any) -> None:
    client = MlflowClient(tracking_uri=tracking.uri(told.workspace))
    found = runs(told)
    names = {item.path for item in client.list_artifacts(found["default"].info.run_id)}
    assert {"leaderboard.json", "weights.json", "worth.json", "trials-mlp.parquet", "plots"} <= names
    assert any(name.startswith("default-") and name.endswith(".csv") for name in names)
    plots = {item.path for item in client.list_artifacts(found["default"].info.run_id, "plots")}
    assert {"plots/fold-errors.png", "plots/trials-mlp-history.png", "plots/trials-mlp-importance.png"} <= plots
    curve = client.get_metric_history(found["mlp"].info.run_id, "stop_loss")
    assert 100 <= len(curve) <= 200
    assert (curve[0].step, curve[-1].step) == (1, 300)
    assert [item.path for item in client.list_artifacts(found["mlp"].info.run_id)] == ["curves.png"]


def test_the_whole_config_is_told(told: Any) -> None:
    run = runs(told)["default"]
    assert (run.data.params["seed"], run.data.params["competition.files.train"]) == ("0", "train.csv")
    assert run.data.tags["mlflow.source.name"].endswith("--minutes 10")
    path = MlflowClient(tracking_uri=tracking.uri(told.workspace)).download_artifacts(run.info.run_id, "config.json")
    config = json.loads(Path(path).read_text(encoding="utf-8"))
    assert Experiment(**config["experiment"]) == told.experiment
    assert Competition(**config["competition"]) == told.competition


def test_what_the_audit_found_is_told_with_the_run(told: Any) -> None:
    finding = {"severity": "warning", "what": "ids predict", "where": "the id", "strength": "3 %", "todo": "leave it"}
    checks = [Checked("row_order", "Do ids predict?", (finding,)), Checked("cut_folds", "Are groups cut?", ())]
    outcome = Outcome(told.results, ("audit[row_order]",))
    tracking.mirror(
        told.workspace, told.competition, told.experiment, outcome, Console(quiet=True), facts(checks)
    )  # fmt: skip
    tags = runs(told)["default"].data.tags
    assert tags["audit"] == "no leaks, 1 warning in 2 checks"
    assert tags["audit/row_order"] == "warning: ids predict (the id; 3 %)"
    assert tags["audit/cut_folds"] == "nothing found"


def test_the_comparison_stands_above_the_runs(told: Any) -> None:
    experiment = MlflowClient(tracking_uri=tracking.uri(told.workspace)).get_experiment_by_name(SLUG)
    assert "| default |" in experiment.tags["mlflow.note.content"]


def test_cached_runs_write_lines_that_are_handed_over(told: Any) -> None:
    before = int(runs(told)["default"].data.tags["reused"])
    mirror(told)
    mirror(told)
    assert [line["action"] for line in journal(told)] == ["reused", "reused"]
    tracking.hand_over(told.workspace, Console(quiet=True))
    assert int(runs(told)["default"].data.tags["reused"]) == before + 2
    assert journal(told) == []


def test_a_server_that_is_down_leaves_the_line_for_later(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    outcome = Outcome(made.results, ("submit",))
    tracking.mirror(made.workspace, made.competition, made.experiment, outcome, Console())
    warned = [line for line in capsys.readouterr().err.splitlines() if line.lstrip().startswith("!")]
    assert len(warned) == 1
    assert [line["action"] for line in journal(made)] == ["log"]


@pytest.mark.parametrize("nodes", [(), ("submit",)])
def test_a_place_that_cannot_be_written_is_one_warning(
    run_of: Callable[..., Any], nodes: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made = run_of()
    nowhere = made.workspace.data / "file"
    nowhere.write_text("where a folder should be")
    workspace = replace(made.workspace, experiments=nowhere)
    tracking.mirror(workspace, made.competition, made.experiment, Outcome(made.results, nodes), Console())
    warned = [line for line in capsys.readouterr().err.splitlines() if line.lstrip().startswith("!")]
    assert len(warned) == 1
    assert "PIPELINE_TRACKING=off" in warned[0]


def test_a_lock_that_cannot_be_had_leaves_the_line_for_later(made: Any) -> None:
    (made.workspace.experiments / "mlflow.lock").mkdir()
    mirror(made, "submit")
    assert [line["action"] for line in journal(made)] == ["log"]


def test_a_reused_result_that_mlflow_never_heard_of_is_told_whole_and_a_lost_one_is_dropped(made: Any) -> None:
    mirror(made)
    line = {key: value for key, value in journal(made)[0].items() if key != "config"}  # as earlier versions wrote it
    (made.workspace.experiments / "journal.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    lost = line | {"action": "log", "results": {"submit": "0" * 64}}
    Journal(made.workspace.experiments / "journal.jsonl").append(lost)
    tracking.hand_over(made.workspace, Console(quiet=True))
    assert "default" in runs(made)
    assert journal(made) == []


def refusing(monkeypatch: pytest.MonkeyPatch, why: Exception) -> None:
    def build(*_arguments: Any) -> Record:
        raise why

    monkeypatch.setattr("pipeline.report.record.build", build)


@pytest.mark.parametrize("why", [ValueError("no finite limits"), KeyError("worth"), FileNotFoundError("curves.json")])
def test_a_run_that_cannot_be_told_is_said_with_its_cause_and_does_not_hold_up_others(
    made: Any, why: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusing(monkeypatch, why)
    tracking.mirror(made.workspace, made.competition, made.experiment, Outcome(made.results, ("submit",)), Console())
    assert f"could not be put together: {type(why).__name__}: {why}" in " ".join(capsys.readouterr().err.split())
    assert journal(made) == []


def test_a_run_whose_files_the_disk_refuses_waits(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(monkeypatch, PermissionError(13, "Permission denied", "leaderboard.json"))
    mirror(made, "submit")
    assert [line["action"] for line in journal(made)] == ["log"]


def test_tracking_can_be_switched_off(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_TRACKING", "off")
    mirror(made, "submit")
    mirror(made)
    assert journal(made) == []
    monkeypatch.setenv("PIPELINE_TRACKING", "of")
    with pytest.raises(ConfigError, match="'on' or 'off'"):
        mirror(made, "submit")


def test_an_experiment_that_was_deleted_is_restored_and_does_not_hold_up_others(made: Any) -> None:
    mirror(made, "submit")
    client = MlflowClient(tracking_uri=tracking.uri(made.workspace))
    client.delete_experiment(client.get_experiment_by_name(SLUG).experiment_id)
    tracking.tell_scores(made.workspace, SLUG, [kaggles(made, public=0.25)], Console(quiet=True))
    assert journal(made) == []
    assert runs(made)["default"].data.metrics["public_score"] == 0.25


def kaggles(made: Any, **more: Any) -> Line:
    return Line("2026-11-21 12:00:00", "complete", "default", **({"run": made.results["submit"].key[:12]} | more))


def test_a_score_of_kaggle_reaches_its_run(told: Any, tmp_path: Path) -> None:
    experiments = shutil.copytree(told.workspace.experiments, tmp_path / "experiments")
    told = replace(told, workspace=replace(told.workspace, experiments=experiments))  # others look at its scores
    lines = [kaggles(told, public=0.25, private=0.5, rank=7.0, ref="41"), kaggles(told, run="", public=9.0)]
    tracking.tell_scores(told.workspace, SLUG, lines, Console(quiet=True))
    data = runs(told)["default"].data
    shown = [data.metrics[name] for name in ("public_score", "private_score", "leaderboard_rank")]
    assert (shown, data.tags["kaggle/ref"], data.tags["kaggle/status"]) == ([0.25, 0.5, 7.0], "41", "complete")
    assert journal(told) == []


def test_a_score_waits_for_a_server_that_is_down(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    mirror(made, "submit")
    tracking.tell_scores(made.workspace, SLUG, [kaggles(made, public=0.25)], Console(quiet=True))
    assert [line["action"] for line in journal(made)] == ["log", "scored"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    tracking.hand_over(made.workspace, Console(quiet=True))
    assert runs(made)["default"].data.metrics["public_score"] == 0.25
    assert journal(made) == []


def test_a_score_of_a_run_that_mlflow_does_not_have_is_said_and_dropped(
    told: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking.tell_scores(told.workspace, SLUG, [kaggles(told, run="f" * 12, public=0.25)], Console())
    assert "MLflow has no run" in capsys.readouterr().err
    assert journal(told) == []


def test_a_server_with_its_own_ui_is_named_instead_of_started(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        tracking.serve(made.workspace, "127.0.0.1", 5000, Console(quiet=True))


def test_a_first_run_makes_a_database_without_a_word_and_leaves_nothing_elsewhere(
    first_told: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = first_told
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert [path.name for path in folder.iterdir()] == ["experiments"]
