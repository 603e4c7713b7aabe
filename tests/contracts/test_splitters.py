"""What holds for every splitter plug-in, in the outer and the inner split; a new file is tested by being there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.engine import plugins
from pipeline.errors import ConfigError
from pipeline.metrics import rmse
from pipeline.splitters._rows import Rows
from pipeline.stages.split import make_folds
from pipeline.types import VALID, Metric, Table, Task

NAMES = plugins.names("splitters")
COVER_ALL = [name for name in NAMES if name != "time"]


def module(name):
    return plugins.load(plugins.find("splitters", name, where="test"))


def table(seed: int, n: int, n_classes: int = 0) -> Table:
    """Return rows with groups of uneven size and times that repeat."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n)})
    metric = Metric.from_module(rmse)
    target = rng.integers(0, n_classes, n) if n_classes else rng.gamma(2.0, size=n)
    task = Task("multiclass", metric, tuple("abcdefgh"[:n_classes])) if n_classes else Task("regression", metric)
    groups = (rng.power(2, n) * 30).astype(int)
    groups[:30] = np.arange(30)
    time = rng.integers(0, n // 2, n).astype(float)
    return Table(task, frame, frame, target, np.arange(n), np.arange(n), groups, time)


def folds_of(name: str, rows: Table, n_folds: int, repeats: int = 1, seed: int = 0, **options):
    return make_folds(module(name), rows, kind=name, n_folds=n_folds, repeats=repeats, seed=seed, options=options)


shapes = {"seed": st.integers(0, 2**31), "n": st.integers(60, 220), "n_folds": st.integers(2, 7)}
every_splitter = pytest.mark.parametrize("name", NAMES)
n_classes = st.sampled_from([0, 2, 5])


@every_splitter
@settings(max_examples=20, deadline=None)
@given(**shapes, n_classes=n_classes)
def test_training_stopping_and_validation_are_disjoint_and_there(name, seed, n, n_folds, n_classes):
    folds = folds_of(name, table(seed, n, n_classes), n_folds)
    assert folds.role.shape == (1, n_folds, n)
    for repeat, fold in folds:
        parts = [folds.inner_rows(repeat, fold), folds.stop_rows(repeat, fold), folds.valid_rows(repeat, fold)]
        assert all(len(part) for part in parts)
        assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))


@pytest.mark.parametrize("name", COVER_ALL)
@settings(max_examples=20, deadline=None)
@given(**shapes, n_classes=n_classes)
def test_every_row_validates_once_and_trains_otherwise(name, seed, n, n_folds, n_classes):
    folds = folds_of(name, table(seed, n, n_classes), n_folds)
    np.testing.assert_array_equal((folds.role == VALID).sum(axis=1), 1)
    assert (folds.role != 0).all()


@pytest.mark.parametrize("name", ["group", "stratified_group"])
@settings(max_examples=25, deadline=None)
@given(**shapes)
def test_groups_are_never_cut(name, seed, n, n_folds):
    rows = table(seed, n, 3)
    folds = folds_of(name, rows, n_folds)
    for repeat, fold in folds:
        parts = (folds.inner_rows(repeat, fold), folds.stop_rows(repeat, fold), folds.valid_rows(repeat, fold))
        held = [set(rows.groups[part]) for part in parts]
        assert not (held[0] & held[1]) | (held[0] & held[2]) | (held[1] & held[2])


@settings(max_examples=25, deadline=None)
@given(**shapes, gap=st.sampled_from([0.0, 0.5, 3.0]))
def test_time_never_looks_ahead(seed, n, n_folds, gap):
    rows = table(seed, n)
    try:
        folds = folds_of("time", rows, n_folds, gap=gap)
    except ConfigError:
        assume(gap == 0.0)  # a gap may swallow all rows before the first block, which is refused, never silent
        raise
    before = -np.inf
    for repeat, fold in folds:
        inner, stop, valid = (
            rows.time[part]
            for part in (folds.inner_rows(repeat, fold), folds.stop_rows(repeat, fold), folds.valid_rows(repeat, fold))
        )
        assert max(inner.max(), stop.max()) < valid.min() - gap
        assert inner.max() < stop.min()
        assert valid.min() > before
        before = valid.max()


@every_splitter
def test_stopping_rows_are_about_an_eighth_of_the_training_rows(name):
    folds = folds_of(name, table(3, 2_000, 2), 5)
    for repeat, fold in list(folds)[2:]:
        share = len(folds.stop_rows(repeat, fold)) / len(folds.train_rows(repeat, fold))
        assert 0.08 < share < 0.2


@every_splitter
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_folds(name, seed):
    rows = table(1, 120, 2)
    np.testing.assert_array_equal(folds_of(name, rows, 4, seed=seed).role, folds_of(name, rows, 4, seed=seed).role)


@pytest.mark.parametrize("name", COVER_ALL)
def test_repeats_and_seeds_differ(name):
    rows = table(1, 150, 2)
    folds = folds_of(name, rows, 4, repeats=3)
    valid = [(folds.role[repeat] == VALID).tobytes() for repeat in range(3)]
    other = folds_of(name, rows, 4, seed=1)
    assert len({*valid, (other.role[0] == VALID).tobytes()}) == 4


@every_splitter
def test_the_most_folds_it_names_are_possible(name):
    rows = table(5, 80)
    small = Rows(rows.target, 0, rows.groups, rows.time)
    most = module(name).most_folds(small)
    splits = module(name).split(small, most, 0, module(name).Options())
    assert len(splits) == most
    assert all(len(valid) for _, valid in splits)


@every_splitter
def test_options_are_documented_and_unknown_ones_refused(name):
    options = module(name).Options
    assert all(field.description for field in options.model_fields.values())
    with pytest.raises(ValueError, match="nonsense"):
        options(nonsense=1)
