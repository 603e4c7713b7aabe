"""`pipeline new`: codes by their name, dates that are not ISO, and rows that hang together."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.scaffold import scaffold

TRAIN, TEST = range(60), range(100, 160)
Cells = Callable[[int], object]


def facts_of(folder: Path, name: str, train: Cells, test: Cells, target: str = "{}.5") -> tuple[dict[str, Any], str]:
    """Return the competition.toml that is written for one feature, and what was found."""
    raw = folder / "raw"
    raw.mkdir()
    (raw / "train.csv").write_text(
        "\n".join([f"id,{name},y", *(f"{i},{train(i)},{target.format(i % 7)}" for i in TRAIN)])
    )
    (raw / "test.csv").write_text("\n".join([f"id,{name}", *(f"{i},{test(i)}" for i in TEST)]))
    made = scaffold("shop", raw, folder / "experiments")
    return tomllib.loads(made.paths[0].read_text()), "\n".join(made.findings)


@pytest.mark.parametrize(
    ("name", "cells", "read"),
    [
        ("ps_car_11_cat", lambda i: i % 5 - 1, True),  # as Porto Seguro calls all its codes, with gaps or without
        ("ps_ind_01", lambda i: i % 5 - 1, False),
        ("CustomerId", lambda i: 3 * (i % 5), True),
        ("CustomerId", lambda i: 3 * i % 103, False),  # a level a row teaches nothing
    ],
)
def test_codes_have_several_rows_and_gaps_or_a_name_that_says_so(tmp_path, name, cells, read):
    facts, _ = facts_of(tmp_path, name, cells, cells)
    assert facts["columns"]["categorical"] == ([name] if read else [])


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (lambda i: f"07/{1 + i % 28:02}/1999", True),
        (lambda i: f"{1 + i % 28}.7.1999 10:00", True),
        (lambda i: f"{13 + i % 10}/7/1999" if i % 2 else f"7/{13 + i % 10}/1999", False),  # of both orders
        (lambda i: f"{i % 9}/{i % 7}", False),
    ],
)
def test_dates_that_are_not_iso_are_read_as_such(tmp_path, cells, read):
    facts, said = facts_of(tmp_path, "opened", cells, cells)
    assert facts["columns"].get("date") == (["opened"] if read else None)
    assert ("read as dates: opened" in said) == read


def test_such_dates_show_that_test_lies_later(tmp_path):
    facts, said = facts_of(tmp_path, "day", lambda i: f"{1 + i % 28}/7/1999", lambda i: f"{1 + i % 28}/7/2000")
    assert facts["time"] == "day"
    assert "it is no feature" not in said


def test_it_is_told_that_the_time_is_no_feature(tmp_path):
    _, said = facts_of(tmp_path, "day", lambda i: f"1999-07-{1 + i % 28:02}", lambda i: f"2000-07-{1 + i % 28:02}")
    assert "it is no feature, unless [columns] date lists it" in said


@pytest.mark.parametrize(
    ("target", "test", "kind"),
    [
        ("{}.5", lambda i: 500 + i // 3, "group"),
        ("{}", lambda i: 500 + i // 3, "stratified_group"),
        ("{}.5", lambda i: (i - 100) // 3, "kfold"),  # test has rows of the same
        ("{}.5", lambda i: f"{(i - 100) // 3}.0", "kfold"),
        ("{}.5", lambda i: 500 + i, "kfold"),  # a row each
    ],
)
def test_folds_do_not_cut_groups_of_which_test_has_others(tmp_path, target, test, kind):
    facts, _ = facts_of(tmp_path, "breath_id", lambda i: i // 3, test, target)
    grouped = "group" in kind
    assert facts.get("groups") == ("breath_id" if grouped else None)
    split = tomllib.loads((tmp_path / "experiments" / "shop" / "default.toml").read_text())["split"]
    assert split["kind"] == kind


def test_an_id_that_holds_dates_is_told_to_be_no_feature(tmp_path):
    """As in Bike Sharing Demand, whose hours say most."""
    raw = tmp_path / "raw"
    raw.mkdir()
    hours = [f"2011-01-{1 + i // 24:02} {i % 24:02}:00:00" for i in range(120)]
    (raw / "train.csv").write_text("\n".join(["datetime,a,count", *(f"{h},1,{i}" for i, h in enumerate(hours[:60]))]))
    (raw / "test.csv").write_text("\n".join(["datetime,a", *(f"{hour},1" for hour in hours[60:])]))
    (raw / "sampleSubmission.csv").write_text("\n".join(["datetime,count", *(f"{hour},0" for hour in hours[60:])]))
    made = scaffold("shop", raw, tmp_path / "experiments")
    assert "datetime holds dates, but an id is no feature" in "\n".join(made.findings)


@pytest.mark.parametrize(("first", "after"), [(60, True), (59, False)])
def test_test_lies_after_train_where_no_moment_is_in_both(tmp_path, first, after):
    def day(number: int) -> str:
        return f"2020-{number // 28 + 1:02d}-{number % 28 + 1:02d}"

    facts, _ = facts_of(tmp_path, "day", day, lambda i: day(i - 100 + first))
    assert (facts.get("time") == "day") == after


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (lambda i: i % 5 - 1, True),
        (lambda i: -999 if i % 3 else i / 7, True),
        (lambda i: i % 3 - 1, False),  # three levels
        (lambda i: i % 5 - 2, False),
        (lambda i: i % 5, False),
        (lambda i: "abc"[i % 3], False),
    ],
)
def test_a_single_number_below_zero_is_asked_about(tmp_path, cells, told):
    facts, said = facts_of(tmp_path, "since", cells, cells)
    assert (f'[missing] "since" = [{-999 if cells(1) == -999 else -1}]' in said) == told
    assert "missing" not in facts
