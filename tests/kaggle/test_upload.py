"""A file is sent once, whatever is lost on the way, and its score is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from heard import Heard
from kaggle_server import KEY, SIGNATURE, TOKEN, Competition, Failure, Kaggle

from pipeline.errors import KaggleError, SubmissionError, UnansweredError
from pipeline.kaggle import client, upload
from pipeline.kaggle.client import Link, connect
from pipeline.kaggle.ledger import Line, new_line, put, read
from pipeline.kaggle.roundtrip import begun, deliver
from pipeline.kaggle.submission import Submission, read_submission
from pipeline.kaggle.sync import sync
from pipeline.kaggle.upload import limits, send, wait

LOST = Failure(cut=0, done=True)
"""Kaggle does what was asked, and the answer is lost on the way."""
PROXY = Failure(200, "<html>", html=True, done=True)
"""The same, and something else comes in its place."""


@pytest.fixture(autouse=True)
def houses(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> Competition:
    for name in ("SETTLE_SECONDS", "POLL_SECONDS", "LOOK_EVERY_SECONDS"):
        monkeypatch.setattr(upload, name, 0.0)
    return kaggle.competitions.setdefault("houses", Competition())


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "experiments" / "houses" / "ledger.csv"


@pytest.fixture
def file(tmp_path: Path) -> Submission:
    path = tmp_path / "default-1.csv"
    path.write_text("id,price\n1,2\n")
    return read_submission(path, "houses")


def test_sent_and_scored(link: Link, houses: Competition, ledger: Path, file: Submission) -> None:
    houses.polls_until_scored, houses.private = 3, "0.2"
    line = wait(link, ledger, send(link, ledger, file), minutes=1)
    assert (line.status, line.public, line.private) == ("complete", 0.12345, 0.2)
    assert read(ledger) == [line]
    assert houses.submissions[0]["content"] == file.path.read_bytes()
    assert houses.submissions[0]["description"] == file.message()
    assert houses.submissions[0]["fileName"] == file.path.name


def test_an_error_has_its_reason(link: Link, houses: Competition, ledger: Path, file: Submission) -> None:
    def judge(_content: bytes) -> str:
        raise ValueError("Submission must have 3 columns")

    houses.judge = judge
    line = wait(link, ledger, send(link, ledger, file), minutes=1)
    assert (line.status, line.error) == ("error", "Submission must have 3 columns")


def test_a_score_that_comes_too_late_is_picked_up(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    houses.polls_until_scored = 1
    sent = send(link, ledger, file)
    assert wait(link, ledger, sent, minutes=0).status == "pending"
    again = send(link, ledger, file)
    assert again.ref == sent.ref
    assert wait(link, ledger, again, minutes=0).status == "complete"
    assert len(houses.submissions) == 1


@pytest.mark.parametrize(
    "failures", [[LOST], [Failure(500, done=True)], [PROXY], [Failure(429), LOST], [Failure(cut=0), LOST]]
)
def test_an_answer_that_is_lost_does_not_send_twice(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission, failures: list[Failure]
) -> None:
    kaggle.fail("CreateSubmission", *failures)
    line = send(link, ledger, file)
    assert len(houses.submissions) == 1
    assert line.ref == str(houses.submissions[0]["ref"])


def test_an_answer_that_comes_too_late_does_not_send_twice(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaggle has taken the file, and says so only when nobody listens any more."""
    monkeypatch.setattr(upload, "SETTLE_SECONDS", 600.0)
    listed, once = threading.Event(), Link.once

    def impatient(link: Link, call: Callable[[Any], Any], wanted: Any) -> Any:
        """On a loaded machine all else may take its time."""
        monkeypatch.setattr(client, "READ_SECONDS", 0.2 if call.__name__ == "create_submission" else 600)
        return once(link, call, wanted)

    def hesitate(method: str) -> None:
        if method == "CreateSubmission":
            listed.wait(600)
        elif method == "ListSubmissions" and houses.submissions:
            listed.set()

    monkeypatch.setattr(Link, "once", impatient)
    kaggle.on_answer = hesitate
    line = send(link, ledger, file)
    assert listed.is_set()
    assert (kaggle.asked("CreateSubmission"), len(houses.submissions)) == (1, 1)
    assert line.ref == str(houses.submissions[0]["ref"])


