"""The stage ingest where files lie beside train and test, or rows have no id of their own."""

from __future__ import annotations

import pytest
from intake import FACTS, SAMPLE, TEST, TRAIN, run, take_in

from pipeline.errors import DataError


def test_files_beside_train_and_test_are_joined_and_ids_made_up(tmp_path):
    (tmp_path / "shops.csv").write_text("shop,city\n1,Ulm\n2,Bonn\n")
    facts = {"id": "Id", "id_from": ["shop", "day"], "tables": [("shops.csv", ["shop"])]}
    sources = {role: tmp_path / f"{role}.csv" for role in ("train", "test", "sample")}
    texts = {
        "train": "shop,day,y\n1,1,5\n2,1,6\n1,2,7\n",
        "test": "shop,day\n2,3\n3,3\n",
        "sample": "Id,y\n3_3,0\n2_3,0\n",
    }
    for role, text in texts.items():
        sources[role].write_text(text)
    made = run(tmp_path, {**sources, "table shops.csv": tmp_path / "shops.csv"}, FACTS | facts)
    assert made.train.columns.tolist() == ["Id", "shop", "day", "city", "y"]
    assert made.train["Id"].tolist() == ["1_1", "2_1", "1_2"]
    assert made.train["city"].tolist() == ["Ulm", "Bonn", "Ulm"]
    assert made.test["city"].fillna("?").tolist() == ["Bonn", "?"]
    assert made.sample["Id"].tolist() == ["3_3", "2_3"]
    assert made.facts["files"]["table shops.csv"]["rows"] == 2
    assert "shops.csv: 1 of 2 rows of test.csv have no row there, such as shop = 3" in made.facts["warnings"]


def test_a_table_that_fits_no_row_is_refused(tmp_path):
    (tmp_path / "codes.csv").write_text("a,word\n03,x\n04,y\n")
    sources = {role: tmp_path / f"{role}.csv" for role in ("train", "test", "sample")}
    for role, text in (("train", TRAIN), ("test", TEST), ("sample", SAMPLE)):
        sources[role].write_text(text)
    facts = FACTS | {"tables": [("codes.csv", ["a"])]}
    with pytest.raises(DataError, match=r"no row of train.csv has one in codes.csv: a = 3 is not there, a = 03 is"):
        run(tmp_path, {**sources, "table codes.csv": tmp_path / "codes.csv"}, facts)


@pytest.mark.parametrize("first", [0, 1, 5])
def test_rows_that_have_no_id_are_counted_as_the_sample_does(tmp_path, first):
    sample = f"id,y\n{first},0\n{first + 1},0\n"
    made = take_in(tmp_path, "a,y\n5,1\n6,2\n", "a\n7\n8\n", sample, id_from=first)
    assert made.test["id"].tolist() == [first, first + 1]
    assert made.train["id"].tolist() == [first, first + 1]
    assert made.test["a"].tolist() == [7, 8]
    assert made.schema["id_from"] == first
