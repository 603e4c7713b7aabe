"""One file to Kaggle, once: what was sent is looked for by its mark before anything is sent a second time.

The ledger says "sending" before Kaggle is asked to take the file and has its number afterwards, so that a run that was
killed in between, or never heard the answer, finds what became of it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.engine.key import hash_file
from pipeline.errors import KaggleError, SubmissionError, UnansweredError
from pipeline.kaggle import client
from pipeline.kaggle.blob import put_file
from pipeline.kaggle.client import Link, patiently, pause, request
from pipeline.kaggle.ledger import COMPLETE, ERROR, PENDING, SENDING, Line, drop, known_as, new_line, now, put, read
from pipeline.kaggle.past import find, updated
from pipeline.kaggle.refusals import page
from pipeline.kaggle.submission import Submission

SETTLE_SECONDS = 60.0
"""So long after a request without an answer, a submission that Kaggle does not list is taken for not made."""
LOOK_EVERY_SECONDS = 5.0
POLL_SECONDS, SLOWEST_POLL_SECONDS, SLOWER = 2.0, 30.0, 1.25


def send(link: Link, ledger: Path, submission: Submission, attempt: int = 1) -> Line:
    """Make a submission of a file, or find the one that was made of it, and return its line, which has Kaggle's number.

    attempt: counts on purposeful repetitions of the same file. Raises KaggleError where Kaggle refuses, and
    UnansweredError where it stays unknown whether it took the file: the same call looks again.
    """
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(ledger.with_name(".sending.lock")):
        line = new_line(submission, SENDING, attempt)
        known = known_as(read(ledger), line)
        if known is None or not known.ref:
            found = _look_for(link, line.mark, until=_settled(known))
            if found is None:
                return _create(link, ledger, line, _upload(link, submission))
            known = put(ledger, updated(known or line, found))
        there = f"Kaggle has this file already, as submission {known.ref}"
        link.log.info(f"{there}: nothing is sent; from now on --again sends it once more")
        return known


def wait(link: Link, ledger: Path, line: Line, minutes: float) -> Line:
    """Ask for a submission's score until it is there or the time is over; the ledger has what was last heard."""
    seconds, started, pace = 60 * minutes, time.monotonic(), POLL_SECONDS
    with link.log.progress("seconds waited for the score", max(round(seconds), 1)) as bar:
        while True:
            asked = time.monotonic()
            found = link.ask(link.api.get_submission, request("GetSubmission", ref=int(line.ref)))
            line = put(ledger, updated(line, found))
            left = seconds - (time.monotonic() - started)
            if line.status in (COMPLETE, ERROR) or left <= 0:
                return line
            time.sleep(min(pace, left))
            bar.advance(round(time.monotonic() - asked), note=line.status)
            pace = min(pace * SLOWER, SLOWEST_POLL_SECONDS)


def limits(link: Link) -> dict[str, int]:
    """Return how many submissions were sent `today` and how many are `left`."""
    found = link.ask(link.api.get_submission_limits, request("GetSubmissionLimits", competition_name=link.slug))
    return {"today": found.num_today, "left": found.num_allowed_now}


def _upload(link: Link, submission: Submission) -> str:
    """Put a file where Kaggle says, and return the token by which it knows it; no submission is made of it yet."""
    if hash_file(submission.path) != submission.sha256:
        raise SubmissionError(f"{submission.path} changed while it was looked at", hint="run the same command again")
    return str(patiently(lambda: _upload_once(link, submission.path), link.log))


def _upload_once(link: Link, path: Path) -> str:
    facts = path.stat()
    wanted = request(
        "StartSubmissionUpload",
        competition_name=link.slug,
        file_name=path.name,
        content_length=facts.st_size,
        last_modified_epoch_seconds=int(facts.st_mtime),
    )
    begun = link.once(link.api.start_submission_upload, wanted)
    put_file(link, begun.create_url, path)
    return str(begun.token)


def _create(link: Link, ledger: Path, line: Line, token: str) -> Line:
    """Ask Kaggle to make a submission of an uploaded file; asked again only where none is found."""
    wanted = request(
        "CreateSubmission",
        competition_name=link.slug,
        blob_file_tokens=token,
        submission_description=line.message,
    )
    for attempt in range(client.ATTEMPTS):
        line = put(ledger, replace(line, sent=now()))
        try:
            made = link.once(link.api.create_submission, wanted)
        except UnansweredError as error:
            link.log.info(f"{error}; looking whether the submission was made")
            found = _look_for(link, line.mark, until=time.time() + SETTLE_SECONDS)  # the answer took its time already
            if found is not None:
                return put(ledger, updated(line, found))
            pause(error, attempt, link.log)
        except KaggleError:
            drop(ledger, line)
            raise
        else:
            return put(ledger, _numbered(link, line, made))
    drop(ledger, line)
    raise UnansweredError(
        f"Kaggle did not take the file in {client.ATTEMPTS} attempts, and lists no submission of it",
        hint=f"run the same command later; {page(link.slug, 'submissions')} shows what there is",
    )


def _numbered(link: Link, line: Line, made: Any) -> Line:
    """Return the line with Kaggle's number, which is looked up where the answer did not have it."""
    if made.ref:
        return replace(line, ref=str(made.ref), status=PENDING)
    found = _look_for(link, line.mark, until=_settled(line))
    if found is None:
        hint = f"run the same command again; {page(link.slug, 'submissions')} shows what there is"
        raise UnansweredError("Kaggle said that it took the file, but does not list it yet", hint=hint)
    return updated(line, found)


def _settled(line: Line | None) -> float:
    """Return the time (seconds since 1970) from which what Kaggle does not list was not made; now for no attempt."""
    if line is None:
        return time.time()
    return datetime.fromisoformat(line.sent).replace(tzinfo=UTC).timestamp() + SETTLE_SECONDS


def _look_for(link: Link, mark: str, until: float) -> Any | None:
    """Look for a submission by its mark, again and again until the time has come; None where there is none."""
    while True:
        found = find(link, mark)
        left = until - time.time()
        if found is not None or left <= 0:
            return found
        link.log.info(f"no submission with {mark} is listed yet; looking again for {left:.0f} s before sending")
        time.sleep(min(LOOK_EVERY_SECONDS, left))
