"""The preprocess stage on raw columns of every sort: what becomes a column, a target, a group, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from case import KINDS, N_TEST, N_TRAIN

from pipeline.errors import DataError
from pipeline.files import read_test_groups


def test_columns_become_numbers_and_categories_of_both_files(case):
    table = case.run()
    assert table.numeric[:3] == ["rooms", "area", "garage"]
    assert table.categorical == ["street", "code"]
    assert list(table.train["code"].cat.categories) == ["10", "100", "7", "9"]
    assert table.train["garage"].dropna().isin([0.0, 1.0]).all()
    assert table.train["street"].isna().sum() == case.frames["train"]["street"].isna().sum() > 0
    np.testing.assert_array_equal(table.train_ids, np.arange(1, 61))
    np.testing.assert_array_equal(table.test_ids, np.arange(1_001, 1_031))
    np.testing.assert_array_equal(table.target, case.frames["train"]["price"])


def test_the_same_rows_give_the_same_bytes(case):
    case.run("first")
    case.run("second")
    for file in sorted((case.folder / "first").iterdir()):
        assert file.read_bytes() == (case.folder / "second" / file.name).read_bytes()


def test_every_column_that_is_left_out_has_a_reason(case):
    case.run()
    dropped = case.report["dropped"]
    assert dropped["one"] == "constant in train: 1.0"
    assert dropped["empty"].startswith("constant in train")
    assert dropped["same as rooms"] == "copy of rooms"
    assert dropped["street again"] == "copy of street"
    assert dropped["name"].startswith("text, 90 different values")
    assert not set(dropped) & set(case.report["columns"])
    assert set(case.report["columns"]) == set(case.table.train)


def test_constant_and_duplicate_columns_stay_where_that_is_wanted(case):
    case.options = {"drop_constant": False, "drop_duplicate": False}
    assert {"one", "empty", "same as rooms", "street again"} <= set(case.run().train)


def test_a_column_that_is_a_copy_in_train_only_stays(case):
    case.frames["test"].loc[0, "same as rooms"] += 1
    assert "same as rooms" in case.run().train


def test_what_only_test_shows_is_reported(case):
    case.run()
    assert "1 columns miss values in test only: area" in case.report["notes"]
    assert any("levels in test that train never shows: code (1 rows)" in note for note in case.report["notes"])
    assert case.report["columns"]["code"]["unseen_levels"] == 1
    assert case.report["columns"]["area"] | {"missing_train": 0, "missing_test": 1} == case.report["columns"]["area"]
    assert case.returned["notes"] == case.report["notes"]


def test_an_integer_column_missing_only_in_test_is_float_in_both(case):
    case.frames["test"]["rooms"] = case.frames["test"]["rooms"].astype(float)
    case.frames["test"].loc[0, "rooms"] = np.nan
    table = case.run()
    assert (table.train["rooms"].dtype, table.test["rooms"].dtype) == (np.float64, np.float64)
    assert np.isnan(table.test["rooms"][0])


def test_infinite_numbers_and_those_that_float32_cannot_hold_are_missing_and_said(case):
    case.frames["train"].loc[:2, "area"] = np.inf, -1e300, 1e38
    found = case.run().train["area"]
    assert np.isnan(found[:2]).all()
    assert found[2] == 1e38
    assert "area: 2 values are infinite, or beyond 3.4e+38, and count as missing" in case.report["notes"]


def test_dates_become_parts_that_vary(case):
    table = case.run()
    assert [c for c in table.train if c.startswith("sold")] == [
        f"sold {part}" for part in ("year", "month", "day", "weekday", "days")
    ]
    assert case.report["dropped"]["sold hour"] == "constant in train: 0.0"


def test_listed_columns_are_dropped_and_listed_text_is_used(case):
    case.facts["columns"] = {"drop": ["area"], "categorical": ["name"]}
    case.kinds["name"] = "categorical"
    table = case.run()
    assert "area" not in table.train
    assert len(table.train["name"].cat.categories) == N_TRAIN + N_TEST


def test_groups_and_time_split_rows_and_are_no_features_unless_listed(case):
    case.facts |= {"groups": "block", "time": "sold"}
    table = case.run("plain")
    np.testing.assert_array_equal(table.groups, case.frames["train"]["block"])
    assert table.time[0] == (case.frames["train"]["sold"][0] - pd.Timestamp("1970-01-01")).days
    assert not [c for c in table.train if c.startswith(("sold", "block"))]
    case.facts["columns"] = {"date": ["sold"]}
    assert "sold month" in case.run("listed").train


def test_groups_may_come_from_a_feature(case):
    case.features["family"] = lambda rows: (rows["id"] // 2).astype(str)
    case.facts["groups"] = "family"
    table = case.run()
    assert list(table.groups[:4]) == ["0", "1", "1", "2"]
    assert "family" not in table.train
    own = read_test_groups(case.folder / "out")
    assert list(own) == (case.frames["test"]["id"] // 2).astype(str).tolist()


def test_groups_that_test_does_not_show_are_unknown(case):
    case.facts["groups"] = "block"
    case.run("train alone")
    assert read_test_groups(case.folder / "train alone") is None


def test_a_group_column_that_is_not_there_is_refused_and_each_known_one_named_once(case):
    case.facts["groups"] = "bloc"
    with pytest.raises(DataError, match="groups names 'bloc', which is not a column of train") as caught:
        case.run()
    assert "did you mean 'block'?" in caught.value.hint
    known = caught.value.hint.partition("known: ")[2].split(", ")
    assert len(set(known)) == len(known)


def test_a_row_without_group_is_refused(case):
    case.frames["train"]["block"] = case.frames["train"]["block"].where(lambda c: c > 0)
    case.facts["groups"] = "block"
    with pytest.raises(DataError, match="groups names 'block', which is missing in"):
        case.run()


def test_time_must_be_a_date_or_a_number(case):
    case.facts["time"] = "name"
    with pytest.raises(DataError, match="neither dates nor numbers"):
        case.run()


@pytest.mark.parametrize("name", ["block", "rooms", "holiday"])
def test_a_weight_is_a_column_of_train_or_a_feature_and_teaches_nothing(case, name):
    case.features["holiday"] = lambda rows: 1 + 4 * (rows["id"] % 2)
    case.facts["weight"] = name
    table = case.run()
    expected = 1 + 4 * (case.frames["train"]["id"] % 2) if name == "holiday" else case.frames["train"][name]
    np.testing.assert_array_equal(table.weight, expected)
    assert table.weights(np.arange(9)).mean() == pytest.approx(1)
    assert name not in table.train


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda rows: -rows["id"], "from -60 to -1"),
        (lambda rows: 0 * rows["id"], "from 0 to 0"),
        (lambda rows: rows["name"], "holds no numbers"),
    ],
)
def test_weights_that_weigh_nothing_are_refused(case, made, told):
    case.features["heavy"] = made
    case.facts["weight"] = "heavy"
    with pytest.raises(DataError, match=told):
        case.run()


@pytest.mark.parametrize("classes", [["False", "True"], ["2", "10"], ["a", "b"]])
def test_labels_become_codes_in_the_order_of_the_classes(case, classes):
    labels = np.array(classes)[np.arange(N_TRAIN) % 2]
    case.frames["train"]["price"] = labels
    case.facts |= {"task": "binary", "metric": "accuracy"}
    case.classes = classes
    table = case.run()
    assert table.task.classes == tuple(classes)
    assert table.target.dtype == np.int64
    np.testing.assert_array_equal(np.array(classes)[table.target], labels)
    assert case.report["target"]["rows"] == {classes[0]: 30, classes[1]: 30}


@pytest.mark.parametrize(
    ("value", "facts", "message"),
    [
        (np.nan, {}, "1 values are missing"),
        (np.inf, {}, "not all values are numbers"),
        (-1.0, {"metric": "rmsle"}, "targets of 0 and above"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(case, value, facts, message):
    case.frames["train"].loc[3, "price"] = value
    case.facts |= facts
    with pytest.raises(DataError, match=message):
        case.run()


def test_a_label_that_is_no_class_is_refused(case):
    case.frames["train"]["price"] = "maybe"
    case.facts |= {"task": "binary", "metric": "accuracy"}
    case.classes = ["no", "yes"]
    with pytest.raises(DataError, match="'maybe' is not among the classes"):
        case.run()


def test_nothing_left_to_learn_from_is_refused(case):
    case.facts["columns"] = {"drop": [name for name in KINDS if name != "one"]}
    with pytest.raises(DataError, match="no column is left"):
        case.run()


def test_a_column_called_like_a_part_of_a_date_is_kept(case):
    for part, frame in case.frames.items():
        case.frames[part] = frame.assign(**{"sold year": np.arange(len(frame)) * 1.5})
    case.kinds["sold year"] = "numeric"
    table = case.run()
    assert table.train["sold year"].tolist() == (np.arange(N_TRAIN) * 1.5).tolist()
    assert "sold month" in table.train
    assert "sold: no part of this date is called sold year, another column is" in case.report["notes"]
