"""The ledger: one line a submission in experiments/<slug>/ledger.csv, for people, spreadsheets and git."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.atomic import put_text
from pipeline.errors import DataError
from pipeline.kaggle.submission import MARK, Submission, file_and_attempt

SENDING, PENDING, COMPLETE, ERROR = "sending", "pending", "complete", "error"
STATUSES = (SENDING, PENDING, COMPLETE, ERROR)


@dataclass(frozen=True)
class Line:
    """One submission. sent: UTC, ISO; cv_se: the CV's standard error; expected_low, expected_high: where the run
    expected its private score; rank of teams: where the public score stood.

    status: "sending" from before Kaggle is told until it answers, then Kaggle's own. Numbers that are not known are
    None, and empty in the file. note is the user's own column.
    """

    sent: str
    status: str
    experiment: str = ""
    cv: float | None = None
    cv_se: float | None = None
    public: float | None = None
    private: float | None = None
    rank: float | None = None
    teams: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    file: str = ""
    sha256: str = ""
    run: str = ""
    ref: str = ""
    message: str = ""
    error: str = ""
    note: str = ""

    @property
    def mark(self) -> str:
        """The mark in the message; empty for a submission that was not sent from here."""
        found = MARK.search(self.message)
        return found[0] if found else ""

    def is_same(self, other: Line) -> bool:
        """Tell whether both are of one submission: by Kaggle's number, else by file and attempt, whichever run's."""
        if self.ref and other.ref:
            return self.ref == other.ref
        made = file_and_attempt(self.message)
        return made is not None and made == file_and_attempt(other.message)

    def is_of(self, submission: Submission) -> bool:
        """Tell whether a file was sent here; a line that `sync` made of one without provenance has its mark alone."""
        sent = file_and_attempt(self.message)
        return self.sha256 == submission.sha256 or (sent is not None and submission.sha256.startswith(sent[0]))


NUMBERS = tuple(field.name for field in fields(Line) if field.type == "float | None")
COLUMNS = tuple(field.name for field in fields(Line))


def new_line(submission: Submission, status: str, attempt: int = 1) -> Line:
    """Return the line of a file that is about to be sent."""
    return Line(
        sent=now(),
        status=status,
        experiment=submission.experiment,
        cv=submission.cv,
        cv_se=submission.se,
        expected_low=submission.low,
        expected_high=submission.high,
        file=submission.path.name,
        sha256=submission.sha256,
        run=submission.run,
        message=submission.message(attempt),
    )


def now() -> str:
    """Return the time as the ledger has it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def read(path: Path) -> list[Line]:
    """Return all lines, the oldest first; a line that cannot be understood is a DataError."""
    _, rows = _rows(path)
    return [_parse(row, f"{path}, line {number}") for number, row in enumerate(rows, 2)]


def _rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the names of the user's own columns, and all rows as text; a file that lacks a column is a DataError."""
    if not path.is_file():
        return [], []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: {error}", hint="save it as CSV UTF-8; nothing else was changed"
        ) from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    there = rows.fieldnames or ()
    missing = [name for name in COLUMNS if name not in there and name != "note"]
    if missing and (other := next((mark for mark in ";\t" if mark in "".join(there)), "")):
        found = f"{path}, line 1: columns are separated by {other!r}, expected commas"
        raise DataError(found, hint="save it as CSV with commas: a spreadsheet chooses by your country")
    if missing:
        raise DataError(
            f"{path}, line 1: no column {', '.join(missing)}", hint="restore it, or move it away and run pipeline sync"
        )
    return [name for name in dict.fromkeys(there) if name not in COLUMNS], list(rows)


def _parse(row: dict[str, Any], where: str) -> Line:
    known: dict[str, Any] = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if known["status"] not in STATUSES:
        raise DataError(f"{where}: status is {known['status']!r}, expected one of {', '.join(STATUSES)}")
    if beyond := " ".join(row.get(None) or ()).strip():  # type: ignore[call-overload]
        raise DataError(f"{where}: {beyond!r} stands beyond the last column", hint="give the column a name in line 1")
    try:
        datetime.fromisoformat(known["sent"])
    except ValueError:
        found = f"{where}: sent is {known['sent']!r}, expected a time such as {now()}"
        raise DataError(found, hint="a spreadsheet may have written it so: format the column as text") from None
    for name in NUMBERS:
        try:
            known[name] = float(known[name]) if known[name] else None
        except ValueError:
            raise DataError(f"{where}: {name} is {known[name]!r}, expected a number or nothing") from None
    known["ref"] = _number_at_kaggle(known["ref"], where)
    return Line(**known)


def _number_at_kaggle(text: str, where: str) -> str:
    """Return a submission's number at Kaggle as text; a spreadsheet's 40000000.0 is 40000000."""
    whole = text.removesuffix(".0")
    if whole and not (whole.isascii() and whole.isdigit()):
        hint = "a spreadsheet may have written it so: leave it empty, and pipeline sync finds it by the message's mark"
        raise DataError(f"{where}: ref is {text!r}, expected Kaggle's number of the submission, or nothing", hint=hint)
    return whole


def as_kept(line: Line) -> Line:
    """Return a line as it is read back: blanks and line feeds are one blank, numbers have 15 digits."""
    return _parse({name: _shown(value) for name, value in asdict(line).items()}, "")


def known_as(lines: Iterable[Line], line: Line) -> Line | None:
    """Return the line of the same submission, one with Kaggle's number before one that was cut off; None without."""
    return max((one for one in lines if one.is_same(line)), key=lambda one: bool(one.ref), default=None)


def put(path: Path, line: Line) -> Line:
    """Write a line in place of the one of the same submission, or add it; the user's note stays."""
    put_all(path, [line])
    return line


def put_all(path: Path, news: Sequence[Line]) -> None:
    """Do the same with many lines at once."""

    def change(lines: list[Line]) -> list[Line]:
        for line in news:
            old = known_as(lines, line)
            kept = [known for known in lines if known is not old]
            lines = [*kept, line if old is None else replace(line, note=old.note)]
        return lines

    _rewrite(path, change)


def drop(path: Path, line: Line) -> None:
    """Take the line of a submission out."""
    _rewrite(path, lambda lines: [known for known in lines if not known.is_same(line)])


def _rewrite(path: Path, change: Callable[[list[Line]], list[Line]]) -> None:
    """Change the lines; columns that the user has added stay with theirs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        old, (added, rows) = read(path), _rows(path)
        theirs: dict[Line | None, dict[str, str]] = {
            line: {name: row[name] or "" for name in added} for line, row in zip(old, rows, strict=True)
        }

        def cells(line: Line) -> dict[str, str]:
            own = theirs.get(line) or theirs.get(known_as(old, line)) or {}
            return {name: _shown(value) for name, value in asdict(line).items()} | own

        lines = sorted(change(old), key=lambda line: line.sent)
        put_text(path, _text([*COLUMNS, *added], map(cells, lines)))


def _text(columns: Sequence[str], rows: Iterable[dict[str, str]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _shown(value: str | float | None) -> str:
    if value is None:
        return ""
    return " ".join(value.split()) if isinstance(value, str) else f"{value:.15g}"
