"""New rows are typed as they would have been among those that settled the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.inference.prepared import convert
from pipeline.raw.kinds import Settled, are_whole, retype, settle
from pipeline.raw.rows import read_rows
from pipeline.raw.sheet import Sheet, parse, read_sheet
from pipeline.raw.source import Text

NUMBERS = st.one_of(
    st.integers(-5, 20).map(str),
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats().map(repr),
    st.sampled_from(["3.0", "3", "03", "007", "+5", "1e3", ".5", "2.", "-0", "1e400", "9007199254740993.0"]),
    st.from_regex(r"[0-9]\.[0-9]{16,25}", fullmatch=True),
)
CELLS = {
    "numbers": NUMBERS,
    "words": st.sampled_from(["red", "blue", "NA", "", "None", "Red"]),
    "truths": st.sampled_from(["True", "false", "TRUE", ""]),
    "dates": st.sampled_from(["2020-01-02", "2020-01-02T10:00:00Z", "2020-01-02 10:00:00+0200", "2021/05/06", ""]),
    "days first": st.sampled_from(["31/12/2014", "3/4/2014", "03-04-14 10:00", "05.06.2014", ""]),
}
KINDS = st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=2, unique=True)
COLUMNS = KINDS.flatmap(lambda kinds: st.lists(st.one_of(*(CELLS[kind] for kind in kinds)), min_size=2, max_size=12))
SCHEMA: dict[str, Any] = {
    "id": "id",
    "id_dtype": "int64",
    "columns": [
        {"name": "size", "kind": "numeric", "dtype": "int64", "whole": False},
        {"name": "colour", "kind": "categorical", "dtype": "object", "whole": False},
    ],
}


def sheet(content: str, name: str = "test.csv") -> Sheet:
    return parse(Text(name, content.encode()))


def cells(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


def plain(values: pd.Series, kind: str) -> dict[str, list[Any]]:
    """Return what the models are given of a column, as lists in which missing values are equal."""
    columns = convert(values.rename("x").reset_index(drop=True), kind)
    return {name: column.astype(object).where(column.notna(), None).tolist() for name, column in columns.items()}


@given(COLUMNS, st.sampled_from([None, "numeric", "categorical", "date"]), st.data())
def test_any_rows_are_typed_alone_as_among_all(texts: list[str], forced: Any, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(texts) - 1))
    try:
        column = settle("x", cells(texts), forced)
    except DataError:
        assume(False)
    whole = column.kind == "categorical" and are_whole(column.values)
    settled = Settled(column.kind, str(column.values.dtype), whole, column.day_first)
    alone = retype(cells(texts[first:]), settled)
    assert plain(alone, column.kind) == plain(column.values[first:], column.kind)


def test_levels_that_are_all_whole_numbers_are_the_same_however_they_are_spelled() -> None:
    column = settle("x", cells(["3", "7.0", "12"]), "categorical")
    settled = Settled(column.kind, str(column.values.dtype), are_whole(column.values))
    assert retype(cells(["3.0", "7", "+12", "", "8.5"]), settled).tolist() == ["3", "7", "12", None, "8.5"]


@pytest.mark.parametrize(("kind", "dtype", "text"), [("boolean", "boolean", "True"), ("numeric", "float64", "3")])
def test_rows_that_miss_nothing_are_of_the_type_of_those_that_did(kind: Any, dtype: str, text: str) -> None:
    assert retype(cells([text]), Settled(kind, dtype, whole=False)).dtype == dtype


def test_what_a_kind_cannot_hold_is_missing_and_told() -> None:
    said: list[str] = []
    rows = read_rows(sheet("id,size,colour\n1,4,red\n2,many,green\n"), None, SCHEMA, ["size"], said.append)
    assert rows.typed["size"].isna().tolist() == [False, True]
    assert rows.typed["colour"].tolist() == ["red", "green"]
    assert said == ["size: 1 values are not numeric, as they were in train: they count as missing"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,colour\n1,red\n", "test.csv has no column 'size'"),
        ("id,Size,colour\n1,2,red\n", "did you mean 'Size'"),
        ("size,colour\n1,red\n", "no column 'id'"),
        ("id,size,colour\n1,2,red\n1,3,red\n", "lines 2 and 3"),
        ("id,size,colour\n,2,red\n", "the id 'id' is missing"),
    ],
)
def test_rows_that_cannot_be_predicted_are_refused(content: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(sheet(content), None, SCHEMA, ["size"], lambda _: None)
    assert words in f"{caught.value} | {caught.value.hint}"


def test_the_submission_follows_the_sample_only_where_it_has_the_same_ids() -> None:
    said: list[str] = []
    test = sheet("id,size,colour\n1,4,red\n2,5,red\n")
    follows = read_rows(test, sheet("id,y\n2,0\n1,0\n", "sample.csv"), SCHEMA, [], said.append)
    assert (follows.order.tolist(), follows.written.tolist(), said) == ([1, 0], ["2", "1"], [])
    for other in ("id,y\n2,0\n3,0\n", "id,y\n2,0\n2,0\n", "id,y\n2,0\n"):
        said.clear()
        alone = read_rows(test, sheet(other, "sample.csv"), SCHEMA, [], said.append)
        assert (alone.order.tolist(), alone.written.tolist()) == ([0, 1], ["1", "2"])
        assert said == ["sample.csv is about other rows than test.csv: the submission follows test.csv"]


@pytest.mark.parametrize("content", ["", "id,a\n"])
def test_a_file_without_rows_may_be_one_s_own(tmp_path: Path, content: str) -> None:
    file = tmp_path / "new.csv"
    file.write_text(content)
    with pytest.raises(DataError) as caught:
        read_sheet(file)
    assert caught.value.hint.endswith("unless it is a file of your own")
