"""Practice competitions made of a train file: which rows are held out, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Competition, load_competition
from pipeline.errors import ConfigError
from pipeline.practice.holdout import hold_out, make
from pipeline.raw.sheet import Sheet, parse
from pipeline.raw.source import Text
from pipeline.workspace import Workspace

NOWHERE = Path("no-such-folder")
FACTS = {"slug": "shop", "task": "regression", "id": "id", "target": "y", "metric": "rmse", "submission": "value"}


def sheet_of(rows: pd.DataFrame) -> Sheet:
    return parse(Text("train.csv", rows.to_csv(index=False).encode()))


def competition(**facts) -> Competition:
    return Competition.model_validate(FACTS | facts)


def made_up(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    days = pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d").to_numpy()
    return pd.DataFrame(
        {
            "id": range(n),
            "day": rng.permutation(days),
            "firm": rng.integers(0, 1 + n // 5, n),
            "y": rng.normal(size=n).round(3),
        }
    )


@settings(max_examples=20, deadline=None)
@given(n=st.integers(20, 200), fraction=st.floats(0.1, 0.6), seed=st.integers(0, 99))
@pytest.mark.parametrize("how", ["random", "stratified", "time"])
def test_the_fraction_is_kept(how, n, fraction, seed):
    held = hold_out(sheet_of(made_up(n)), competition(time="day"), NOWHERE, how, fraction, seed)
    assert abs(held.sum() - fraction * n) <= 0.5


@settings(max_examples=20, deadline=None)
@given(n=st.integers(20, 200), seed=st.integers(0, 99))
def test_groups_stay_whole(n, seed):
    rows = made_up(n)
    held = hold_out(sheet_of(rows), competition(groups="firm"), NOWHERE, "group", 0.25, seed)
    assert not set(rows["firm"][held]) & set(rows["firm"][~held])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(20, 200))
def test_time_holds_out_the_last_rows(n):
    rows = made_up(n)
    held = hold_out(sheet_of(rows), competition(time="day"), NOWHERE, "time", 0.25, 0)
    assert rows["day"][held].min() > rows["day"][~held].max()


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(10, 60), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_stratified_keeps_the_shares_of_the_classes(counts, seed):
    labels = np.repeat([f"class {number}" for number in range(len(counts))], counts)
    rows = pd.DataFrame({"id": range(len(labels)), "a": 0, "y": np.random.default_rng(seed).permutation(labels)})
    held = hold_out(
        sheet_of(rows), competition(task="multiclass", submission="label"), NOWHERE, "stratified", 0.2, seed
    )
    for label, count in rows["y"].value_counts().items():
        assert abs((rows["y"][held] == label).sum() - 0.2 * count) <= 2


def test_stratified_covers_the_range_of_a_number():
    rows = made_up(200)
    held = hold_out(sheet_of(rows), competition(), NOWHERE, "stratified", 0.2, 0)
    ranks = rows["y"].rank(pct=True)[held]
    assert np.histogram(ranks, bins=10, range=(0, 1))[0].tolist() == pytest.approx([4] * 10, abs=1)


def test_rows_without_a_label_are_not_held_out():
    rows = made_up(40)
    rows.loc[::2, "y"] = np.nan
    held = hold_out(sheet_of(rows), competition(), NOWHERE, "random", 0.5, 0)
    assert held.sum() == 10
    assert rows["y"][held].notna().all()


@pytest.mark.parametrize(("how", "key"), [("group", "groups"), ("time", "time")])
def test_a_column_to_hold_out_by_is_needed(how, key):
    with pytest.raises(ConfigError, match=f"{key} must name a column"):
        hold_out(sheet_of(made_up(40)), competition(), NOWHERE, how, 0.2, 0)


def test_dates_are_read_as_the_competition_states():
    rows = made_up(40)
    written = rows.assign(day=pd.to_datetime(rows["day"]).dt.strftime("%d/%m/%Y"))
    facts = competition(time="day", columns={"date": ["day"]})
    held = hold_out(sheet_of(written), facts, NOWHERE, "time", 0.25, 0)
    assert rows["day"][held].min() > rows["day"][~held].max()


def test_a_time_of_words_is_refused():
    rows = made_up(40).assign(day="Monday")
    with pytest.raises(ConfigError, match="'day', which holds neither dates nor numbers") as caught:
        hold_out(sheet_of(rows), competition(time="day"), NOWHERE, "time", 0.25, 0)
    assert 'date = ["day"]' in caught.value.hint


def test_features_are_given_the_kinds_that_the_competition_states(tmp_path):
    (tmp_path / "features.py").write_text('def year(rows):\n    return rows["day"].dt.year\n')
    rows = made_up(800).assign(day=lambda rows: pd.to_datetime(rows["day"]).dt.strftime("%d.%m.%Y"))
    facts = competition(groups="year", columns={"date": ["day"]})
    held = hold_out(sheet_of(rows), facts, tmp_path, "group", 0.1, 0)
    assert rows["day"][held].str[-4:].nunique() == 1


def test_groups_may_be_made_by_features(tmp_path):
    (tmp_path / "features.py").write_text('def pair(rows):\n    return (rows["id"] // 2).rename("two")\n')
    held = hold_out(sheet_of(made_up(40)), competition(groups="two"), tmp_path, "group", 0.25, 0)
    assert held.sum() == 10
    assert (held[::2] == held[1::2]).all()


TRAIN = 'id,code,note,y\n01,007,"a, ""b""",1.50\n02,NA,,2\n03,8,x,3.00\n04,9,y,4\n05,9,,5\n'
TOML = """\
title = "Shop"                       # a comment
task = "regression"
id = "id"
target = "y"
metric = "rmse"
submission = "value"

[files]
train = "tr.csv"
test = "te.csv"
sample = "s.csv"

[columns]
text = ["note"]
"""


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "data", tmp_path / "experiments", tmp_path / "submissions")
    raw, folder = workspace.raw_folder("shop"), workspace.experiments / "shop"
    raw.mkdir(parents=True)
    folder.mkdir(parents=True)
    (raw / "tr.csv").write_text(TRAIN)
    (folder / "competition.toml").write_text(TOML)
    (folder / "default.toml").write_text("[models.linear]\n")
    (folder / "features.py").write_text("def twice(rows):\n    return rows\n")
    return workspace


