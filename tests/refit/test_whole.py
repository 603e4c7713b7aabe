"""A fold of all rows: every row is trained on, and inside of it rows judge as folds do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.engine import plugins
from pipeline.refit.whole import whole_fold
from pipeline.splitters._rows import Rows
from pipeline.stages.split import stop_rows
from pipeline.types import STOP, TRAIN, VALID, Folds

N_ROWS, N_FOLDS = 90, 4
ROWS = Rows(np.arange(N_ROWS) % 2, 2, groups=np.arange(N_ROWS) % 9, time=np.arange(float(N_ROWS)))


def folds_and_whole(kind: str) -> tuple[Folds, Folds]:
    splitter = plugins.load(plugins.find("splitters", kind, where="test"))
    role = np.zeros((2, N_FOLDS, N_ROWS), dtype=np.int8)
    for repeat in range(2):
        for fold, (train, valid) in enumerate(splitter.split(ROWS, N_FOLDS, repeat, splitter.Options())):
            role[repeat, fold, train], role[repeat, fold, valid] = TRAIN, VALID
            role[repeat, fold, train[stop_rows(splitter, ROWS.take(train), 0, splitter.Options())]] = STOP
    folds = Folds(role, kind)
    return folds, whole_fold(folds, ROWS, splitter, splitter.Options(), seed=0)


@pytest.mark.parametrize("kind", plugins.names("splitters"))
def test_all_rows_train_and_an_eighth_of_them_stops(kind: str) -> None:
    _, whole = folds_and_whole(kind)
    assert (whole.n_repeats, whole.n_folds, whole.kind) == (1, 1, kind)
    assert len(whole.train_rows(0, 0)) == N_ROWS
    assert len(whole.valid_rows(0, 0)) == 0
    assert N_ROWS / 10 <= len(whole.stop_rows(0, 0)) <= N_ROWS / 4


@pytest.mark.parametrize("kind", ["group", "stratified_group"])
def test_no_group_stops_in_part(kind: str) -> None:
    _, whole = folds_and_whole(kind)
    assert ROWS.groups is not None
    assert not set(ROWS.groups[whole.stop_rows(0, 0)]) & set(ROWS.groups[whole.inner_rows(0, 0)])


@pytest.mark.parametrize("kind", [kind for kind in plugins.names("splitters") if kind != "time"])
def test_what_is_chosen_inside_is_judged_by_the_folds_rows(kind: str) -> None:
    folds, whole = folds_and_whole(kind)
    cuts = whole.inner_cuts(0, 0)
    assert len(cuts) == N_FOLDS
    for fold, (train, held) in enumerate(cuts):
        np.testing.assert_array_equal(held, folds.valid_rows(0, fold))
        np.testing.assert_array_equal(train, folds.train_rows(0, fold))


def test_in_time_the_last_rows_judge() -> None:
    _, whole = folds_and_whole("time")
    ((train, held),) = whole.inner_cuts(0, 0)
    assert train.max() < held.min() == 80
    assert held.max() == N_ROWS - 1


def test_folds_that_should_validate_must() -> None:
    role = np.full((1, 2, 8), TRAIN, dtype=np.int8)
    role[0, :, 0] = STOP
    role[0, 0, 4:] = VALID
    for part in (None, np.zeros((1, 8), dtype=np.int64)):
        with pytest.raises(ValueError, match="a fold has no validation rows"):
            Folds(role, "kfold", part)