@dataclass
class Clock:
    """A time that goes on by sleeping alone."""

    now: float

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time by which `send` waits for what Kaggle may list late."""
    clock = Clock(now=time.time())
    for name, value in (("time", clock), ("SETTLE_SECONDS", 60.0), ("LOOK_EVERY_SECONDS", 5.0)):
        monkeypatch.setattr(upload, name, value)
    return clock


def test_what_is_listed_late_after_a_slow_answer_is_not_sent_twice(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission, clock: Clock
) -> None:
    """The time in which Kaggle may list it begins when the answer has failed, not when it was asked."""
    hidden = list[dict[str, Any]]()

    def list_late(method: str) -> None:
        if method == "CreateSubmission":
            clock.sleep(90.0)
        elif method == "ListSubmissions" and houses.submissions and not hidden:
            hidden.extend(houses.submissions)
            houses.submissions.clear()
        elif method == "ListSubmissions" and hidden and not houses.submissions:
            houses.submissions.extend(hidden)

    kaggle.fail("CreateSubmission", LOST)
    kaggle.on_request = list_late
    line = send(link, ledger, file)
    assert (kaggle.asked("CreateSubmission"), len(houses.submissions)) == (1, 1)
    assert line.ref == str(hidden[0]["ref"])


def test_what_was_not_taken_is_sent_again(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission
) -> None:
    kaggle.fail("StartSubmissionUpload", Failure(503))
    kaggle.fail("upload", Failure(500), Failure(cut=0))
    kaggle.fail("CreateSubmission", Failure(503), Failure(cut=0))
    assert send(link, ledger, file).status == "pending"
    assert len(houses.submissions) == 1
    uploads = [headers for method, headers, _ in kaggle.requests if method == "upload"]
    assert not [headers for headers in uploads if "Authorization" in headers]


def test_a_ledger_that_was_lost_does_not_send_twice(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    sent = send(link, ledger, file)
    ledger.unlink()
    houses.submissions += [{**houses.submissions[0], "ref": 50_000 + k, "description": "other"} for k in range(250)]
    assert send(link, ledger, file).ref == sent.ref
    assert read(ledger)[0].ref == sent.ref


def test_the_same_bytes_of_another_run_are_found(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    sent = send(link, ledger, file)
    ledger.unlink()
    assert send(link, ledger, replace(file, run="0" * 64)).ref == sent.ref
    assert len(houses.submissions) == 1


def test_the_same_bytes_of_another_run_wait_for_what_was_cut_off(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission, clock: Clock
) -> None:
    """Kaggle took the file, the process died, and Kaggle lists it late: the line is taken up, whichever run asks."""
    first, second = replace(file, run="a" * 64), replace(file, run="b" * 64)
    sent = send(link, ledger, first)
    ledger.unlink()
    put(ledger, new_line(first, "sending"))
    hidden, began = [houses.submissions.pop()], clock.now

    def list_late(method: str) -> None:
        if method == "ListSubmissions" and clock.now > began + 10 and not houses.submissions:
            houses.submissions.extend(hidden)

    kaggle.on_request = list_late
    assert send(link, ledger, second).ref == sent.ref
    assert kaggle.asked("CreateSubmission") == 1
    assert [(line.run, line.status) for line in read(ledger)] == [(first.run, "pending")]


def test_what_was_cut_off_and_not_taken_is_replaced_by_the_same_bytes_of_another_run(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    put(ledger, new_line(replace(file, run="a" * 64), "sending"))
    line = send(link, ledger, replace(file, run="b" * 64))
    assert read(ledger) == [line]
    assert len(houses.submissions) == 1


def test_a_repetition_without_the_ledger_says_that_nothing_is_sent_and_the_next_one_sends(
    houses: Competition, ledger: Path, file: Submission
) -> None:
    heard = Heard()
    with connect("houses", heard) as link:
        first = send(link, ledger, file)
        ledger.unlink()
        assert deliver(link, ledger, file, None, minutes=0).ref == first.ref
        assert f"as submission {first.ref}: nothing is sent" in " ".join(heard.infos)
        second = deliver(link, ledger, file, None, minutes=0)
    assert (second.ref != first.ref, len(houses.submissions)) == (True, 2)


def test_a_repetition_of_what_sync_alone_knows_is_sent(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    send(link, ledger, file)
    ledger.unlink()
    (line,) = sync(link, ledger, file.path.parent / "none")
    assert begun(ledger, file) == line
    assert deliver(link, ledger, file, None, minutes=0).ref != line.ref
    assert len(houses.submissions) == 2


def test_kaggle_out_of_reach_just_after_the_upload(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission
) -> None:
    """The answer is lost and so is every look for it: the next call finds the submission."""
    kaggle.fail("ListSubmissions", Failure(404, "passes"))
    with pytest.raises(KaggleError):
        send(link, ledger, file)
    kaggle.fail("CreateSubmission", LOST)
    kaggle.on_request = lambda method: (
        kaggle.fail("ListSubmissions", *[Failure(503)] * client.ATTEMPTS) if method == "CreateSubmission" else None
    )
    with pytest.raises(UnansweredError):
        send(link, ledger, file)
    assert [line.status for line in read(ledger)] == ["sending"]
    assert send(link, ledger, file).ref == str(houses.submissions[0]["ref"])
    assert len(houses.submissions) == 1
    assert [line.status for line in read(ledger)] == ["pending"]


def test_a_refusal_leaves_no_line(link: Link, houses: Competition, ledger: Path, file: Submission) -> None:
    houses.daily_limit = 0
    with pytest.raises(KaggleError, match="daily submission limit") as caught:
        send(link, ledger, file)
    assert "houses/submissions" in caught.value.hint
    assert read(ledger) == []


def test_given_up_after_many_attempts(link: Link, kaggle: Kaggle, ledger: Path, file: Submission) -> None:
    kaggle.fail("CreateSubmission", *[Failure(503)] * client.ATTEMPTS)
    with pytest.raises(UnansweredError, match="lists no submission") as caught:
        send(link, ledger, file)
    assert read(ledger) == []
    assert not [secret for secret in (TOKEN, KEY, SIGNATURE) if secret in str(caught.value)]


def test_a_second_try_on_purpose(link: Link, houses: Competition, ledger: Path, file: Submission) -> None:
    first = send(link, ledger, file)
    assert begun(ledger, file) == first
    second = deliver(link, ledger, file, None, minutes=0)
    assert second.ref != first.ref
    assert second.message.startswith(f"[file {file.sha256[:12]} try 2]")
    assert len(houses.submissions) == 2
    assert begun(ledger, file) == second
    assert deliver(link, ledger, file, second, minutes=0) == second


def test_a_file_that_changes_meanwhile_is_not_sent(
    link: Link, houses: Competition, ledger: Path, file: Submission
) -> None:
    file.path.write_text("id,price\n1,3\n")
    with pytest.raises(SubmissionError, match="changed"):
        send(link, ledger, file)
    assert houses.submissions == []


def test_how_many_are_left(link: Link, houses: Competition, ledger: Path, file: Submission) -> None:
    send(link, ledger, file)
    assert limits(link) == {"today": 1, "left": houses.daily_limit - 1}


def test_an_unanswered_look_before_a_wait_is_over_looks_again(
    link: Link, kaggle: Kaggle, houses: Competition, ledger: Path, file: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submission that Kaggle lists late is found while it may still come."""
    monkeypatch.setattr(upload, "SETTLE_SECONDS", 600.0)
    kaggle.fail("CreateSubmission", LOST)
    hidden: list[dict[str, object]] = []

    def late(method: str) -> None:
        if method == "ListSubmissions" and houses.submissions and not hidden:
            hidden.append(houses.submissions.pop())
        elif method == "ListSubmissions" and hidden and not houses.submissions:
            houses.submissions.append(hidden[0])

    kaggle.on_request = late
    assert send(link, ledger, file).ref
    assert kaggle.asked("CreateSubmission") == 1


def test_the_line_of_a_file_without_provenance(link: Link, ledger: Path, file: Submission) -> None:
    line: Line = send(link, ledger, file)
    assert (line.experiment, line.run, line.file) == ("", "", "default-1.csv")
    assert line.cv is None