def test_make_keeps_cells_order_and_experiments(workspace):
    made = make(workspace, load_competition(workspace, "shop"), "random", 0.4, 1)
    slug = made.slug
    assert slug == "shop-holdout"
    raw = workspace.raw_folder(slug)
    train, test, sample = (
        pd.read_csv(raw / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("train", "test", "sample_submission")
    )
    solution = pd.read_csv(workspace.solution(slug), dtype=str)
    whole = pd.read_csv(workspace.raw_folder("shop") / "tr.csv", dtype=str, keep_default_na=False).set_index("id")
    assert len(test) == made.n_held_out == 2
    assert len(train) == made.n_train
    assert "y" not in test
    assert sample["id"].tolist() == solution["id"].tolist() == test["id"].tolist()
    for part in (train, test.merge(solution[["id", "y"]])):
        assert part["id"].is_monotonic_increasing
        pd.testing.assert_frame_equal(part.set_index("id"), whole.loc[part["id"]])
    folder = workspace.experiments / slug
    assert sorted(path.name for path in folder.iterdir()) == ["competition.toml", "default.toml", "features.py"]
    copied = load_competition(workspace, slug)
    assert copied.title == "Shop, held out"
    assert copied.files.train == "train.csv"
    assert copied.columns.text == ["note"]


def test_make_never_overwrites(workspace):
    original = load_competition(workspace, "shop")
    make(workspace, original, "random", 0.4)
    with pytest.raises(ConfigError, match="is there already"):
        make(workspace, original, "random", 0.4)


@pytest.mark.parametrize(("key", "name"), [("target", "usage"), ("target", "best"), ("id", "best")])
def test_columns_called_as_the_solutions_own_are_refused(workspace, key, name):
    original = load_competition(workspace, "shop").model_copy(update={key: name})
    (workspace.raw_folder("shop") / "tr.csv").write_text(TRAIN.replace({"target": "y", "id": "id"}[key], name, 1))
    with pytest.raises(ConfigError, match=f"can be called '{name}'") as caught:
        make(workspace, original, "random", 0.4)
    assert f"rename '{name}' in a copy of the files" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "Shop"', """title = "a \\"b\\" \\\\ c\\nd é" """),
        ('title = "Shop"', 'slug = "shop"'),
        ('text = ["note"]', 'text = ["note"]\ndrop = ["only_in_test"]'),
        ('title = "Shop"', 'missing = [-1, 2.5, "?"]'),
        ('text = ["note"]', 'text = ["note"]\n[missing]\nnote = [-1]'),
        (TOML[TOML.index("[files]") : TOML.index("[columns]")], ""),
        (TOML[TOML.index("\n[files]") : TOML.index("[columns]")], "files = { train = 'tr.csv' }\n[columns]\n"),
    ],
    ids=["title", "slug", "drop", "missing", "missing by name", "no files", "inline files"],
)
def test_the_copy_of_the_facts_can_be_read_whatever_they_are(workspace, old, new):
    path = workspace.experiments / "shop" / "competition.toml"
    path.write_text(TOML.replace(old, new).replace("[columns]\n[columns]", "[columns]"), encoding="utf-8")
    if not (workspace.raw_folder("shop") / "train.csv").exists():
        (workspace.raw_folder("shop") / "train.csv").write_text(TRAIN)
    original = load_competition(workspace, "shop")
    copied = load_competition(workspace, make(workspace, original, "random", 0.4).slug)
    assert copied.title == f"{original.title or 'shop'}, held out"
    assert copied.columns.model_dump() == original.columns.model_dump() | {"drop": []}
    assert copied.missing == original.missing
    assert copied.files.sample == "sample_submission.csv"


