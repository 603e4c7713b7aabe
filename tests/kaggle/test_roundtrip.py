"""From a slug to a score by the command itself; killed at any moment nothing is half-written and nothing sent twice."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path

import kaggle_process
import pytest
from kaggle_houses import QUICK, houses, sample_csv
from kaggle_server import Competition, Failure, Kaggle

from pipeline.kaggle.download import hash_files
from pipeline.kaggle.ledger import read

Point = tuple[str, str]
OFF = {"PIPELINE_TRACKING": "off"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "experiments" / "houses").mkdir(parents=True)
    (made / "experiments" / "houses" / "default.toml").write_text(QUICK)
    return made


@pytest.fixture(autouse=True)
def tiny(kaggle: Kaggle) -> Competition:
    return kaggle.competitions.setdefault("houses", houses())


def log(folder: Path) -> str:
    return (folder / "log.txt").read_text()


@pytest.mark.filterwarnings("ignore")  # MLflow and its libraries warn of their own affairs
def test_from_a_slug_to_a_score(tiny: Competition, folder: Path, empty_mlflow: Path) -> None:
    from mlflow import MlflowClient

    (folder / "experiments" / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    assert kaggle_process.run(folder, "compete", "houses") == 0, log(folder)
    assert "metric: rmse (Kaggle's Root Mean Squared Error)" in log(folder)
    (line,) = read(folder / "experiments" / "houses" / "ledger.csv")
    assert line.status == "complete"
    assert line.cv_se
    assert line.public == float(tiny.judge(tiny.submissions[0]["content"]))
    assert (line.teams, line.rank) == (100, 1 + sum(0.1 + k * 4.9 / 99 < line.public for k in range(100)))

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'experiments' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("houses").experiment_id
    (run,) = [run for run in client.search_runs([experiment]) if "result" in run.data.tags]
    assert run.data.tags["result"] == line.run
    assert run.data.metrics["public_score"] == line.public
    assert run.data.tags["kaggle/ref"] == line.ref

    tiny.private = "0.4"
    assert kaggle_process.run(folder, "sync", "houses") == 0, log(folder)
    assert [line.private for line in read(folder / "experiments" / "houses" / "ledger.csv")] == [0.4]
    assert client.get_run(run.info.run_id).data.metrics["private_score"] == 0.4
    assert kaggle_process.run(folder, "ledger", "houses") == 0, log(folder)
    assert (folder / "experiments" / "houses" / "reports" / "ledger.png").read_bytes().startswith(b"\x89PNG")
    assert kaggle_process.run(folder, "leaderboard", "houses", "--score", "0.05") == 0
    assert "0.05 would stand at 1, in the top 1.0%" in log(folder)


def test_a_sample_by_kaggle_s_own_name_is_found(ready: Path) -> None:
    raw = ready / "data" / "houses" / "raw"
    (raw / "sample_submission.csv").rename(raw / "gender_submission.csv")
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", "--dry-run", **OFF) == 0, log(ready)


def test_a_download_says_how_many_files_it_put_there(ready: Path) -> None:
    assert "3 files downloaded: " in log(ready)
    (ready / "data" / "houses" / "raw" / "test.csv").unlink()
    assert kaggle_process.run(ready, "download", "houses", **OFF) == 0, log(ready)
    assert "1 of 3 files downloaded: " in log(ready)
    assert kaggle_process.run(ready, "download", "houses", **OFF) == 0, log(ready)
    assert "\n3 files there already, with the same hashes: " in log(ready)


def test_a_dry_run_sends_nothing(kaggle: Kaggle, ready: Path) -> None:
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", "--dry-run", **OFF) == 0, log(ready)
    assert "would send mine.csv" in log(ready)
    assert "a dry run: nothing was sent" in log(ready)
    assert kaggle.asked("StartSubmissionUpload") == 0
    assert not (ready / "experiments" / "houses" / "ledger.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("91,", "911,"), "ids are not in the sample submission"),
        (lambda text: text.replace("price", "cost"), "no column price"),
        (lambda text: text.replace("1.01", ""), "values are missing"),
    ],
)
def test_what_would_fail_is_not_sent(kaggle: Kaggle, ready: Path, change: Callable[[str], str], message: str) -> None:
    (ready / "mine.csv").write_text(change(sample_csv()))
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", **OFF) == 2
    assert message in log(ready)
    assert "Traceback" not in log(ready)
    assert kaggle.asked("StartSubmissionUpload") == 0


def test_none_left_today(kaggle: Kaggle, tiny: Competition, ready: Path) -> None:
    tiny.daily_limit = 0
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", **OFF) == 2
    assert "no submission is left today" in log(ready)
    assert kaggle.asked("StartSubmissionUpload") == 0


@pytest.fixture
def ready(kaggle: Kaggle, folder: Path) -> Path:  # noqa: ARG001
    """A workspace with the competition's files, its facts, and mine.csv to be sent."""
    assert kaggle_process.run(folder, "download", "houses", **OFF) == 0, log(folder)
    assert kaggle_process.run(folder, "new", "houses", **OFF) == 0, log(folder)
    (folder / "mine.csv").write_text(sample_csv())
    return folder


