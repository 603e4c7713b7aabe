"""Folds of pairs: nothing that is learnt from has seen a label of the rows that are judged, or of the row itself."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blenders._blender import Blender
from pipeline.blenders._combination import Combination
from pipeline.blenders._library import Library
from pipeline.blenders._seen import Seen
from pipeline.engine.stage import Job
from pipeline.errors import ConfigError
from pipeline.files import read_folds, write_folds, write_json
from pipeline.metrics import rmse
from pipeline.nested import pairs
from pipeline.nested.rounds import meetings, rounds
from pipeline.splitters import group, kfold, stratified
from pipeline.splitters._rows import Rows
from pipeline.stages.split import make_folds
from pipeline.types import STOP, TRAIN, UNUSED, VALID, Folds, Metric, Table, Task

RMSE = Metric.from_module(rmse)
SPLITTERS: dict[str, ModuleType] = {"kfold": kfold, "stratified": stratified, "group": group}


def table_of(n_rows: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n_rows)})
    groups = rng.permutation(np.arange(n_rows) // 3)
    return Table(Task("regression", RMSE), frame, frame, rng.uniform(size=n_rows), frame.index, frame.index, groups)


def cut(kind: str, table: Table, n_folds: int, repeats: int) -> tuple[Folds, Folds]:
    """Return folds of a kind, and the folds of their pairs."""
    splitter = SPLITTERS[kind]
    folds = make_folds(splitter, table, kind=kind, n_folds=n_folds, repeats=repeats, seed=1, options={})
    rows = Rows(table.target, 0, table.groups)
    return folds, pairs.pair_folds(folds, rows, splitter, splitter.Options(), seed=2)


@pytest.mark.parametrize("n_folds", range(2, 12))
def test_every_two_folds_meet_once_and_none_twice_in_a_round(n_folds: int) -> None:
    met = [pair for pairs_of_round in rounds(n_folds) for pair in pairs_of_round]
    assert sorted(met) == [(j, k) for j in range(n_folds) for k in range(j + 1, n_folds)]
    for pairs_of_round in rounds(n_folds):
        players = [fold for pair in pairs_of_round for fold in pair]
        assert len(set(players)) == len(players) == n_folds // 2 * 2
    assert sorted(other for other, _ in meetings(n_folds, 1)) == [fold for fold in range(n_folds) if fold != 1]


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(SPLITTERS)),
    n_folds=st.integers(3, 7),
    repeats=st.integers(1, 2),
    seed=st.integers(0, 9),
)
def test_a_model_of_a_pair_trains_on_the_rows_of_all_other_folds_and_on_no_other(
    kind: str, n_folds: int, repeats: int, seed: int
) -> None:
    table = table_of(90, seed)
    folds, nested = cut(kind, table, n_folds, min(repeats, 1 if kind == "kfold" else 2))
    assert nested.n_repeats * nested.n_folds == folds.n_repeats * n_folds * (n_folds - 1) // 2
    for repeat in range(folds.n_repeats):
        for fold in range(n_folds):
            for other, number in meetings(n_folds, fold):
                key = next(
                    (repeat * len(rounds(n_folds)) + number, place)
                    for place, pair in enumerate(rounds(n_folds)[number])
                    if fold in pair
                )
                both = np.union1d(folds.valid_rows(repeat, fold), folds.valid_rows(repeat, other))
                np.testing.assert_array_equal(nested.valid_rows(*key), both)
                np.testing.assert_array_equal(nested.train_rows(*key), np.setdiff1d(np.arange(90), both))
                if kind == "group":
                    assert not set(table.groups[both]) & set(table.groups[nested.train_rows(*key)])
                judged = [held for _, held in nested.inner_cuts(*key)]
                assert all(len(np.unique(folds.valid_fold[repeat, held])) == 1 for held in judged)
                if 3 < n_folds < 7:  # inner cuts judge each fold that is left once, as a whole; four at most
                    np.testing.assert_array_equal(np.sort(np.concatenate(judged)), nested.train_rows(*key))


@pytest.mark.parametrize("n_folds", [3, 4, 5])
def test_a_stacker_learns_from_no_model_that_saw_the_judged_rows_or_the_row_itself(n_folds: int) -> None:
    """Every prediction names the model that made it, so that what a blender is shown can be traced."""
    table = table_of(60, 0)
    folds, nested = cut("stratified", table, n_folds, 2)
    keys = list(nested)
    oof = np.full((nested.n_repeats, 60), np.nan)
    for place, key in enumerate(keys):
        oof[key[0], nested.valid_rows(*key)] = place / len(keys)
    target = np.arange(60) / 60 * 1e-3 + np.resize([0.0, 1.0], 60)  # tells its row; predictions are not cut
    shown: list[Seen] = []

    def spy(seen: Seen, **_: object) -> Combination:
        shown.append(seen)
        return Combination(np.ones(1), np.zeros(1))

    ordinary = np.zeros((2, 60, 1, 1))
    library = Library(
        ("m",), ordinary, ordinary[0, :2], target, RMSE, folds, False, ordinary[:, :2], nested=oof[:, :, None, None]
    )
    library.cross_fit([Blender(SimpleNamespace(fit_combination=spy), SimpleNamespace(nested=True))], 0, lambda: None)
    assert len(shown) == 2 * n_folds
    for seen, judged in zip(shown, folds, strict=True):
        rows = [int(np.flatnonzero(target == own)[0]) for own in seen.target]
        np.testing.assert_array_equal(np.sort(rows), folds.train_rows(*judged))
        for row, predicted in zip(rows, seen.oof[:, 0, 0], strict=True):
            trained = nested.train_rows(*keys[round(predicted * len(keys))])
            assert row not in trained
            assert not np.isin(folds.valid_rows(*judged), trained).any()


def test_the_folds_of_pairs_are_written_with_the_folds_that_they_leave_out(tmp_path: Path) -> None:
    table = table_of(40, 0)
    folds, _ = cut("group", table, 4, 1)
    for name in ("preprocess", "split", "out"):
        (tmp_path / name).mkdir()
    rows = pd.DataFrame({"target": table.target, "groups": table.groups})
    rows.to_parquet(tmp_path / "preprocess" / "rows.parquet")
    write_json(tmp_path / "preprocess" / "task.json", {"classes": []})
    write_folds(tmp_path / "split", folds)
    inputs = {name: tmp_path / name for name in ("preprocess", "split")}
    job = Job({"options": {}, "seed": 3}, inputs, {}, {"splitter": group}, tmp_path / "out", tmp_path, 0, Heard())
    assert pairs.run(job) == {"folds": 2, "repeats": 3}
    found = read_folds(tmp_path / "out")
    assert found.kind == "group"
    assert found.part is not None
    assert {int(part) for part in np.unique(found.part)} == {0, 1, 2, 3}
    assert all(set(np.unique(role)) == {TRAIN, STOP, VALID} for role in found.role.reshape(-1, 40))


def test_rows_that_a_fold_leaves_out_are_left_out_of_its_pairs() -> None:
    role = np.full((1, 3, 30), TRAIN, dtype=np.int8)
    for fold in range(3):
        role[0, fold, fold * 10 : fold * 10 + 10] = VALID
        role[0, fold, [(fold * 10 + 10) % 30, (fold * 10 + 20) % 30]] = STOP
    role[0, 0, 25] = UNUSED
    nested = pairs.pair_folds(Folds(role), Rows(np.arange(30.0)), kfold, kfold.Options(), seed=0)
    places = [place for place, ((_, other),) in enumerate(rounds(3)) if other == 1]
    assert 25 not in nested.train_rows(places[0], 0)


def test_one_group_that_is_left_cannot_be_split_for_stopping() -> None:
    table = table_of(30, 0)
    few = Table(**{**vars(table), "groups": np.arange(30) % 3})
    role = np.full((1, 3, 30), TRAIN, dtype=np.int8)
    for fold in range(3):
        role[0, fold, fold::3] = VALID
        role[0, fold, (fold + 1) % 3 :: 3] = STOP
    with pytest.raises(ConfigError, match="cannot be split again"):
        pairs.pair_folds(Folds(role, "group"), Rows(few.target, 0, few.groups), group, group.Options(), seed=0)
