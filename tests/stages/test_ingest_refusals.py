"""The stage ingest on bad files: one clear message for each kind, with the place and what to do."""

from __future__ import annotations

import zipfile

import pytest
from intake import FACTS, TEST, TRAIN, refusal, run

from pipeline.errors import ConfigError, DataError


def test_refuses_a_positive_class_that_is_none(tmp_path):
    train, test, sample = "id,a,y\n1,3,alive\n2,4,dead\n", "id,a\n3,5\n", "id,y\n3,0.5\n"
    facts = {"task": "binary", "metric": "auc", "submission": "probability", "positive": "alife"}
    assert "did you mean 'alive'?" in refusal(tmp_path, train, test, sample, kind=ConfigError, **facts)


def test_refuses_several_targets_of_which_no_row_has_all(tmp_path):
    train, sample = "id,a,y,z\n1,3,4,\n2,4,,5\n", "id,y,z\n4,0,0\n"
    found = refusal(tmp_path, train, "id,a\n4,5\n", sample, target=["y", "z"])
    assert "the target y, z is missing in every row" in found


def test_refuses_a_ragged_row(tmp_path):
    assert "train.csv, line 3: found 3 fields, expected 4" in refusal(tmp_path, TRAIN.replace(",blue", ""))


def test_refuses_a_quote_that_never_ends_where_it_starts(tmp_path):
    assert "train.csv, line 3: found 3 fields" in refusal(tmp_path, TRAIN.replace("blue", '"blue'))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "train.csv is empty (0 bytes)"),
        ("id,a,b,y\n", "has a header but no rows"),
        ("<!DOCTYPE html><html>log in</html>", "HTML page"),
        ("<!-- a page --><html>log in</html>", "HTML page"),
        ('<a href="/login">log in</a>', "HTML page"),
        ('{"code": 403, "message": "You must accept the rules"}', 'found JSON, expected CSV: \'{"code": 403'),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n", "Git LFS pointer"),
        (
            b"id,a,b,y\n1,2,caf\xe9,3\n2,3,\x81,4\n",
            "line 2 (byte 16): byte 0xe9 is not UTF-8, nor is byte 0x81 in line 3",
        ),
        (b"id,a,b,y\n1,2,\0,3\n", "line 2 (byte 13): found a NUL byte"),
        (b"PAR1abc", "is a parquet file"),
        (b"PK\x03\x04 cut off", "the archive is damaged"),
        (b"\x1f\x8b cut off", "the archive is damaged"),
        (TRAIN.replace("a,b", "a,a"), "the column name 'a' stands there twice"),
        (TRAIN.replace("id", "key"), "train.csv has no id column"),
        (TRAIN.replace("\n2,", "\n1,"), "train.csv: the id id = 1 stands in lines 2 and 3"),
        (TRAIN.replace("\n2,", "\n,"), "train.csv, line 3: the id 'id' is missing"),
        (TRAIN.replace("y\n", "Y2\n"), "train.csv has no target column 'y'"),
        (TRAIN.replace("2.5", "much"), "train.csv, line 3: the target y is 'much', expected a number"),
        (TRAIN.replace("2.5", "inf"), "line 3: the target y is 'inf'"),
    ],
)
def test_refuses_a_bad_train_file(tmp_path, content, expected):
    sources = {} if "no id column" not in expected else {"test": TEST.replace("id", "key")}
    assert expected in refusal(tmp_path, content, **sources)


def test_refuses_columns_that_differ(tmp_path):
    said = refusal(tmp_path, test=TEST.replace("id,a,b", "id,a,bb"))
    assert "only in train.csv: b; only in test.csv: bb" in said
    assert "did you mean 'bb'?" in said
    assert "[columns] drop" in said


def test_a_target_that_test_has_too_is_doubted(tmp_path):
    said = refusal(tmp_path, target="a")
    assert "only in train.csv: y | the target 'a' stands in test.csv too: is it 'y' that is to be predicted?" in said


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("id,y\n4,0\n", "1 ids of test not there (first: 5)"),
        ("id,y\n4,0\n6,0\n", "1 ids that test does not have (first: 6)"),
        ("id,y\n4,0\n4,0\n", "the id id = 4 stands in lines 2 and 3"),
        ("ids,y\n4,0\n5,0\n", "sample.csv has no id column 'id' | did you mean 'ids'?"),
        ("id,y,z\n4,0,0\n5,0,0\n", "expected id and one more"),
    ],
)
def test_refuses_a_sample_that_does_not_fit(tmp_path, sample, expected):
    assert expected in refusal(tmp_path, sample=sample)


def test_refuses_class_columns_that_do_not_fit(tmp_path):
    train = "id,a,y\n1,0,cat\n2,1,dog\n"
    sample = "id,cat,dot\n4,1,0\n"
    said = refusal(tmp_path, train, "id,a\n4,1\n", sample, task="binary", submission="probabilities")
    assert "cat, dot for the classes cat, dog | did you mean 'dog'?" in said


def test_refuses_a_sample_of_labels_that_are_no_classes(tmp_path):
    train, sample = "id,a,y\n1,0,cat\n2,1,dog\n", "id,y\n4,?\n"
    said = refusal(tmp_path, train, "id,a\n4,1\n", sample, task="binary", submission="label", metric="accuracy")
    assert "'y' of the sample submission holds ?, none of which is a class of the target: cat, dog" in said


def test_refuses_a_binary_target_with_three_classes(tmp_path):
    assert "has 3 classes" in refusal(tmp_path, task="binary", submission="label")


def test_an_id_among_the_features(tmp_path):
    said = refusal(tmp_path, kind=ConfigError, columns={"date": ["id"]})
    assert "[columns] date lists 'id', the id, which is no feature | a function of features.py" in said


def test_refuses_an_override_for_no_column(tmp_path):
    said = refusal(tmp_path, kind=ConfigError, columns={"categorical": ["A"]})
    assert "[columns] categorical: no column 'A'" in said


def test_refuses_an_override_that_does_not_fit(tmp_path):
    assert "'b' should hold dates, found 'red'" in refusal(tmp_path, columns={"date": ["b"]})


def test_a_missing_file_names_its_nearest(tmp_path):
    (tmp_path / "train.csv.zip").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        run(tmp_path, {"train": tmp_path / "train.csv"}, FACTS)
    assert "train.csv does not exist" in str(caught.value)
    assert "did you mean 'train.csv.zip'?" in caught.value.hint


@pytest.mark.parametrize("names", [["a.csv", "b.csv"], ["readme.md"]])
def test_a_zip_must_hold_one_table(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in names:
            archive.writestr(name, TRAIN)
    with pytest.raises(DataError, match="should hold one CSV file, found: " + ", ".join(names)):
        run(tmp_path, {"train": tmp_path / "train.zip"}, FACTS)
