"""Files beside train and test: rows are joined one to one, and ids are made up of columns."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, DataError
from pipeline.raw.beside import beside, read_tables, widened, write_tables
from pipeline.raw.sheet import Sheet, parse
from pipeline.raw.source import Text

STORES = "Store,Type,Size\n1,A,10\n2,B,20\n3,,30\n"
ROWS = "Store,Day,y\n2,mon,1\n9,tue,2\n3,mon,3\n2,tue,4\n"


def sheet(text: str, name: str = "train.csv") -> Sheet:
    return parse(Text(name, text.encode()))


def joined(rows: str, table: str, *on: str) -> tuple[dict[str, list[str]], list[str]]:
    said: list[str] = []
    wide = widened(sheet(rows), {}, [beside(sheet(table, "stores.csv"), on)], said.append)
    return wide.cells.to_pydict(), said


def test_rows_keep_their_number_and_order_and_get_the_tables_columns():
    cells, said = joined(ROWS, STORES, "Store")
    assert cells["Store"] == ["2", "9", "3", "2"]
    assert cells["Type"] == ["B", "", "", "B"]
    assert cells["Size"] == ["20", "", "30", "20"]
    assert said == ["stores.csv: 1 of 4 rows of train.csv have no row there, such as Store = 9"]


KEY = st.sampled_from(["1", "2", "02", "", "a b", "NA"])


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(KEY, KEY), min_size=1, max_size=30), keys=st.sets(st.tuples(KEY, KEY), min_size=1))
def test_a_join_is_that_of_pandas(rows, keys):
    left = pd.DataFrame(rows, columns=["row", "k"])
    right = pd.DataFrame(sorted(keys), columns=["row", "k"]).assign(v=[f"v{n}" for n in range(len(keys))])
    expected = left.merge(right, how="left", on=["row", "k"])["v"].fillna("").tolist()
    tables = [beside(sheet(right.to_csv(index=False)), ["k", "row"])]
    wide = widened(sheet(left.to_csv(index=False)), {}, tables, lambda _: None)
    assert wide.cells["v"].to_pylist() == expected


def test_a_column_that_rows_have_stays_and_other_values_are_told():
    cells, said = joined("Store,Size\n1,10\n2,21\n9,5\n", STORES, "Store")
    assert cells["Size"] == ["10", "21", "5"]
    other = "Size: 1 rows of train.csv have another value in stores.csv; the one that they had counts"
    assert said[1:] == [other]
    assert joined("Store,Type,Size\n1,A,10\n2,B,21\n", STORES, "Store")[1] == [other]


def test_a_table_goes_with_a_file_that_has_all_of_its_key_and_says_for_how_many_rows():
    table = beside(sheet("Store,Day,Type\n1,mon,A\n2,mon,B\n"), ["Store", "Day"])
    assert [table.fits(columns) for columns in (["Day"], ["Store", "Day", "y"])] == [False, True]
    assert table.share_of(sheet("Store,Day\n1,mon\n1,tue\n2,mon\n3,mon\n")) == 0.5


def test_rows_that_have_a_tables_columns_need_not_have_its_key():
    cells, _ = joined("Type,Size,y\nB,20,1\n", STORES, "Store")
    assert (cells["Type"], cells["Size"]) == (["B"], ["20"])


@pytest.mark.parametrize(
    ("table", "on", "kind", "words"),
    [
        (
            "Store,Type\n1,A\n2,B\n1,C\n",
            ["Store"],
            DataError,
            "stores.csv, line 4: a second row with Store = 1 (1 such",
        ),
        (STORES, ["Shop"], ConfigError, "[tables] stores.csv: the file has no column 'Shop'"),
        (STORES, ["Store", "Type", "Size"], ConfigError, "it has no column but Store, Type, Size"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused(table, on, kind, words):
    with pytest.raises(kind) as caught:
        beside(sheet(table, "stores.csv"), on)
    assert words in str(caught.value)


def test_rows_without_the_columns_are_refused():
    with pytest.raises(DataError) as caught:
        joined("Shop,y\n1,2\n", STORES, "Store")
    assert str(caught.value) == "train.csv has no column 'Store', by which stores.csv is joined"


def test_an_id_is_made_up_of_columns_where_rows_have_none():
    facts = {"id": "Id", "id_from": ["Store", "Day"]}
    wide = widened(sheet(ROWS), facts, [], lambda _: None)
    assert wide.cells["Id"].to_pylist() == ["2_mon", "9_tue", "3_mon", "2_tue"]
    assert widened(wide, facts, [], lambda _: None).cells.equals(wide.cells)
    with pytest.raises(DataError, match="no column 'Dept', of which the id is made up"):
        widened(sheet(ROWS), {"id": "Id", "id_from": ["Store", "Dept"]}, [], lambda _: None)


def test_tables_that_are_kept_join_as_before(tmp_path):
    tables = [beside(sheet(STORES, f"{n} stores.csv"), ["Store"]) for n in range(11)]
    write_tables(tmp_path, tables)
    assert read_tables(tmp_path) == tables
    assert read_tables(tmp_path / "elsewhere") == []
