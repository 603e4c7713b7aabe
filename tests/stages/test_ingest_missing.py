"""The stage ingest where a competition says what stands for a missing value."""

from __future__ import annotations

import pytest
from intake import refusal, take_in

from pipeline.errors import ConfigError
from pipeline.raw.rows import read_rows
from pipeline.raw.sheet import parse
from pipeline.raw.source import Text


@pytest.mark.parametrize("missing", [[-1, "?"], {"size": [-1, "?"], "kind": [-1]}], ids=["everywhere", "by-name"])
def test_what_the_competition_says_stands_for_a_missing_value_is_missing(tmp_path, missing):
    train, test = "id,size,kind,y\n1,2.5,-1,1\n2,-1.0,4,-1\n3,?,4,3\n", "id,size,kind\n4,-1,3\n"
    made = take_in(tmp_path, train, test, "id,y\n4,0\n", missing=missing)
    assert made.train["size"].isna().tolist() == [False, True, True]
    assert made.train["kind"].isna().tolist() == [True, False, False]
    assert made.test["size"].isna().all()
    assert made.kinds == {"size": "numeric", "kind": "numeric"}
    assert made.train["y"].tolist() == [1, -1, 3], "a target is what it is"
    assert "4 cells in 2 columns stand for missing values: size, kind" in made.facts["notes"]
    new = parse(Text("new.csv", b"id,size,kind\n5,?,-1\n"))
    said: list[str] = []
    rows = read_rows(new, None, made.schema, ["size", "kind"], said.append).typed
    assert rows[["size", "kind"]].isna().all(axis=None)
    assert not said


def test_missing_names_features_and_what_is_there(tmp_path):
    assert "no feature is called 'y'" in refusal(tmp_path, kind=ConfigError, missing={"y": [-1]})
    (tmp_path / "other").mkdir()
    made = take_in(tmp_path / "other", missing={"a": [-7]})
    assert made.facts["warnings"] == ["competition.toml, [missing] a: no cell is -7"]
