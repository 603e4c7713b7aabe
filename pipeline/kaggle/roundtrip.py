"""One file from here to its score: looked at, sent once, waited for, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Competition, metric_plugin
from pipeline.engine import plugins
from pipeline.errors import KaggleError, PipelineError, SubmissionError
from pipeline.kaggle.client import Link
from pipeline.kaggle.leaderboard import download_scores, standing
from pipeline.kaggle.ledger import COMPLETE, ERROR, Line, put, read
from pipeline.kaggle.preflight import Objection, check, expected
from pipeline.kaggle.submission import Submission
from pipeline.kaggle.upload import send, wait
from pipeline.raw.sheet import Sheet, read_sheet
from pipeline.raw.source import sample_there
from pipeline.targets import names_of
from pipeline.workspace import Workspace

KEPT = "what was sent is in the ledger: the same command goes on waiting for its score, and sends nothing twice"


def look(workspace: Workspace, competition: Competition, path: Path) -> list[Objection]:
    """Hold a file against the sample submission and train, as they lie in the raw folder."""
    raw, files = workspace.raw_folder(competition.slug), competition.files
    if not files.sample:
        return [Objection("warning", "there is no sample submission to hold it against")]
    train = read_sheet(raw / files.train).cells
    targets = [train[name].to_pandas().astype(object) for name in names_of(competition.target)]
    return check(_sheet(path), expected(competition, read_sheet(raw / sample_there(raw, files.sample)), targets))


def _sheet(path: Path) -> Sheet:
    try:
        return read_sheet(path)
    except PipelineError as error:
        raise SubmissionError(str(error), hint="nothing was sent; a submission is a CSV file like the sample") from None


def refuse(findings: Sequence[Objection]) -> None:
    """Raise a SubmissionError where anything was refused."""
    refused = [finding.text for finding in findings if finding.level == "refused"]
    if refused:
        raise SubmissionError("; ".join(refused), hint="nothing was sent: Kaggle would refuse it, or score nonsense")


def begun(ledger: Path, submission: Submission) -> Line | None:
    """Return the line of the newest submission of these bytes; None where they were never sent."""
    return next((line for line in reversed(read(ledger)) if line.is_of(submission)), None)


def deliver(link: Link, ledger: Path, submission: Submission, before: Line | None, minutes: float) -> Line:
    """Send a file and wait for its score; after `minutes` without one the line is still pending.

    before: the line of what was sent of these bytes, which is then only waited for; None to send them (once more).
    """
    if before is not None and before.ref:
        line = before
    else:
        line = send(link, ledger, submission, _attempt(ledger, submission, before))
    if line.status in (COMPLETE, ERROR):
        return line
    try:
        return wait(link, ledger, line, minutes)
    except KaggleError as error:
        raise KaggleError(str(error), hint=f"{KEPT}. {error.hint}") from None


def _attempt(ledger: Path, submission: Submission, before: Line | None) -> int:
    """Return which attempt to send these bytes this is; one that was cut off is not counted twice."""
    return sum(line.is_of(submission) for line in read(ledger)) + (before is None)


def ranked(link: Link, workspace: Workspace, competition: Competition, line: Line) -> Line:
    """Return a line with its rank; a leaderboard that cannot be had is no reason to fail."""
    if line.public is None:
        return line
    try:
        scores = download_scores(link, workspace.data / competition.slug)
    except KaggleError as error:
        link.log.warn(f"the rank is not known: {error}")
        return line
    stands = standing(line.public, scores, greater_is_better(workspace, competition))
    ledger = workspace.ledger(competition.slug)
    return put(ledger, replace(line, rank=float(stands.rank), teams=float(stands.teams)))


def greater_is_better(workspace: Workspace, competition: Competition) -> bool:
    """Return the direction of a competition's metric."""
    return bool(plugins.load(metric_plugin(workspace, competition)).GREATER_IS_BETTER)