def killed_at(kaggle: Kaggle, point: Point, folder: Path, *arguments: str) -> bool:
    """Start the command and kill it when Kaggle works on a method, or has done so; False where it ended before."""
    moment, method = point
    process = kaggle_process.start(folder, *arguments, **OFF)

    def kill(asked: str) -> None:
        if asked == method and process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            connection.wait([process.sentinel])  # it is dead before Kaggle goes on

    setattr(kaggle, moment, kill)
    process.join()
    kaggle.on_request = kaggle.on_answer = lambda _method: None
    return process.exitcode == -signal.SIGKILL


OTHERS = (
    *("GetSubmissionLimits", "ListSubmissions", "StartSubmissionUpload", "upload"),
    *("GetSubmission", "DownloadLeaderboard"),
)
MOMENTS = ("on_request", "on_answer")


def test_killed_while_it_sends_and_waits(kaggle: Kaggle, tiny: Competition, ready: Path) -> None:
    rng = random.Random(20261121)
    always = [(moment, "CreateSubmission") for moment in MOMENTS]
    others = [(moment, method) for method in OTHERS for moment in MOMENTS]
    points = rng.sample(others, 5) + always
    ledger = ready / "experiments" / "houses" / "ledger.csv"
    send = ("send", "houses", "--file", "mine.csv")
    for number, point in enumerate(points):
        (ready / "mine.csv").write_text(sample_csv(1 + number))
        tiny.submissions.clear()
        assert killed_at(kaggle, point, ready, *send), (point, log(ready))
        killed_at(kaggle, rng.choice(points), ready, *send)
        assert len(read(ledger)) <= number + 1
        assert kaggle_process.run(ready, *send, **OFF) == 0, (point, log(ready))
        assert len(tiny.submissions) == 1, point
        newest = read(ledger)[-1]
        assert (newest.status, newest.public) == ("complete", float(tiny.judge(tiny.submissions[0]["content"])))
    assert len(read(ledger)) == len(points)


def test_killed_while_it_downloads(kaggle: Kaggle, folder: Path) -> None:
    raw = folder / "data" / "houses" / "raw"
    for method in ("GetCompetition", "DownloadDataFiles", "blob"):
        for moment in MOMENTS:
            assert killed_at(kaggle, (moment, method), folder, "download", "houses"), (method, moment)
            assert not raw.exists()
    rng, ends = random.Random(20261121), list[int | None]()
    for moment in (0.0, *(rng.uniform(0.0, 0.6) for _ in range(3))):  # the first comes before any end
        process = kaggle_process.start(folder, "download", "houses", **OFF)
        process.join(moment)
        process.kill()
        process.join()
        ends.append(process.exitcode)
        assert not raw.exists() or len(hash_files(raw)) == 3
    assert -signal.SIGKILL in ends
    assert kaggle_process.run(folder, "download", "houses", **OFF) == 0, log(folder)
    assert len(hash_files(raw)) == 3
    assert sorted(p.name for p in raw.parent.iterdir() if not p.name.startswith(".k")) == [
        ".download",
        "kaggle.json",
        "raw",
        "raw.json",
    ]


def test_interrupted_while_it_waits(kaggle: Kaggle, tiny: Competition, ready: Path) -> None:
    tiny.polls_until_scored = 10_000

    def interrupt(method: str) -> None:
        if method == "GetSubmission" and kaggle.asked(method) == 3:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)

    kaggle.on_request = interrupt
    process = kaggle_process.start(ready, "send", "houses", "--file", "mine.csv", **OFF)
    process.join()
    assert process.exitcode == 130
    assert "the same command goes on from there, and sends nothing twice" in log(ready)
    assert "Traceback" not in log(ready)
    tiny.polls_until_scored = 0
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", **OFF) == 0
    assert len(tiny.submissions) == 1


