"""Past submissions are matched to runs by mark or by file, and a second look changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kaggle_server import Competition, Kaggle

from pipeline.errors import SubmissionError
from pipeline.kaggle import upload
from pipeline.kaggle.client import Link
from pipeline.kaggle.ledger import Line, put, read
from pipeline.kaggle.roundtrip import begun
from pipeline.kaggle.submission import read_submission
from pipeline.kaggle.sync import sync
from pipeline.publish import published_name

RUN = "0123456789abcdef" * 4


@pytest.fixture
def houses(kaggle: Kaggle) -> Competition:
    return kaggle.competitions.setdefault("houses", Competition(daily_limit=500, polls_until_scored=-1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of submissions with one that was published."""
    import hashlib

    content = b"id,price\n1,2\n"
    sha256 = hashlib.sha256(content).hexdigest()
    path = tmp_path / "submissions" / published_name("default", sha256)
    path.parent.mkdir()
    path.write_bytes(content)
    provenance = {"experiment": "default", "sha256": sha256, "submit_key": RUN, "results": {"submit": RUN}}
    path.with_suffix(".json").write_text(json.dumps(provenance | {"cv": {"cv_score": 0.5, "se": 0.1}}))
    return path.parent


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.csv"


def sent(houses: Competition, ref: int, description: str = "", name: str = "x.csv") -> None:
    date = f"2026-11-{1 + ref % 28:02d}T10:00:00Z"
    houses.submissions.append(
        {"ref": ref, "content": b"", "polls": 0, "date": date, "description": description, "fileName": name}
    )


@pytest.mark.parametrize("way", ["mark", "name"])
def test_a_submission_is_matched_to_its_run(
    link: Link, houses: Competition, folder: Path, ledger: Path, way: str
) -> None:
    (path,) = folder.glob("*.csv")
    mark = read_submission(path, "houses").message() if way == "mark" else "by hand"
    sent(houses, 7, mark, "other.csv" if way == "mark" else path.name)
    (line,) = sync(link, ledger, folder)
    assert (line.run, line.experiment, line.cv, line.cv_se) == (RUN, "default", 0.5, 0.1)
    assert (line.ref, line.public, line.status) == ("7", 0.12345, "complete")
    assert begun(ledger, read_submission(path, "houses")) == line


def test_a_file_made_for_another_competition_is_refused(folder: Path) -> None:
    (path,) = folder.glob("*.csv")
    provenance = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(provenance | {"competition": "flats"}))
    assert read_submission(path, "flats").experiment == "default"
    with pytest.raises(SubmissionError, match="was made for flats, not for houses"):
        read_submission(path, "houses")


def test_what_came_from_elsewhere_has_a_line_too(link: Link, houses: Competition, folder: Path, ledger: Path) -> None:
    sent(houses, 7, "my first try")
    (line,) = sync(link, ledger, folder)
    assert (line.run, line.message, line.public) == ("", "my first try", 0.12345)


def test_many_pages_and_no_news(link: Link, houses: Competition, folder: Path, ledger: Path) -> None:
    for ref in range(1, 251):
        sent(houses, ref)
    assert len(sync(link, ledger, folder)) == 250
    before = ledger.read_bytes()
    assert sync(link, ledger, folder) == []
    assert ledger.read_bytes() == before


def test_what_the_ledger_writes_otherwise_is_no_news(
    link: Link, houses: Competition, folder: Path, ledger: Path
) -> None:
    houses.judge = lambda _content: "1234567.890123"
    sent(houses, 7, "my  try\nsecond line", "a  b.csv")
    (line,) = sync(link, ledger, folder)
    assert (line.message, line.public) == ("my try second line", 1234567.890123)
    assert read(ledger) == [line]
    assert sync(link, ledger, folder) == []


def test_news_reach_a_line_that_is_there(link: Link, houses: Competition, folder: Path, ledger: Path) -> None:
    put(ledger, Line("2026-11-08 10:00:00", "pending", ref="7", file="x.csv", note="mine"))
    houses.private = "0.2"
    sent(houses, 7)
    sync(link, ledger, folder)
    assert [(line.private, line.note) for line in read(ledger)] == [(0.2, "mine")]


def test_a_line_that_was_cut_off_finds_its_number(
    link: Link, houses: Competition, folder: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "SETTLE_SECONDS", 0.0)
    (path,) = folder.glob("*.csv")
    submission = read_submission(path, "houses")
    put(ledger, Line("2026-11-08 10:00:00", "sending", message=submission.message(), sha256=submission.sha256))
    sent(houses, 7, submission.message())
    sync(link, ledger, folder)
    assert [(line.ref, line.status) for line in read(ledger)] == [("7", "complete")]
