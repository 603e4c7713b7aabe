"""Feature functions become columns, and the preprocess stage holds them to their contract: one row at a time."""

from __future__ import annotations

import calendar
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.engine import plugins
from pipeline.engine.stage import Plugin
from pipeline.errors import DataError, FeatureError


def test_features_of_every_type_become_columns(case):
    def several(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "size": rows["area"] * rows["rooms"],
                "big": rows["rooms"] > 4,
                "ending": rows["name"].str[-1],
                "later": rows["sold"] + pd.Timedelta(days=40),
                "band": pd.cut(rows["rooms"], [0, 3, 6, 9], labels=["s", "m", "l"]),
            }
        )

    case.features["several"] = several
    case.features["many_rooms"] = lambda rows: rows["rooms"] >= 7
    table = case.run()
    assert {"size", "big", "many_rooms", "later month"} <= set(table.numeric)
    assert {"ending", "band"} <= set(table.categorical)
    assert case.report["columns"]["size"]["from"] == "several() in features.py"
    np.testing.assert_allclose(table.train["size"], case.frames["train"]["area"] * case.frames["train"]["rooms"])


def test_columns_of_several_levels_get_names_of_one(case):
    case.features["made"] = lambda rows: pd.concat({"twice": rows[["area"]] * 2}, axis=1)
    assert "('twice', 'area')" in case.run().numeric


@pytest.mark.parametrize(("name", "where"), [("area", "raw file"), ("id", "ingest"), ("price", "ingest")])
def test_a_feature_that_takes_a_name_twice_is_refused(case, name, where):
    case.features[name] = lambda rows: (rows["area"] * 2).rename(None)
    with pytest.raises(FeatureError, match=rf"{name}\(\) makes a column '{name}', which {where} has too"):
        case.run()


def test_a_feature_that_names_columns_by_what_rows_hold_is_refused(case):
    last = case.frames["train"]["id"].max()
    case.features["odd"] = lambda rows: rows[["area"]].add_suffix("" if (rows["id"] > last).all() else "s")
    with pytest.raises(FeatureError, match=r"odd\(\) makes columns \['areas'\] of train, but \['area'\] of test"):
        case.run()


def leak_mean(rows):
    return rows["area"] - rows["area"].mean()


def leak_count(rows):
    return rows.groupby("street")["area"].transform("size")


def leak_rank(rows):
    return rows["area"].rank(pct=True)


def leak_position(rows):
    return pd.Series(np.arange(len(rows)), index=rows.index)


def leak_index(rows):
    return rows.index.to_series() % 7


def leak_neighbour(rows):
    return rows["area"].shift().fillna(0)


def leak_missing(rows):
    return rows["street"].fillna(rows["street"].mode()[0] + str(len(rows)))


@pytest.mark.parametrize(
    "leak", [leak_mean, leak_count, leak_rank, leak_position, leak_index, leak_neighbour, leak_missing]
)
def test_a_feature_that_looks_at_other_rows_is_refused_with_the_row_and_both_values(case, leak):
    with pytest.raises(
        FeatureError, match=r"made\(\) is not row-local: row \d+ of train has .* = (?!np).* but (?!np).* among half"
    ):
        case.feature(leak)


def test_the_target_is_not_there_even_where_test_has_a_column_of_its_name(case):
    case.frames["test"]["price"] = 0.0
    with pytest.raises(FeatureError, match="'price', which train does not have"):
        case.feature(lambda rows: rows["price"] * 2)
    seen = {}
    case.folder.joinpath("feature made").rename(case.folder / "before")
    case.feature(lambda rows: seen.setdefault("columns", list(rows)) and rows["area"])
    assert seen["columns"] == [c for c in case.frames["train"] if c not in ("price", "block")]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: rows["area"].head(10), "returned 10 rows for 60 of train"),
        (lambda rows: rows["area"].sort_values(), "or in another order"),
        (lambda rows: rows["area"].to_numpy(), "returned a ndarray"),
        (lambda rows: pd.get_dummies(rows["name"]), "of half its rows"),
        (lambda rows: rows["area"] * 1j, r"complex numbers \(complex128\) in made"),
        (lambda rows: rows["area"].astype(pd.SparseDtype(float)), r"sparse values \(Sparse.* in made"),
        (lambda rows: rows["area"].astype(np.longdouble), r"long numbers \(.* in made"),
        (lambda rows: rows["sold"].dt.tz_localize("UTC"), r"dates with a time zone \(datetime64.* in made"),
        (lambda rows: rows["arae"], "'arae', which train does not have"),
        (lambda _rows: 1 / 0, "failed on train: ZeroDivisionError"),
        (lambda rows: rows[["area", "area"]], "a column name twice"),
        (lambda rows: rows[["area"]].rename(columns={"area": f"a{len(rows) in (60, 30)}"}), "of half its rows"),
    ],
)
def test_a_feature_of_the_wrong_form_is_refused(case, function, message):
    with pytest.raises(FeatureError, match=message):
        case.feature(function)


