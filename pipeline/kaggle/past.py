"""Submissions as Kaggle has them: read page by page, found by their mark, and as lines of the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline.kaggle.client import Link, request
from pipeline.kaggle.ledger import COMPLETE, ERROR, PENDING, Line
from pipeline.kaggle.submission import file_and_attempt

PAGE_SIZE = 100
MOST_PAGES = 100


def past_submissions(link: Link) -> Iterator[Any]:
    """Yield all submissions to the competition, the newest first, as the SDK has them."""
    token = ""
    for _ in range(MOST_PAGES):
        wanted = request("ListSubmissions", competition_name=link.slug, page_size=PAGE_SIZE, page_token=token)
        answer = link.ask(link.api.list_submissions, wanted)
        yield from answer.submissions
        token = answer.next_page_token
        if not token:
            return


def find(link: Link, mark: str) -> Any | None:
    """Return the newest submission of the same file and attempt as a mark says, or None: whichever run made it."""
    wanted = file_and_attempt(mark)
    return next((one for one in past_submissions(link) if file_and_attempt(one.description or "") == wanted), None)


def updated(line: Line, found: Any) -> Line:
    """Return a line with what Kaggle says of its submission now: number, time, status, scores and reason."""
    status = {"PENDING": PENDING, "COMPLETE": COMPLETE, "ERROR": ERROR}[found.status.name]
    public, private = _score(found.public_score), _score(found.private_score)
    return replace(
        line,
        ref=str(found.ref),
        sent=found.date.strftime("%Y-%m-%d %H:%M:%S") if found.date else line.sent,
        status=status,
        public=line.public if public is None else public,
        private=line.private if private is None else private,
        file=found.file_name or line.file,
        message=found.description or line.message,
        error=found.error_description or "",
    )


def _score(text: str | None) -> float | None:
    """Return a score; None where Kaggle does not show one (yet)."""
    try:
        score = float(text or "nan")
    except ValueError:
        return None
    return score if math.isfinite(score) else None
