"""`make compete` itself, in a copy of the repository: what a user types, with MLflow, and with failures on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_houses import QUICK, houses
from kaggle_server import KEY, TOKEN, Failure, Kaggle
from shop import ROOT

from pipeline.kaggle.ledger import read


@pytest.fixture
def copy(kaggle: Kaggle, tmp_path: Path) -> Path:
    """The repository as it is cloned, after `make setup`: its .venv is the one that these tests run in."""
    folder = tmp_path / "repository"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "experiments" / "houses").mkdir(parents=True)
    (folder / "experiments" / "houses" / "quick.toml").write_text(QUICK)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv" / ".installed").touch()  # after the pins, so that nothing is installed
    shutil.copy(ROOT / "tests" / "kaggle_address.py", folder)
    (folder / "sitecustomize.py").write_text(f"import kaggle_address\nkaggle_address.lead_to({kaggle.port})\n")
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the copy, whose package goes before the one that is installed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def secrets_on_command_lines() -> list[str]:
    """Return the command lines of this machine's processes that hold a secret; empty where they cannot be read."""
    found = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")] if Path("/proc").is_dir() else []
    return [repr(line) for line in found if TOKEN.encode() in line or KEY.encode() in line]


@pytest.mark.slow
@pytest.mark.skipif(not (Path(sys.executable).parent / "pipeline").exists(), reason="not run in a .venv of make setup")
@pytest.mark.filterwarnings("ignore")  # MLflow and its libraries warn of their own affairs
def test_one_make_target_from_a_slug_to_a_score(kaggle: Kaggle, copy: Path, empty_mlflow: Path) -> None:
    from mlflow import MlflowClient

    (copy / "experiments" / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    houses_there = kaggle.competitions.setdefault("houses", houses())
    houses_there.polls_until_scored = 0
    for method in ("GetCompetition", "DownloadDataFiles", "upload"):
        kaggle.fail(method, Failure(500))
    kaggle.fail("blob", Failure(cut=500))
    kaggle.fail("CreateSubmission", Failure(cut=0, done=True))
    shown: list[str] = []
    kaggle.on_request = lambda _method: shown.extend(secrets_on_command_lines())

    compete = ("compete", "COMPETITION=houses", "EXPERIMENT=quick", "MINUTES=1")
    done = make(copy, *compete)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metric: rmse (Kaggle's Root Mean Squared Error)" in done.stdout
    (line,) = read(copy / "experiments" / "houses" / "ledger.csv")
    (sent,) = houses_there.submissions
    assert (line.status, line.experiment, line.public) == (
        "complete",
        "quick",
        float(houses_there.judge(sent["content"])),
    )
    assert (line.ref, line.teams) == (str(sent["ref"]), 100)
    client = MlflowClient(tracking_uri=f"sqlite:///{copy / 'experiments' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("houses").experiment_id])
    (run,) = [run for run in runs if run.data.tags.get("result") == line.run]
    assert (run.data.metrics["public_score"], run.data.tags["kaggle/ref"]) == (line.public, line.ref)

    n_files, n_runs = kaggle.asked("blob"), len(runs)
    again = make(copy, *compete)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "it is scored, nothing is sent" in again.stdout
    assert (len(houses_there.submissions), kaggle.asked("CreateSubmission")) == (1, 1)
    assert len(read(copy / "experiments" / "houses" / "ledger.csv")) == 1
    assert len(client.search_runs(["0", *{run.info.experiment_id for run in runs}])) == n_runs
    assert kaggle.asked("blob") == n_files + 1  # only its head is looked at: is it still the same?
    assert shown == []


def test_a_mistake_is_makes_exit_code(kaggle: Kaggle, copy: Path) -> None:
    done = make(copy, "compete", "COMPETITION=nowhere")
    assert done.returncode == 2
    assert "has no competition 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
    assert kaggle.asked("CreateSubmission") == 0
