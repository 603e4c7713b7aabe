"""The ledger: what is written is read back, the user's notes stay, a broken line is named."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import ROOT

from pipeline.errors import DataError
from pipeline.kaggle.ledger import COLUMNS, PENDING, STATUSES, Line, drop, new_line, put, read
from pipeline.kaggle.submission import MARK, Submission, from_provenance

SHA = "ab12cd34ef56" + "0" * 52
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
NUMBERS = st.none() | st.integers(-(10**8), 10**8).map(lambda number: number / 1e4)


def line(number: int = 1, **more: object) -> Line:
    made = Line("2026-11-21 12:00:00", "complete", ref=str(number), public=0.5)
    return replace(made, **more)  # type: ignore[arg-type]


@settings(max_examples=30)
@given(texts=st.lists(NAMES, min_size=3, max_size=3), numbers=st.lists(NUMBERS, min_size=3, max_size=3))
def test_what_is_written_is_read_back(
    texts: list[str], numbers: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    texts = [" ".join(text.split()) for text in texts]
    made = line(
        experiment=texts[0], message=texts[1], error=texts[2], cv=numbers[0], public=numbers[1], rank=numbers[2]
    )
    put(path, made)
    assert read(path) == [made]


def test_lines_stand_in_the_order_of_time_and_are_replaced_by_number(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    put(path, line(2, sent="2026-11-22 08:00:00"))
    put(path, line(1, status=PENDING))
    put(path, line(1, public=0.25))
    assert [(found.ref, found.status, found.public) for found in read(path)] == [
        ("1", "complete", 0.25),
        ("2", "complete", 0.5),
    ]
    drop(path, line(1))
    assert [found.ref for found in read(path)] == ["2"]


def test_a_line_without_a_number_is_known_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    sending = new_line(Submission(Path("a.csv"), SHA, "default", "0123456789abcdef", 0.5, 0.1), "sending")
    put(path, sending)
    put(path, replace(sending, ref="7", status=PENDING))
    assert [(found.ref, found.status) for found in read(path)] == [("7", PENDING)]
    assert (sending.expected_low, sending.expected_high) == (None, None)


def test_a_file_that_was_uploaded_by_hand_is_known_by_its_bytes() -> None:
    submission = Submission(Path("a.csv"), SHA, "default", "0123456789abcdef")
    assert line(sha256=SHA, message="by hand").is_of(submission)
    assert not line(sha256=SHA[::-1], message="by hand").is_of(submission)


def test_what_the_run_expects_is_told(tmp_path: Path) -> None:
    known = {"experiment": "default", "sha256": SHA, "submit_key": "ab", "cv": {"cv_score": 0.5, "se": 0.1}}
    made = from_provenance(tmp_path, known | {"expected": {"expected": 0.55, "low": 0.4, "high": 0.8}})
    assert (made.low, made.high) == (0.4, 0.8)
    sending = new_line(made, "sending")
    assert (sending.cv, sending.expected_low, sending.expected_high) == (0.5, 0.4, 0.8)


def test_the_note_is_the_users(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    put(path, line())
    path.write_text(path.read_text().rstrip() + "final choice\n")
    put(path, line(public=0.4))
    assert [(found.note, found.public) for found in read(path)] == [("final choice", 0.4)]


def test_columns_that_the_user_added_stay_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    put(path, line(1))
    put(path, line(2))
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},idea", *(f"{row},idea {n}" for n, row in enumerate(rows, 1))]) + "\n")
    put(path, line(3, sent="2026-11-20 12:00:00"))
    put(path, line(1, public=0.4))
    found = [row.rpartition(",")[2] for row in path.read_text().splitlines()]
    assert sorted(found) == ["", "idea", "idea 1", "idea 2"]
    assert found[:2] == ["idea", ""]
    assert len(read(path)) == 3


def test_a_column_that_the_user_added_before_any_line_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    path.write_text(",".join([*COLUMNS, "idea"]) + "\n")
    put(path, line())
    assert path.read_text().splitlines()[0].endswith(",note,idea")


def test_a_line_beside_one_of_the_same_file_that_was_cut_off_keeps_its_columns(tmp_path: Path) -> None:
    """An older pipeline could leave both."""
    path = tmp_path / "ledger.csv"
    sending = new_line(Submission(Path("a.csv"), SHA, "default", "a" * 12), "sending")
    put(path, line(7, message=f"[run {'b' * 12} file {SHA[:12]}] default"))
    header, row = path.read_text().splitlines()
    put(tmp_path / "other.csv", sending)
    cut_off = (tmp_path / "other.csv").read_text().splitlines()[1]
    path.write_text(f"{header},idea\n{cut_off},stale\n{row},good\n")
    put(path, line(7, message=f"[run {'b' * 12} file {SHA[:12]}] default", public=0.4))
    assert sorted((row.split(",")[5], row.rpartition(",")[2]) for row in path.read_text().splitlines()[1:]) == [
        ("", "stale"),
        ("0.4", "good"),
    ]


def test_a_number_that_a_spreadsheet_gave_decimals_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    put(path, line(40_000_000))
    path.write_text(path.read_text().replace(",40000000,", ",40000000.0,").replace(",0.5,", ",1234567.890123,"))
    assert read(path) == [line(40_000_000, public=1234567.890123)]
    put(path, line(40_000_000, private=0.25))
    assert [(found.ref, found.private) for found in read(path)] == [("40000000", 0.25)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("complete", "done", r"line 2: status is 'done'"),
        ("0.5", "half", r"line 2: public is 'half'"),
        ("2026-11-21 12:00:00", "11/21/2026 12:00", r"line 2: sent is '11/21/2026 12:00', expected a time such as"),
        ("public", "score", r"line 1: no column public"),
        (",", ";", r"line 1: columns are separated by ';', expected commas"),
        (",40000000,", ",4E+07,", r"line 2: ref is '4E\+07', expected Kaggle's number"),
        ("the note", "the note,,more,", r"line 2: 'more' stands beyond the last column"),
    ],
)
def test_a_ledger_that_was_broken_by_hand(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "ledger.csv"
    put(path, line(40_000_000, note="the note"))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        put(path, line(2))


def test_a_ledger_that_a_spreadsheet_saved_in_another_encoding(tmp_path: Path) -> None:
    put(tmp_path / "ledger.csv", line(note="größer"))
    text = (tmp_path / "ledger.csv").read_text(encoding="utf-8")
    (tmp_path / "ledger.csv").write_text(text, encoding="cp1252")
    with pytest.raises(DataError, match=r"ledger\.csv is not UTF-8") as caught:
        read(tmp_path / "ledger.csv")
    assert "CSV UTF-8" in caught.value.hint


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.csv"
    writers = [threading.Thread(target=put, args=(path, line(number))) for number in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read(path)) == 20
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == ["ledger.csv"]


@given(run=st.sampled_from(["", "0123456789abcdef"]), attempt=st.integers(1, 99))
def test_a_mark_is_found_in_its_message(run: str, attempt: int) -> None:
    made = Submission(Path("a.csv"), SHA, "[my] experiment", run, 0.5, 0.1)
    found = MARK.search(made.message(attempt))
    assert found
    assert found[0] == made.mark(attempt)
    assert (found["file"], found["run"] or "", int(found["attempt"] or 1)) == (SHA[:12], run[:12], attempt)


def test_the_ledger_may_go_into_git_and_its_locks_may_not() -> None:
    def ignored(name: str) -> int:
        git = ["git", "-C", ROOT, "-c", f"core.excludesFile={os.devnull}"]  # the user's own
        asked = [*git, "check-ignore", "--quiet", "--no-index", f"experiments/houses/{name}"]
        return subprocess.run(asked, capture_output=True, check=False).returncode

    if ignored("reports/ledger.png") == 128:
        pytest.skip("not in a git repository")
    assert [ignored(name) for name in ("ledger.csv", ".ledger.csv.lock", ".sending.lock", "reports/x")] == [1, 0, 0, 0]


def test_every_column_is_there() -> None:
    assert {"sha256", "run", "cv", "cv_se", "public", "private", "rank", "status", "ref"} <= set(COLUMNS)
    assert set(STATUSES) == {"sending", "pending", "complete", "error"}
