"""Columns written as CSV come back as they were, whatever they hold."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.raw.kinds import Settled, identifiers, retype, settle
from pipeline.raw.sheet import MISSING, parse
from pipeline.raw.source import Text

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs", "Cc"]), min_size=1)
STRINGS = WORDS.map(lambda text: f"x{text}".strip()).filter(lambda text: text not in MISSING)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": FLOATS,
    "bool": st.booleans(),
    "datetime64[ns]": st.datetimes(pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01")).map(pd.Timestamp),
    "object": STRINGS,
}
WITH_MISSING = {"int64": "float64", "bool": "boolean"}


def columns(dtype: str, missing: bool) -> st.SearchStrategy[list]:
    values = st.integers(-(2**53), 2**53) if missing and dtype == "int64" else VALUES[dtype]
    cell = st.one_of(values, st.none()) if missing else values
    return st.lists(cell, min_size=1, max_size=20).filter(
        lambda cells: missing == (None in cells) and set(cells) != {None}
    )


def read_back(values: list) -> pd.Series:
    frame = pd.DataFrame({"other": range(len(values)), "column": pd.Series(values, dtype=object)})
    return settle("column", parse(Text("a.csv", frame.to_csv(index=False).encode())).cells["column"]).values


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", VALUES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_round_trip(dtype, missing, data):
    values = data.draw(columns(dtype, missing))
    back = read_back(values)
    expected = WITH_MISSING.get(dtype, dtype) if missing else dtype
    if dtype == "float64" and not missing and all(_prints_whole(value) for value in values):
        expected = back.dtype  # 1e20 and -0.0 are numbers however they are held
    assert back.dtype == expected
    assert back.isna().tolist() == [value is None for value in values]
    assert [value for value in back if not pd.isna(value)] == [value for value in values if value is not None]


def _prints_whole(value: float) -> bool:
    return math.isfinite(value) and "." not in str(value)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2"], "numeric"),
        (["1.", ".5", "+3", "1e-3"], "numeric"),
        (["01", "12"], "categorical"),
        (["0", "10"], "numeric"),
        (["0.5", "00"], "categorical"),
        (["0x1F", "0x20"], "categorical"),
        (["12345678901234567890", "1"], "categorical"),
        (["True", "False"], "boolean"),
        (["true", "0"], "categorical"),
        (["2020-01-01", "2020-13-01"], "categorical"),
        (["2020-01-01", "2020-01-01 10:30:00"], "date"),
        (["2020-01-01T10:30:00Z", "2020-01-01T10:30:00+02:00"], "date"),
        (["2009-06-15 17:26:21 UTC", "2010-01-05 16:52:16 UTC"], "date"),  # as in New York's taxi fares
        (["2020", "2021"], "numeric"),
        (["1-2020", "x"], "categorical"),
        (["NA", ""], "numeric"),
    ],
)
def test_kinds(cells, kind):
    assert settle("column", pa.chunked_array([cells])).kind == kind


def test_times_with_zones_become_universal():
    values = settle("t", pa.chunked_array([["2020-01-01T10:30:00Z", "2020-01-01T10:30:00+02:00"]])).values
    assert values.dt.hour.tolist() == [10, 8]


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["03/04/2014", "31/12/2014 10:30", "2014/05/06"], ["2014-04-03", "2014-12-31", "2014-05-06"]),
        (["03/04/2014", "12/31/2014", "2014-05-06"], ["2014-03-04", "2014-12-31", "2014-05-06"]),
        (["3-4-14", "13-4-14", "NA"], ["2014-04-03", "2014-04-13", "NaT"]),
        (["10.03.2011", "1.2.2011"], ["2011-03-10", "2011-02-01"]),
    ],
)
def test_dates_have_one_order_in_the_whole_column(texts, days):
    column = settle("day", pa.chunked_array([texts]), "date")
    assert column.values.dt.normalize().astype(str).tolist() == days
    assert column.notes == ()
    alone = retype(pa.chunked_array([texts[:1]]), Settled("date", "datetime64[ns]", False, column.day_first))
    assert alone.astype(str).tolist() == days[:1]


def test_an_order_of_dates_that_nothing_tells_is_said():
    column = settle("day", pa.chunked_array([["03/04/2014"]]), "date")
    assert column.values.dt.month.tolist() == [3]
    assert "read 03/04/2014 month first" in column.notes[0]


def test_dates_of_two_orders_are_refused():
    with pytest.raises(DataError, match="'day': '31/12/2014' has the day first, '12/30/2014' the month"):
        settle("day", pa.chunked_array([["31/12/2014", "12/30/2014"]]), "date")


def test_a_new_date_of_the_other_order_is_missing():
    settled = Settled.of({"kind": "date", "dtype": "datetime64[ns]", "whole": False})
    values = retype(pa.chunked_array([["12/11/2014", "31/12/2014"]]), settled)
    assert values.dt.month.tolist()[0] == 12
    assert values.isna().tolist() == [False, True]


def test_infinite_values_are_missing_and_said():
    column = settle("ratio", pa.chunked_array([["1.5", "inf", "-Infinity"]]))
    assert column.values.isna().tolist() == [False, True, True]
    assert column.notes == ("ratio: 2 infinite values read as missing",)


def test_a_stray_word_among_numbers_is_said():
    column = settle("size", pa.chunked_array([["?", *map(str, range(40))]]))
    assert column.kind == "categorical"
    assert "[columns] numeric would read '?' as missing" in column.notes[0]


@pytest.mark.parametrize(
    ("cells", "ids"),
    [
        (["3", "4.0"], [3, 4]),
        (["0013_01", "2"], ["0013_01", "2"]),
        (["007", "8"], ["007", "8"]),
        (["1.5", "2"], ["1.5", "2"]),
    ],
)
def test_identifiers(cells, ids):
    found = identifiers(pa.chunked_array([cells]))
    assert found.tolist() == ids
    assert found.dtype == (np.int64 if isinstance(ids[0], int) else object)
