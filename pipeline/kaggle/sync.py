"""Past submissions from Kaggle into the ledger, matched to runs by the mark in their message or their file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.kaggle.client import Link
from pipeline.kaggle.ledger import PENDING, Line, as_kept, known_as, new_line, now, put_all, read
from pipeline.kaggle.past import past_submissions, updated
from pipeline.kaggle.submission import MARK, Submission, from_provenance
from pipeline.publish import provenances


def sync(link: Link, ledger: Path, submissions: Path) -> list[Line]:
    """Bring the ledger up to date with Kaggle and return the lines that changed, the newest first.

    submissions: the folder in which the competition's published files lie. What was not sent from here gets a line too.
    """
    ours = [from_provenance(submissions, found) for found in provenances(submissions)]
    known = read(ledger)
    lines = [as_kept(updated(_line(found, known, ours), found)) for found in past_submissions(link)]
    changed = [line for line in lines if line not in known]
    put_all(ledger, changed)
    return changed


def _line(found: Any, known: Sequence[Line], ours: Sequence[Submission]) -> Line:
    """Return what is known here of a submission at Kaggle: its line, its run, or nothing."""
    bare = Line(sent=now(), status=PENDING, ref=str(found.ref), message=found.description or "")
    there = known_as(known, bare)
    if there is not None:
        return there
    made = _match(found, ours)
    return bare if made is None else new_line(made, PENDING)


def _match(found: Any, ours: Sequence[Submission]) -> Submission | None:
    mark = MARK.search(found.description or "")
    if mark:
        return next((one for one in ours if one.sha256.startswith(mark["file"])), None)
    name = re.search(r"-([0-9a-f]{8})\.csv$", found.file_name or "")
    same = [one for one in ours if name and one.sha256.startswith(name[1]) and one.path.name == found.file_name]
    return same[0] if same else None
