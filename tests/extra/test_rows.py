"""Which folds train on an extra row, and what becomes of rows that weigh nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clean_tables import make_table
from hypothesis import given, settings
from hypothesis import strategies as st
from small_folds import alternating

from pipeline.errors import ConfigError
from pipeline.extra.rows import Extra, join_folds, join_table, read_extra
from pipeline.types import STOP, TRAIN, UNUSED, VALID, Folds, Table


def extra_of(table: Table, n: int = 10, **beside: np.ndarray) -> Extra:
    return Extra(table.train.iloc[:n].reset_index(drop=True), table.target[:n], **beside)


def test_every_fold_trains_on_them_and_none_validates_or_stops_on_them() -> None:
    table, folds = make_table(), alternating(400)
    joined = join_folds(folds, table, extra_of(table))
    assert (joined.role[:, :, :400] == folds.role).all()
    assert (joined.role[:, :, 400:] == TRAIN).all()
    assert len(join_table(table, extra_of(table)).train) == 410


@pytest.mark.parametrize("kind", ["group", "stratified_group"])
def test_a_fold_that_validates_a_group_leaves_its_extra_rows_out(kind: str) -> None:
    fold = np.arange(400) % 4
    table = replace(make_table(), groups=fold)
    joined = join_folds(
        Folds(alternating(400).role, kind), table, extra_of(table, groups=np.array([0, 1, 9] + [2] * 7))
    )
    assert joined.role[0, 0, 400:403].tolist() == [UNUSED, TRAIN, TRAIN]
    assert joined.role[0, 1, 400:403].tolist() == [TRAIN, UNUSED, TRAIN]


def test_a_fold_in_time_leaves_later_rows_out() -> None:
    table = replace(make_table(), time=np.arange(400.0))
    role = np.full((1, 1, 400), UNUSED, dtype=np.int8)
    role[0, 0, :300], role[0, 0, 250:260], role[0, 0, 310:] = TRAIN, STOP, VALID
    folds = Folds(role, "time")
    joined = join_folds(folds, table, extra_of(table, 3, time=np.array([-5.0, 299.0, 305.0])))
    assert joined.role[0, 0, 400:].tolist() == [TRAIN, TRAIN, UNUSED]
    with pytest.raises(ConfigError, match="no column of time"):
        join_folds(folds, table, extra_of(table, 3))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_rows_of_weight_0_are_validated_but_not_trained_on(seed: int) -> None:
    weight = np.random.default_rng(seed).integers(0, 2, 400).astype(float)
    table, folds = replace(make_table(), weight=weight), alternating(400)
    joined = join_folds(folds, table, None)
    assert ((joined.role == VALID) == (folds.role == VALID)).all()
    fitted = np.isin(joined.role, (TRAIN, STOP))
    assert (fitted == (np.isin(folds.role, (TRAIN, STOP)) & (weight > 0))).all()


def test_weights_that_leave_a_fold_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="no training row whose weight is above 0"):
        join_folds(alternating(400), replace(make_table(), weight=np.eye(400)[0]), None)


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    table = make_table(classes=True)
    extra_of(table, weight=np.full(10, 0.5)).write(tmp_path)
    found = read_extra({"extra": tmp_path})
    assert found is not None
    assert found.rows.equals(table.train.iloc[:10])
    assert found.target.tolist() == table.target[:10].tolist()
    assert found.weight is not None
    assert found.groups is None
    assert read_extra({}) is None