def test_rows_without_an_id_are_numbered(workspace):
    (workspace.raw_folder("shop") / "tr.csv").write_text("code,y\n" + "".join(f"{n},{n}\n" for n in range(10)))
    path = workspace.experiments / "shop" / "competition.toml"
    path.write_text(TOML.replace('text = ["note"]', ""))
    slug = make(workspace, load_competition(workspace, "shop"), "random", 0.4).slug
    test = pd.read_csv(workspace.raw_folder(slug) / "test.csv")
    assert test["id"].tolist() == test["code"].tolist()


@pytest.mark.parametrize("locked", ["experiments", "data"])
def test_where_nothing_can_be_written_nothing_stays_behind(workspace, monkeypatch, locked):
    original, mkdir = load_competition(workspace, "shop"), Path.mkdir

    def refuse(path: Path, *args, **kwargs) -> None:
        if getattr(workspace, locked) in path.parents:
            raise PermissionError(13, "Permission denied")
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ConfigError, match="cannot be written"):
        make(workspace, original, "random", 0.4)
    assert not list(workspace.data.glob("*holdout"))
    assert not list(workspace.experiments.glob("*holdout"))


def test_the_files_of_extra_rows_come_along(workspace):
    raw, folder = workspace.raw_folder("shop"), workspace.experiments / "shop"
    (raw / "more").mkdir()
    (raw / "more" / "original.csv").write_text("code,y\n3,4\n")
    (raw / "not used.csv").write_text("code,y\n3,4\n")
    (folder / "extra.toml").write_text('[models.linear]\n[extra]\nfiles = ["more/original.csv"]\n')
    (folder / "postprocess.py").write_text("def postprocess(predictions, rows):\n    return predictions\n")
    slug = make(workspace, load_competition(workspace, "shop"), "random", 0.4).slug
    copied = {
        path.relative_to(workspace.raw_folder(slug)).as_posix() for path in workspace.raw_folder(slug).rglob("*.csv")
    }
    assert copied == {"train.csv", "test.csv", "sample_submission.csv", "more/original.csv"}
    assert (workspace.experiments / slug / "postprocess.py").is_file()


