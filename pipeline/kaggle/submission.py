"""A file to send: where it comes from, and the mark in its message by which it is found again at Kaggle."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.atomic import read_json_if_sound
from pipeline.engine.key import hash_file
from pipeline.errors import SubmissionError
from pipeline.publish import check_submission, published_name

MARK = re.compile(r"\[(?:run (?P<run>[0-9a-f]{12}) )?file (?P<file>[0-9a-f]{12})(?: try (?P<attempt>\d+))?\]")


@dataclass(frozen=True)
class Submission:
    """A submission file and the run that made it; run is the key of the run's submit result, which MLflow knows.

    low, high: where the run expects its private score. Without provenance beside the file, run and experiment are
    empty, the numbers None.
    """

    path: Path
    sha256: str
    experiment: str = ""
    run: str = ""
    cv: float | None = None
    se: float | None = None
    low: float | None = None
    high: float | None = None

    def mark(self, attempt: int = 1) -> str:
        """Return what identifies this file, and which attempt to send it this is, in its message."""
        run = f"run {self.run[:12]} " if self.run else ""
        return f"[{run}file {self.sha256[:12]}{f' try {attempt}' if attempt > 1 else ''}]"

    def message(self, attempt: int = 1) -> str:
        """Return the message that Kaggle shows beside the submission; the mark first, lest it be cut off."""
        words = [self.mark(attempt), self.experiment or self.path.name]
        if self.cv is not None:
            words.append(f"CV {self.cv:.6g}" + (f" ± {self.se:.2g}" if self.se is not None else ""))
        return " ".join(words)


def file_and_attempt(message: str) -> tuple[str, str] | None:
    """Return which file a message's mark names, and which attempt to send it; None without a mark."""
    found = MARK.search(message)
    return (found["file"], found["attempt"] or "1") if found else None


def read_submission(path: Path, slug: str) -> Submission:
    """Read a submission's hash, and its provenance where that lies beside it and tells of these very bytes.

    Raises SubmissionError for a file that was made for another competition than `slug`.
    """
    check_submission(path)
    sha256 = hash_file(path)
    found = provenance(path.with_suffix(".json"))
    if found.get("sha256") != sha256:
        return Submission(path, sha256)
    if (made_for := found.get("competition", slug)) != slug:
        raise SubmissionError(f"{path} was made for {made_for}, not for {slug}", hint="nothing was sent")
    return replace(from_provenance(path.parent, found), path=path)


def from_provenance(folder: Path, found: Mapping[str, Any]) -> Submission:
    """Return the submission that `publish` wrote into a folder with this provenance."""
    cv, expected = found.get("cv") or {}, found.get("expected") or {}
    return Submission(
        folder / published_name(found["experiment"], found["sha256"]),
        found["sha256"],
        found["experiment"],
        found["submit_key"],
        _number(cv.get("cv_score")),
        _number(cv.get("se")),
        _number(expected.get("low")),
        _number(expected.get("high")),
    )


def provenance(path: Path) -> dict[str, Any]:
    """Return what `publish` wrote beside a submission; nothing where it did not."""
    found = read_json_if_sound(path)
    ours = isinstance(found, dict) and {"experiment", "sha256", "submit_key"} <= found.keys()
    return dict(found) if ours else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
