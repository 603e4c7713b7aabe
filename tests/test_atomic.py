"""Files are written whole or not at all, and what the system refuses names the file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.atomic import put_text
from pipeline.scaffold import scaffold


def test_a_disk_that_is_full_leaves_the_old_file_and_is_told_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.csv"
    put_text(path, "old")

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as caught:
        put_text(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_no_part_of_a_competition_s_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next `pipeline new` keeps every experiment that is there."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = [f"{i},{i * i % 7},{i / 7}" for i in range(60)]
    (raw / "train.csv").write_text("\n".join(["id,a,y", *rows]))
    (raw / "test.csv").write_text("\n".join(["id,a", *(row.rpartition(",")[0] for row in rows)]))

    def full(path: Path, content: str | bytes, **_how: str) -> int:
        with path.open("wb") as file:
            file.write(content[:20] if isinstance(content, bytes) else content[:20].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        scaffold("shop", raw, tmp_path / "experiments")
    assert list((tmp_path / "experiments" / "shop").iterdir()) == []