def test_the_time_to_wait_ends_and_the_same_command_goes_on(kaggle: Kaggle, tiny: Competition, ready: Path) -> None:
    """The leaderboard cannot be had, which costs the rank and nothing else."""
    send = ("send", "houses", "--file", "mine.csv", "--wait", "0")
    ledger = ready / "experiments" / "houses" / "ledger.csv"
    tiny.polls_until_scored = 1
    assert kaggle_process.run(ready, *send, **OFF) == 0, log(ready)
    assert "no score after 0 minutes; submission 40000000 is in" in log(ready)
    assert [line.status for line in read(ledger)] == ["pending"]
    kaggle.fail("DownloadLeaderboard", Failure(404, "Leaderboard is hidden"))
    assert kaggle_process.run(ready, *send, **OFF) == 0, log(ready)
    assert "the rank is not known" in log(ready)
    (line,) = read(ledger)
    assert (line.status, line.rank) == ("complete", None)
    assert line.public is not None
    assert len(tiny.submissions) == 1


def test_a_submission_that_fails_is_not_sent_again_unasked(tiny: Competition, ready: Path) -> None:
    good = tiny.judge

    def judge(_content: bytes) -> str:
        raise ValueError("Evaluation Exception")

    tiny.judge = judge
    send = ("send", "houses", "--file", "mine.csv")
    assert kaggle_process.run(ready, *send, **OFF) == 2
    assert "could not score submission" in log(ready)
    assert "Evaluation Exception" in log(ready)
    tiny.judge = good
    assert kaggle_process.run(ready, *send, **OFF) == 2
    assert len(tiny.submissions) == 1
    assert kaggle_process.run(ready, *send, "--again", **OFF) == 0, log(ready)
    assert len(tiny.submissions) == 2


def test_a_repetition_that_is_killed_is_taken_up_and_not_repeated(
    kaggle: Kaggle, tiny: Competition, ready: Path
) -> None:
    send = ("send", "houses", "--file", "mine.csv")
    assert kaggle_process.run(ready, *send, **OFF) == 0, log(ready)
    assert killed_at(kaggle, ("on_answer", "CreateSubmission"), ready, *send, "--again")
    assert kaggle_process.run(ready, *send, "--again", **OFF) == 0, log(ready)
    assert len(tiny.submissions) == 2
    ledger = ready / "experiments" / "houses" / "ledger.csv"
    assert [line.status for line in read(ledger)] == ["complete", "complete"]


def test_a_code_competition_takes_no_file(kaggle: Kaggle, tiny: Competition, ready: Path) -> None:
    tiny.facts["isKernelsSubmissionsOnly"] = True
    assert kaggle_process.run(ready, "download", "houses", **OFF) == 0, log(ready)
    assert kaggle_process.run(ready, "send", "houses", "--file", "mine.csv", **OFF) == 2
    assert "takes a notebook" in log(ready)
    assert kaggle.asked("StartSubmissionUpload") == 0


def test_nothing_is_run_or_sent_where_kaggle_s_metric_is_none_of_ours(tiny: Competition, folder: Path) -> None:
    tiny.facts["evaluationMetric"] = "WRMSSE"
    assert kaggle_process.run(folder, "compete", "houses", **OFF) == 2
    said = " ".join(log(folder).split())
    assert "Kaggle judges houses by WRMSSE" in said
    assert "metric.py" in said
    assert not tiny.submissions
    assert not (folder / "submissions").exists()
    assert (folder / "experiments/houses/competition.toml").is_file()


def test_a_dry_run_says_what_a_send_does_with_what_was_sent_before(kaggle: Kaggle, ready: Path) -> None:
    send = ("send", "houses", "--file", "mine.csv")
    assert killed_at(kaggle, ("on_request", "CreateSubmission"), ready, *send)
    asked = kaggle.asked("ListSubmissions")
    assert kaggle_process.run(ready, *send, "--dry-run", **OFF) == 0, log(ready)
    assert "a send first asks Kaggle what became of them" in " ".join(log(ready).split())
    assert kaggle.asked("ListSubmissions") == asked
    assert kaggle_process.run(ready, *send, **OFF) == 0, log(ready)
    assert kaggle_process.run(ready, *send, "--dry-run", **OFF) == 0, log(ready)
    assert "it is scored, nothing is sent" in " ".join(log(ready).split())
    assert "would send" not in log(ready)
    assert kaggle_process.run(ready, *send, "--dry-run", "--again", **OFF) == 0, log(ready)
    assert "would send" in log(ready)


@pytest.mark.parametrize("command", ["download", "send", "compete"])
def test_a_practice_competition_is_none_of_kaggle(kaggle: Kaggle, folder: Path, command: str) -> None:
    assert kaggle_process.run(folder, command, "practice-houses", **OFF) == 2
    assert "is a practice competition" in log(folder)
    assert kaggle.requests == []
