"""What lies in a competition's files is warned of, and what does not is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from clean_tables import make_table, severities, with_column
from small_folds import alternating

from pipeline.audit import cut_folds, equal_rows, own_label, row_order, telling_columns, unshared_values
from pipeline.audit_graph import audit
from pipeline.config import load_competition, load_experiment
from pipeline.engine import plugins
from pipeline.engine.console import Console
from pipeline.engine.run import run
from pipeline.engine.store import Store
from pipeline.files import read_json
from pipeline.practice.catalogue import SLUGS, provide
from pipeline.stages import split
from pipeline.transforms import target_encode
from pipeline.types import Folds, Table
from pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
CHEAP = ("cut_folds", "equal_rows", "near_rows", "own_label", "row_order", "telling_columns", "unshared_values")
N_CLEAN = 20


def all_of(table: Table) -> list:
    folds = alternating(len(table.train))
    found = equal_rows.check(table, folds) + cut_folds.check(table, folds)
    return found + row_order.check(table) + telling_columns.check(table) + unshared_values.check(table)


def test_clean_tables_give_no_alarm() -> None:
    """Four checks at a level of 1 % each: of 20 clean tables, more than 3 with an alarm are less likely than 1 %."""
    alarms = [severities(all_of(make_table(seed, classes=bool(seed % 2)))) for seed in range(N_CLEAN)]
    assert sum(map(bool, alarms)) <= 3, alarms


def alarms_of(slug: str, folder: Path, names: Sequence[str]) -> dict[str, list]:
    workspace = Workspace(folder, ROOT / "experiments", folder / "submissions")
    provide(workspace, slug)
    nodes = audit(workspace, load_competition(workspace, slug), load_experiment(workspace, slug, "default"))
    wanted = [node for node in nodes if node.stage != "audit" or node.variant in names]
    results = run(wanted, Store(workspace.cache(slug)), Console(quiet=True)).results
    found = {name: read_json(results[f"audit[{name}]"].folder / "findings.json")["findings"] for name in names}
    return {name: alarms for name, own in found.items() if (alarms := [o for o in own if o["severity"] != "note"])}


@pytest.mark.parametrize("slug", SLUGS)
def test_practice_competitions_give_no_alarm(slug: str, tmp_path: Path) -> None:
    assert alarms_of(slug, tmp_path, CHEAP) == {}


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_practice_competitions_give_no_alarm_in_any_check(slug: str, tmp_path: Path) -> None:
    assert alarms_of(slug, tmp_path, plugins.names("audit")) == {}


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_target_with_noise_is_found(classes: bool, noise: float) -> None:
    table = make_table(classes=classes)
    rng = np.random.default_rng(1)
    copy = table.target + noise * table.target.std() * rng.normal(size=len(table.target))
    found = telling_columns.check(with_column(table, "known later", copy, rng.normal(size=len(table.test))))
    assert [finding.where for finding in found] == ["column known later"]


def test_a_column_far_above_all_others_is_found() -> None:
    table = make_table()
    table = replace(table, target=np.random.default_rng(2).normal(size=len(table.train)))
    copy = table.target + 0.5 * np.random.default_rng(3).normal(size=len(table.train))
    found = telling_columns.check(with_column(table, "known later", copy, np.zeros(len(table.test))))
    assert "all other columns together" in found[0].strength


def sorted_by_target(table: Table) -> Table:
    noisy = table.target + 1.5 * table.target.std() * np.random.default_rng(0).normal(size=len(table.target))
    order = np.argsort(noisy)
    rows = table.train.iloc[order].reset_index(drop=True)
    return replace(table, train=rows, target=table.target[order])


def told_by_id(table: Table) -> Table:
    noisy = table.target + table.target.std() * np.random.default_rng(0).normal(size=len(table.target))
    return replace(table, train_ids=np.argsort(np.argsort(noisy)))


def told_by_text_id(table: Table) -> Table:
    return replace(table, train_ids=np.array([f"a{n % 7}-{n}" for n in told_by_id(table).train_ids], dtype=object))


def in_turns(table: Table) -> Table:
    """Classes one after the other: the place in the file says nothing, the row before everything."""
    return replace(table, target=np.arange(len(table.target)) % 3)


@pytest.mark.parametrize(
    ("plant", "classes", "where"),
    [
        (sorted_by_target, False, "the row's place in the file"),
        (sorted_by_target, True, "the row's place in the file"),
        (told_by_id, False, "the id"),
        (told_by_text_id, False, "number 2 in the id"),
        (in_turns, True, "the target of the row before"),
    ],
)
def test_order_and_ids_that_predict_are_found(plant: Callable[[Table], Table], classes: bool, where: str) -> None:
    found = row_order.check(plant(make_table(classes=classes)))
    assert where in [finding.where for finding in found if finding.severity == "warning"]


def test_neighbours_of_one_group_are_no_finding() -> None:
    table = make_table(n_train=600)
    groups = np.arange(600) // 3
    shared = replace(table, target=np.random.default_rng(0).normal(size=200)[groups])
    assert "warning" in severities(row_order.check(shared))
    assert severities(row_order.check(replace(shared, groups=groups))) == []


def test_drift_in_the_order_of_time_is_a_note() -> None:
    table = sorted_by_target(make_table())
    found = row_order.check(replace(table, time=np.arange(len(table.train), dtype=np.float64)))
    assert {finding.severity for finding in found} == {"note"}


def copied(table: Table, n_rows: int, *, into_test: bool) -> Table:
    if into_test:
        return replace(table, test=pd.concat([table.train[:n_rows], table.test[n_rows:]], ignore_index=True))
    return replace(table, train=pd.concat([table.train[:n_rows], table.train[: -n_rows or None]], ignore_index=True))


@pytest.mark.parametrize("into_test", [True, False])
def test_copies_are_found(into_test: bool) -> None:
    table = copied(make_table(), 11, into_test=into_test)
    found = equal_rows.check(table, alternating(len(table.train)))
    assert severities(found) == ["warning"]
    assert found[0].what == ("copies across train and test" if into_test else "copies across folds")
    assert ("no two training rows" if into_test else "of 11 pairs in train") in found[0].strength


def test_coincidences_of_coarse_columns_are_a_note_unless_test_has_many_more() -> None:
    table = make_table(n_train=600, n_test=600)
    columns = ["rooms", "street"]
    rng = np.random.default_rng(0)
    coarse = [pd.DataFrame({"floor": rng.integers(0, 12, 600).astype(float), "age": rng.integers(0, 40, 600) / 1.0})
              for _ in range(2)]  # fmt: skip
    table = replace(
        table,
        train=pd.concat([table.train[columns], coarse[0]], axis=1),
        test=pd.concat([table.test[columns], coarse[1]], axis=1),
    )
    folds = alternating(600)
    found = equal_rows.check(table, folds)
    assert {finding.severity for finding in found} == {"note"}
    assert severities(equal_rows.check(copied(table, 60, into_test=True), folds)) == ["warning"]


COARSE: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "rare flags": lambda rng, n: rng.random((n, 20)) < 0.05,
    "few flags": lambda rng, n: rng.random((n, 5)) < 0.5,
    "mostly zero": lambda rng, n: np.where(rng.random((n, 8)) < 0.97, 0.0, rng.exponential(size=(n, 8))),
}


@pytest.mark.parametrize("kind", COARSE)
def test_a_table_so_coarse_that_most_rows_have_an_equal_one_gives_no_alarm(kind: str) -> None:
    """A level of 1 %: of 10 clean tables, more than 1 with an alarm are less likely than 1 %."""
    alarms = []
    for seed in range(10):
        rows = pd.DataFrame(COARSE[kind](np.random.default_rng(seed), 900).astype(float))
        table = replace(make_table(n_train=600, n_test=300), train=rows[:600], test=rows[600:].reset_index(drop=True))
        alarms.append(severities(equal_rows.check(table, alternating(600))))
    assert sum(map(bool, alarms)) <= 1, alarms


def test_copies_among_coarse_columns_are_found() -> None:
    rows = pd.DataFrame(np.random.default_rng(0).integers(0, 3, (900, 12)).astype(float))
    table = replace(make_table(n_train=600, n_test=300), train=rows[:600], test=rows[600:].reset_index(drop=True))
    assert severities(equal_rows.check(table, alternating(600))) == []
    assert severities(equal_rows.check(copied(table, 40, into_test=True), alternating(600))) == ["warning"]


def test_values_of_one_side_only_are_found() -> None:
    table = make_table()
    n_train, n_test = len(table.train), len(table.test)
    rng = np.random.default_rng(0)
    later = with_column(table, "day", np.sort(rng.random(n_train)), 0.9 + np.sort(rng.random(n_test)))
    found = unshared_values.check(later)
    assert {finding.where for finding in found} == {"column day"}
    stores = with_column(table, "store", rng.integers(0, 20, n_train) / 1.0, rng.integers(15, 35, n_test) / 1.0)
    assert {finding.what for finding in unshared_values.check(stores)} >= {
        "values in test only",
        "values in train only",
    }
    every_other = with_column(
        table, "name", np.arange(n_train) * 2.0, rng.choice(2 * n_train, n_test, replace=False) / 1.0
    )
    assert unshared_values.check(every_other) == []
    for stated in (replace(later, groups=np.arange(n_train) // 2), replace(later, time=np.arange(n_train) / 1.0)):
        assert [finding.severity for finding in unshared_values.check(stated)] == ["note"]


def test_values_that_are_missing_on_one_side_only_are_found() -> None:
    """As of a column that is known afterwards alone; its numbers are all different, so that most are in train alone."""
    table = make_table()
    known = np.random.default_rng(0).random(len(table.train))
    unknown = np.full(len(table.test), np.nan)
    (found,) = unshared_values.check(with_column(table, "after", known, unknown))
    assert (found.what, found.where) == ("missing values in test only", "column after")
    known[:40] = unknown[:5] = np.nan  # on both sides
    unknown[5:] = np.random.default_rng(1).random(len(unknown) - 5)
    assert unshared_values.check(with_column(table, "after", known, unknown)) == []


def test_groups_cut_by_folds_fail() -> None:
    table = replace(make_table(), groups=np.arange(400) // 4)
    found = cut_folds.check(table, alternating(400))
    assert {finding.severity for finding in found} == {"leak"}
    assert "400 of 400 rows" in found[0].strength
    whole = Folds(np.repeat(alternating(100).role, 4, axis=2))
    assert cut_folds.check(table, whole) == []


def test_folds_that_train_on_later_rows_fail() -> None:
    table = replace(make_table(), time=np.arange(400) // 10 / 1.0)
    assert "later than validation rows" in cut_folds.check(table, alternating(400))[0].what
    forward = np.zeros((1, 3, 400), dtype=np.int8)
    for fold in range(3):
        end = 100 * (fold + 1)
        forward[0, fold, :end], forward[0, fold, end - 20 : end], forward[0, fold, end : end + 100] = 1, 2, 3
    assert cut_folds.check(table, Folds(forward)) == []


def test_an_id_on_both_sides_of_a_fold_fails() -> None:
    table = replace(make_table(), train_ids=np.r_[0, 0, np.arange(2, 400)])
    found = cut_folds.check(table, alternating(400))
    assert found[0].what == "the same id in training and validation rows"
    assert "2 of 400 rows" in found[0].strength


def test_an_encoding_that_holds_its_own_label_fails() -> None:
    def without_folds(codes: np.ndarray, target: np.ndarray, **options: int) -> tuple:
        fitted = target_encode.fit(codes, target, **options)[0]
        return fitted, fitted.apply(codes)

    table = make_table()
    assert own_label.check(table, {"honest": target_encode}) == []
    leaky = SimpleNamespace(fit=without_folds, USES_TARGET=True)
    assert [finding.where for finding in own_label.check(table, {"leaky": leaky})] == ["transform leaky"]


@pytest.mark.parametrize("kind", ["group", "stratified_group", "time"])
def test_our_own_splitters_cut_nothing(kind: str) -> None:
    rng = np.random.default_rng(0)
    table = make_table(classes=True)
    blocks = {"time": rng.integers(0, 60, 400) / 1.0} if kind == "time" else {"groups": rng.integers(0, 90, 400)}
    splitter = plugins.load(plugins.find("splitters", kind, where="test"))
    table = replace(table, **blocks)
    folds = split.make_folds(splitter, table, kind=kind, n_folds=4, repeats=1, seed=0, options={})
    assert cut_folds.check(table, folds) == []
