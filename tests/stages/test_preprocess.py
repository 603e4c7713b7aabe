"""The preprocess stage on raw columns of every sort, and the contract it holds feature functions to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.engine.stage import Job
from pipeline.errors import DataError, FeatureError
from pipeline.files import read_json, read_table, write_json
from pipeline.metrics import accuracy, rmse, rmsle
from pipeline.stages import preprocess
from pipeline.types import Metric

METRICS = {"rmse": rmse, "rmsle": rmsle, "accuracy": accuracy}
N_TRAIN, N_TEST = 60, 30
KINDS = {
    "rooms": "numeric",
    "area": "numeric",
    "one": "numeric",
    "same as rooms": "numeric",
    "empty": "numeric",
    "garage": "boolean",
    "sold": "date",
    "street": "categorical",
    "street again": "categorical",
    "code": "categorical",
    "name": "text",
}


def raw(part: str) -> pd.DataFrame:
    n, start = (N_TRAIN, 1) if part == "train" else (N_TEST, 1_001)
    rng = np.random.default_rng(start)
    street = np.array(["paved", "gravel", None], dtype=object)[rng.integers(0, 3, n)]
    frame = pd.DataFrame(
        {
            "id": np.arange(start, start + n),
            "rooms": rng.integers(1, 9, n),
            "area": rng.lognormal(5, 1, n),
            "one": 1,
            "empty": np.nan,
            "garage": pd.array(np.where(rng.random(n) < 0.2, None, rng.random(n) < 0.5), dtype="boolean"),
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "street": street,
            "street again": street,
            "code": rng.choice(["10", "9", "100"], n),
            "name": [f"{part} {k}" for k in range(n)],
        }
    )
    frame["same as rooms"] = frame["rooms"]
    if part == "train":
        return frame.assign(price=rng.lognormal(12, 0.4, n), block=rng.integers(0, 9, n))
    frame.loc[3, "area"] = np.nan
    frame.loc[5, "code"] = "7"
    return frame


class Case:
    """A competition in a temporary folder; `frames` and `facts` may be changed before `run`."""

    def __init__(self, folder):
        self.folder = folder
        self.frames = {part: raw(part) for part in ("train", "test")}
        self.facts = {"task": "regression", "id": "id", "target": "price", "metric": "rmse", "columns": {}}
        self.kinds = dict(KINDS)
        self.classes: list[str] = []
        self.options = {"drop_constant": True, "drop_duplicate": True}
        self.features: dict[str, object] = {}

    def run(self, name: str = "out"):
        inputs = {"ingest": self._ingest()}
        for label, function in self.features.items():
            inputs[f"feature:{label}"] = self.feature(function, label)
        job = self._job(
            name, self.facts | {"preprocess": self.options}, inputs, {"metric": METRICS[self.facts["metric"]]}
        )
        self.returned = preprocess.run(job)
        self.report = read_json(job.out / "report.json")
        self.table = read_table(job.out, Metric.from_module(METRICS[self.facts["metric"]]))
        return self.table

    def feature(self, function, label: str = "made"):
        plugin = SimpleNamespace(**{label: function})
        config = {"function": label, "target": self.facts["target"], "id": self.facts["id"]}
        job = self._job(f"feature {label}", config, {"ingest": self._ingest()}, {"feature": plugin})
        preprocess.run_feature(job)
        return job.out

    def _ingest(self):
        folder = self.folder / "ingest"
        folder.mkdir(exist_ok=True)
        for part, frame in self.frames.items():
            frame.to_parquet(folder / f"{part}.parquet", index=False)
        columns = [{"name": name, "kind": kind} for name, kind in self.kinds.items()]
        write_json(folder / "schema.json", {"columns": columns, "classes": self.classes})
        return folder

    def _job(self, name, config, inputs, plugins):
        out = self.folder / name
        out.mkdir()
        log = SimpleNamespace(info=lambda _text: None, warn=lambda _text: None)
        return Job(config, inputs, {}, plugins, out, self.folder, 0, log)


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(tmp_path)


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


def test_infinite_numbers_are_missing_and_said(case):
    case.frames["train"].loc[0, "area"] = np.inf
    assert np.isnan(case.run().train["area"][0])
    assert "area: 1 infinite values count as missing" in case.report["notes"]


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


def test_a_row_without_group_is_refused(case):
    case.frames["train"]["block"] = case.frames["train"]["block"].where(lambda c: c > 0)
    case.facts["groups"] = "block"
    with pytest.raises(DataError, match="groups names 'block', which is missing in"):
        case.run()


def test_time_must_be_a_date_or_a_number(case):
    case.facts["time"] = "name"
    with pytest.raises(DataError, match="neither dates nor numbers"):
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


def test_a_feature_that_takes_a_name_twice_is_refused(case):
    case.features["area"] = lambda rows: (rows["area"] * 2).rename(None)
    with pytest.raises(FeatureError, match=r"area\(\) makes a column 'area', which raw file has too"):
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
        FeatureError, match=r"made\(\) is not row-local: row \d+ of train has .* = .* but .* among half"
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


def test_a_column_called_like_a_part_of_a_date_is_kept(case):
    for part, frame in case.frames.items():
        case.frames[part] = frame.assign(**{"sold year": np.arange(len(frame)) * 1.5})
    case.kinds["sold year"] = "numeric"
    table = case.run()
    assert table.train["sold year"].tolist() == (np.arange(N_TRAIN) * 1.5).tolist()
    assert "sold month" in table.train
    assert "sold: no part of this date is called sold year, another column is" in case.report["notes"]
