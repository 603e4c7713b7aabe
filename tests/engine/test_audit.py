"""The witness of the contract that a stage opens only what it declares."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from audit import audit_stages, audited
from toy import make, node

from pipeline.engine.stage import Input, Job
from pipeline.engine.store import Store


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("in/entries", "out", "progress", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("in/a", "in/entries/b", "in/manifest.json", "raw.csv", "elsewhere/secret.parquet"):
        (tmp_path / name).write_text("text")
    folders = {name: tmp_path / name for name in ("out", "progress")}
    return Job({}, {"in": tmp_path / "in"}, {"train": tmp_path / "raw.csv"}, {}, **folders, seed=0, log=None)


def test_what_is_declared_may_be_opened(job: Job, tmp_path: Path) -> None:
    def stage(job: Job) -> None:
        (job.inputs["in"] / "entries" / "b").read_text()
        job.sources["train"].read_bytes()
        (job.out / "made").write_text("made")
        (job.out / "made").rename(job.out / "renamed")
        sqlite3.connect(job.progress / "study.db").close()

    found = audited(job, stage, roots=[tmp_path])
    assert {p.relative_to(tmp_path).as_posix() for p in found} >= {"in/entries/b", "raw.csv", "out/made"}


def by_arrow(path: Path) -> None:
    import pyarrow as pa

    pa.OSFile(str(path)).close()


@pytest.mark.parametrize(
    "read",
    [
        Path.read_text,
        lambda path: sqlite3.connect(f"file:{path}?mode=ro", uri=True).close(),
        pytest.param(by_arrow, marks=pytest.mark.skipif(sys.platform != "linux", reason="only inotify sees C++ open")),
    ],
)
def test_what_is_not_declared_may_not(job: Job, tmp_path: Path, read: Callable[[Path], object]) -> None:
    for name in ("elsewhere/secret.parquet", "in/manifest.json"):
        with pytest.raises(AssertionError, match=f"without being declared: .*{name}"):
            audited(job, lambda job, name=name: read(job.out.parent / name), roots=[tmp_path])
    assert audited(job, lambda _: read(tmp_path / "raw.csv"), roots=[tmp_path / "in"]) == [], "not below the roots"


def test_a_narrowed_input_is_held_to_what_it_names(job: Job, tmp_path: Path) -> None:
    narrow = node("b")
    object.__setattr__(narrow, "inputs", {"in": Input("a", ("entries",))})
    audited(job, lambda job: (job.inputs["in"] / "entries/b").read_text(), roots=[tmp_path], node=narrow)
    with pytest.raises(AssertionError, match="in/a"):
        audited(job, lambda job: (job.inputs["in"] / "a").read_text(), roots=[tmp_path], node=narrow)


def test_all_stages_of_a_run_are_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = audit_stages(monkeypatch, roots=[tmp_path])
    make(Store(tmp_path / "cache"), node("a"), node("b", "a"))
    assert {name: [p.name for p in paths] for name, paths in found.items()} == {"a": ["out.txt"], "b": ["out.txt"] * 2}