def test_what_train_is_joined_with_comes_along_and_may_hold_rows_together(workspace):
    raw, path = workspace.raw_folder("shop"), workspace.experiments / "shop" / "competition.toml"
    (raw / "tr.csv").write_text("shop,day,y\n" + "".join(f"{n % 4},{n},{n}\n" for n in range(20)))
    (raw / "shops.csv").write_text("shop,region\n0,a\n1,a\n2,b\n3,b\n")
    joined = 'id_from = ["shop", "day"]\ngroups = "region"\n[tables]\n"shops.csv" = ["shop"]\n[files]'
    path.write_text(TOML.replace("[files]", joined, 1).replace('text = ["note"]', 'categorical = ["region"]'))
    slug = make(workspace, load_competition(workspace, "shop"), "group", 0.4).slug
    copied = load_competition(workspace, slug)
    assert (copied.id_from, copied.tables, copied.columns.categorical) == (None, {"shops.csv": ["shop"]}, ["region"])
    assert (workspace.raw_folder(slug) / "shops.csv").read_bytes() == (raw / "shops.csv").read_bytes()
    test = pd.read_csv(workspace.raw_folder(slug) / "test.csv")
    assert set(test["shop"]) in ({0, 1}, {2, 3})
    assert test["id"].tolist() == [f"{shop}_{day}" for shop, day in zip(test["shop"], test["day"], strict=True)]
    assert list(test.columns) == ["id", "shop", "day"]


@pytest.mark.parametrize(
    ("name", "said"), [("train.csv", "would take its place"), ("../shops.csv", "lies outside of the raw folder")]
)
def test_a_table_that_cannot_lie_beside_the_copy_is_refused_before_anything_is_written(workspace, name, said):
    raw, path = workspace.raw_folder("shop"), workspace.experiments / "shop" / "competition.toml"
    (raw / name).write_text("id,region\n" + "".join(f"{n},a\n" for n in range(9)))
    path.write_text(TOML.replace("[files]", f'[tables]\n"{name}" = ["id"]\n[files]', 1))
    with pytest.raises(ConfigError, match=said):
        make(workspace, load_competition(workspace, "shop"), "random", 0.4)
    assert not list(workspace.experiments.glob("*holdout"))


CLASSES = {"task": "multiclass", "metric": "accuracy", "submission": "label", "groups": "id"}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
@pytest.mark.parametrize("how", ["random", "stratified"])
def test_of_every_class_something_is_left_to_learn_from(how, seed):
    rows = made_up(40).assign(y=["rare"] + ["two"] * 2 + ["often"] * 37)
    held = hold_out(sheet_of(rows), competition(**CLASSES), NOWHERE, how, 0.5, seed)
    assert set(rows["y"][~held]) == {"rare", "two", "often"}


def test_a_class_that_would_go_with_its_groups_is_refused():
    rows = made_up(40).assign(y=["rare"] + ["often"] * 39, firm=[1] * 20 + [2] * 20)
    facts = competition(**CLASSES | {"groups": "firm"})
    for seed in range(6):
        try:
            held = hold_out(sheet_of(rows), facts, NOWHERE, "group", 0.5, seed)
        except ConfigError as error:
            assert str(error).startswith("by group, all 1 rows of the class 'rare' are held out")  # noqa: PT017
            break
        assert not held[0]
    else:
        pytest.fail("the group of the rare row was never drawn")


def test_rows_that_are_counted_keep_their_number_as_id(workspace):
    (workspace.raw_folder("shop") / "tr.csv").write_text("code,y\n" + "".join(f"{n},{n}\n" for n in range(10)))
    path = workspace.experiments / "shop" / "competition.toml"
    path.write_text(TOML.replace('text = ["note"]', "").replace('id = "id"', 'id = "id"\nid_from = 1'))
    slug = make(workspace, load_competition(workspace, "shop"), "random", 0.4).slug
    test = pd.read_csv(workspace.raw_folder(slug) / "test.csv")
    assert test["id"].tolist() == (test["code"] + 1).tolist()
