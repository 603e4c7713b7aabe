"""`pipeline new` finds a competition's files in archives, too, and takes those that lie unpacked beside them."""

from __future__ import annotations

import tomllib
import zipfile

import pytest

from pipeline.errors import DataError
from pipeline.scaffold import find_files, scaffold

IDS = range(1, 61)
TRAIN = "\n".join(["id,a,y", *(f"{i},{i},{i / 7}" for i in IDS)])
TEST = "\n".join(["id,a", *(f"{i},{i}" for i in IDS)])
SAMPLE = "\n".join(["id,y", *(f"{i},{i}" for i in IDS)])


def test_files_inside_one_archive(tmp_path):
    raw = tmp_path / "data" / "shop" / "raw"
    raw.mkdir(parents=True)
    with zipfile.ZipFile(raw / "shop.zip", "w") as archive:
        archive.writestr("train.csv", TRAIN)
        archive.writestr("test.csv", TEST)
        archive.writestr("gender_submission.csv", SAMPLE)
    made = scaffold("shop", raw, tmp_path / "experiments")
    assert tomllib.loads(made.paths[0].read_text())["files"] == {
        "train": "shop.zip/train.csv",
        "test": "shop.zip/test.csv",
        "sample": "shop.zip/gender_submission.csv",
    }


@pytest.mark.parametrize("also", [(), ("train.csv",), ("train.csv", "test.csv")])
def test_files_inside_archives_beside_plain_ones(tmp_path, also):
    raw = tmp_path / "data" / "shop" / "raw"
    raw.mkdir(parents=True)
    texts = {"train.csv": TRAIN, "test.csv": TEST}
    for name, text in texts.items():
        with zipfile.ZipFile(raw / name.replace("csv", "zip"), "w") as archive:
            archive.writestr(name, text)
    for name in also:
        (raw / name).write_text(texts[name])
    (raw / "sample_submission.csv").write_text(SAMPLE)
    made = scaffold("shop", raw, tmp_path / "experiments")
    assert tomllib.loads(made.paths[0].read_text())["files"] == {
        "train": "train.csv" if "train.csv" in also else "train.zip/train.csv",
        "test": "test.csv" if "test.csv" in also else "test.zip/test.csv",
        "sample": "sample_submission.csv",
    }


@pytest.mark.parametrize("packed", ["train.csv.zip", "train.csv.gz"])
def test_packed_files_beside_the_same_unpacked(tmp_path, packed):
    for name in ("train.csv", packed, "test.csv"):
        (tmp_path / name).write_text("id,a\n1,2\n")
    assert find_files(tmp_path) == ({"train": "train.csv", "test": "test.csv"}, [])


@pytest.mark.parametrize(
    ("content", "said"), [(b"<!doctype html>", "found an HTML page"), (b"PK\x03\x04 cut", "but is none")]
)
def test_an_archive_that_is_none(tmp_path, content, said):
    (tmp_path / "all.zip").write_bytes(content)
    with pytest.raises(DataError, match=f"all.zip.*{said}"):
        scaffold("shop", tmp_path, tmp_path / "experiments")