def test_a_misspelt_column_gets_the_nearest_name(case):
    with pytest.raises(FeatureError) as caught:
        case.feature(lambda rows: rows["steet"])
    assert "did you mean 'street'?" in caught.value.hint


def test_a_feature_may_change_its_frame_without_harm(case):
    def careless(rows):
        rows["area"] = 0
        return rows["rooms"] * 1

    careless_rooms = case.feature(careless)
    made = pd.read_parquet(careless_rooms / "train.parquet")
    np.testing.assert_array_equal(made["made"], case.frames["train"]["rooms"])


def only_ids(case):
    case.kinds = {}
    case.frames = {part: frame[["id", *(["price"] if part == "train" else [])]] for part, frame in case.frames.items()}


def test_features_may_be_the_only_columns(case):
    only_ids(case)
    case.features["digit"] = lambda rows: rows["id"] % 10
    table = case.run()
    assert table.train["digit"].tolist() == (table.train_ids % 10).tolist()
    assert table.test["digit"].tolist() == (table.test_ids % 10).tolist()


def test_no_column_at_all_is_refused(case):
    only_ids(case)
    with pytest.raises(DataError, match="no column is left to learn from"):
        case.run()


@pytest.mark.parametrize("read", [pd.read_parquet, Path.read_bytes, lambda path: os.open(path, os.O_RDONLY)])
def test_a_feature_that_opens_a_file_is_refused_even_if_it_goes_on_without(case, read):
    def reads(rows):
        with suppress(OSError):
            read(case.folder / "ingest" / "train.parquet")
        return rows["area"]

    with pytest.raises(FeatureError, match=r"made\(\) opens .*train\.parquet, which is not in the cache key"):
        case.feature(reads)


def test_a_feature_may_be_called_like_what_a_metric_has(case):
    file = case.folder / "features.py"
    file.write_text("def score(rows):\n    return rows['area'] * len(open(__file__ + '.json').read())\n")
    feature = plugins.load(Plugin("competition_features", file)).score
    with pytest.raises(FeatureError, match=r"^features\.py: score\(\) opens .*\.json, which is not in the cache key"):
        case.feature(feature, "score")


def test_a_feature_may_use_what_libraries_read(case):
    def local(rows):
        importlib.reload(calendar)
        return rows["sold"].dt.tz_localize("UTC").dt.tz_convert("Asia/Kathmandu").dt.hour

    case.feature(local)


def test_a_file_that_own_code_opens_as_it_is_imported_is_refused(tmp_path):
    (tmp_path / "table.json").write_text("{}")
    file = tmp_path / "features.py"
    file.write_text("from pathlib import Path\nTABLE = Path(__file__).with_name('table.json').read_text()\n")
    with pytest.raises(FeatureError, match=r"features\.py opens .*table\.json, which is not in the cache key"):
        plugins.load(Plugin("competition_features", file))


@pytest.mark.parametrize("again", [False, True])
def test_a_file_of_helpers_beside_the_features_is_refused(tmp_path, monkeypatch, again):
    """No key would know its text: not of the source, and not of what Python has compiled of it before."""
    (tmp_path / "competition.toml").write_text("")
    (tmp_path / "own_helper.py").write_text("HALF = 0.5\n")
    monkeypatch.syspath_prepend(tmp_path)
    if again:
        importlib.import_module("own_helper")
        monkeypatch.delitem(sys.modules, "own_helper")
    file = tmp_path / "features.py"
    file.write_text("import own_helper\n")
    with pytest.raises(FeatureError, match=r"features\.py opens .*own_helper.*, which is not in the cache key"):
        plugins.load(Plugin("competition_features", file))


def test_a_feature_that_ends_the_program_is_a_mistake_of_the_file(case):
    def leaves(rows: pd.DataFrame) -> pd.Series:
        raise SystemExit(min(3, len(rows)))

    case.features["leaves"] = leaves
    with pytest.raises(FeatureError, match=r"leaves\(\) ends the program \(exit 3\)"):
        case.run()
