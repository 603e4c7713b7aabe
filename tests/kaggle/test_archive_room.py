"""An archive that the disk has no room for is not unpacked, and it is said what would help."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from kaggle_server import archive

from pipeline.engine.console import Console
from pipeline.errors import KaggleError
from pipeline.kaggle.archive import unpack


def test_an_archive_for_which_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files.zip").write_bytes(archive({"train.csv": bytes(3_000_000)}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_999_999))
    with pytest.raises(KaggleError, match=r"unpacking takes 0\.0 GB, 0\.0 GB are free") as caught:
        unpack(tmp_path / "files.zip", tmp_path / "in", Console(quiet=True))
    assert caught.value.hint == "make room, or choose another disk with --data before the command"
    assert [path.name for path in tmp_path.iterdir()] == ["files.zip"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3_000_000))
    unpack(tmp_path / "files.zip", tmp_path / "in", Console(quiet=True))
    assert (tmp_path / "in" / "train.csv").stat().st_size == 3_000_000
