"""Labelled files beside train: typed as train is, or refused with what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from intake import TRAIN, Result, take_in

from pipeline.errors import DataError
from pipeline.raw.labelled import read_labelled
from pipeline.raw.sheet import parse
from pipeline.raw.source import Text

CLASSES = "id,a,b,y\n1,3,red,0\n2,4,blue,1\n3,,red,1\n"


def labelled(made: Result, text: str) -> tuple[Any, list[str]]:
    said: list[str] = []
    return read_labelled(parse(Text("original.csv", text.encode())), made.schema, ["day"], said.append), said


def test_rows_are_typed_as_train_is_and_what_the_file_lacks_is_missing(tmp_path: Path) -> None:
    made = take_in(tmp_path)
    rows, said = labelled(made, "a,y,other\n7,1.25,x\n8,,x\n")
    assert list(rows) == ["id", "a", "b", "y"]
    assert rows["a"].tolist() == [7]
    assert rows["y"].tolist() == [1.25]
    assert rows["b"].isna().all()
    assert "1 rows have no y" in said[0]
    assert "lacks 1 of 2 columns, missing in its rows: b" in said[1]


@pytest.mark.parametrize("spelled", ["0", "0.0", "False"])
def test_labels_may_be_spelled_otherwise(tmp_path: Path, spelled: str) -> None:
    made = take_in(tmp_path, CLASSES, task="binary", metric="accuracy", submission="label")
    assert labelled(made, f"a,y\n7,{spelled}\n")[0]["y"].tolist() == ["0"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,target\n7,1\n", "no target column 'y'"),
        ("c,y\n7,1\n", "no column in common with train"),
        ("a,y\n7,\n8,\n", "missing in every row"),
        ("a,y\n7,1\n8,dear\n", "line 3: the target y is 'dear'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, told: str) -> None:
    made = take_in(tmp_path)
    with pytest.raises(DataError, match=told):
        labelled(made, text)


def test_a_class_that_train_does_not_have_is_refused(tmp_path: Path) -> None:
    made = take_in(tmp_path, CLASSES, task="binary", metric="accuracy", submission="label")
    with pytest.raises(
        DataError, match=r"line 3: the target y is 'maybe' \(1 rows\), which is not a class of train: 0, 1"
    ):
        labelled(made, "a,y\n7,1\n8,maybe\n")


def test_a_column_that_only_train_has_is_kept_where_it_is_used(tmp_path: Path) -> None:
    rows, _ = labelled(take_in(tmp_path), "a,y,day\n7,1.25,2020-01-01\n")
    assert rows["day"].dtype == np.dtype("datetime64[ns]")


def test_a_column_that_only_train_has_is_typed_as_train_has_it(tmp_path: Path) -> None:
    train, test = "id,a,day,y\n1,3,03.02.2020,1\n2,4,13.02.2020,2\n", "id,a\n4,5\n5,6\n"
    made = take_in(tmp_path, train, test, time="day", columns={"date": ["day"]})
    rows, said = labelled(made, "a,y,day\n7,1.25,04.05.2019\n7,1.25,later\n")
    assert rows["day"].astype(str).tolist() == ["2019-05-04", "NaT"]
    assert said == ["day: 1 values are not date, as they were in train: they count as missing"]


@pytest.mark.parametrize(("train_id", "own", "ids"), [("1", "a7", [0]), ("1", "7", [7]), ("a1", "a7", ["a7"])])
def test_ids_are_of_one_type_whatever_the_files_have(tmp_path: Path, train_id: str, own: str, ids: list[Any]) -> None:
    made = take_in(tmp_path, TRAIN.replace("\n1,", f"\n{train_id},"))
    with_ids, without = labelled(made, f"id,a,y\n{own},7,1\n")[0], labelled(made, "a,y\n7,1\n")[0]
    assert with_ids["id"].tolist() == ids
    pd.concat([with_ids, without, made.train]).to_parquet(tmp_path / "rows.parquet")


def test_dates_have_the_order_that_train_and_test_show(tmp_path: Path) -> None:
    train, test = "id,when,y\n1,03/04/2014,1\n2,05/06/2014,2\n", "id,when\n4,31/12/2014\n5,\n"
    made = take_in(tmp_path, train, test, columns={"date": ["when"]})
    assert made.train["when"].dt.month.tolist() == [4, 6]
    assert labelled(made, "when,y\n07/08/2014,1\n")[0]["when"].dt.month.tolist() == [8]
