"""CSV text as strings: commas in numbers, and lines of blanks."""

from __future__ import annotations

from pathlib import Path

import pytest
from intake import TEST, TRAIN, refusal, take_in

from pipeline.raw.sheet import parse
from pipeline.raw.source import Text


def test_decimal_commas_are_read_where_tabs_separate(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id\ta\ty\n1\t1,250\t0,5\n2\t2,125\t1\n", "id\ta\n4\t-4,25\n5\t7\n")
    assert made.train["a"].tolist() == [1.25, 2.125]
    assert made.train["y"].tolist() == [0.5, 1]
    assert made.test["a"].tolist() == [-4.25, 7]


def test_commas_that_may_stand_between_thousands_are_told(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id\ta\ty\n1\t1,250\t3\n2\t999\t4\n", "id\ta\n4\t1,001\n5\t7\n")
    assert made.kinds == {"a": "categorical"}
    assert made.train["a"].tolist() == ["1,250", "999"]
    assert [note for note in made.facts["notes"] if note.startswith("a: numbers with commas, such as '1,250'")]


def test_a_header_may_hold_more_of_another_separator_than_of_its_own(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id,a;b;c;d,y\n1,2,3\n2,3,4\n", "id,a;b;c;d\n4,5\n5,6\n", "id,y\n4,0\n5,0\n")
    assert made.train.columns.tolist() == ["id", "a;b;c;d", "y"]


def test_where_semicolons_separate_commas_are_decimal_even_if_thousands_could_be_meant(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id;a;y\n1;1,250;3\n2;999;4\n", "id;a\n4;1,001\n5;7\n", "id;y\n4;0\n5;0\n")
    assert made.train["a"].tolist() == [1.25, 999]


def test_numbers_with_commas_in_quotes_are_told(tmp_path: Path) -> None:
    train = 'id,a,b,c,y\n1,"1,234.50","0,37","1,2,3",1\n2,7,"-,5E3","1,2",2\n'
    made = take_in(tmp_path, train, 'id,a,b,c\n4,-3.5,"1,2","1,2"\n5,8,9,x\n')
    told = [note.partition(":")[0] for note in made.facts["notes"] if "numbers with commas" in note]
    assert told == ["a", "b"]


@pytest.mark.parametrize("end", ["  \n", "\n\n   \n", " ", "  \n7,8,green,9.5\n"])
def test_lines_of_blanks_are_passed_over(tmp_path: Path, end: str) -> None:
    made = take_in(tmp_path, TRAIN + end, TEST + "   \n")
    assert made.train["id"].tolist() == [1, 2, 3, 7][: 3 + end.count("7")]
    assert len(made.test) == 2


def test_a_line_below_one_of_blanks_is_still_found(tmp_path: Path) -> None:
    said = refusal(tmp_path, "id,a,b,y\n1,3,red,1\n  \n\n2,4,blue,much\n")
    assert "train.csv, line 5: the target y is 'much'" in said


def test_in_a_single_column_blanks_are_a_missing_value() -> None:
    assert parse(Text("rows.csv", b"a\n1\n \n2\n")).cells["a"].to_pylist() == ["1", "", "2"]
