"""What holds for every fitted transform plug-in; a new file in pipeline/transforms/ is tested by being there.

A plug-in says what it READS ("numbers" (n, d) with NaN, "levels" a frame of categories, "codes" (n, c) integers) and
what KIND it is; `fit` returns a value with apply, to_dict and from_dict (with USES_TARGET: that and the fitted rows).
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engine import plugins

FITTED = ("numbers", "levels", "codes")
MODULES = {name: plugins.load(plugins.find("transforms", name, where="test")) for name in plugins.names("transforms")}
NAMES = [name for name, module in MODULES.items() if getattr(module, "READS", "") in FITTED]
LEVELS = ["", "a", "b", "c", "missing", "rare", "only later"]
every_transform = pytest.mark.parametrize("name", NAMES)
every_reader_of_levels = pytest.mark.parametrize("name", [name for name in NAMES if MODULES[name].READS == "levels"])
some = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**31)


def make(name: str, seed: int, n: int):
    """Return rows of the kind that the transform reads: skewed, constant, empty, huge and missing parts included."""
    rng = np.random.default_rng(seed)
    if MODULES[name].READS == "numbers":
        rows = rng.lognormal(sigma=2.0, size=(n, 7)) * rng.choice([-1.0, 1.0], size=(n, 7), p=[0.1, 0.9])
        rows[:, 1], rows[:, 2] = np.nan, 3.0
        rows[:, 3] = rng.integers(0, 2, n)
        rows[:, 4] *= 1e12
        rows[rng.random(rows.shape) < 0.1] = np.nan
        return rows
    if MODULES[name].READS == "codes":
        return np.column_stack([rng.integers(0, 4, n), np.full(n, 2), rng.integers(0, n, n)])
    levels = np.array(LEVELS[:-1], dtype=object)
    frame = pd.DataFrame({c: levels[rng.integers(0, len(levels), n)] for c in "pq"})
    frame.loc[rng.random(n) < 0.2, "p"] = None
    frame["empty"] = None
    return frame.astype(pd.CategoricalDtype(sorted(LEVELS)))


def take(rows, positions):
    return rows.iloc[positions].reset_index(drop=True) if isinstance(rows, pd.DataFrame) else rows[positions]


def fit(name: str, rows):
    if not getattr(MODULES[name], "USES_TARGET", False):
        return MODULES[name].fit(rows)
    target = np.random.default_rng(len(rows)).normal(size=len(rows))
    return MODULES[name].fit(rows, target)[0]


@every_transform
def test_declares_its_kind(name):
    assert MODULES[name].KIND in {"affine", "general", "row-local"}
    assert MODULES[name].__doc__


@every_transform
@some
@given(seed=seeds)
def test_one_row_is_the_same_alone_and_among_others(name, seed):
    rows = make(name, seed, 40)
    fitted = fit(name, rows)
    together = fitted.apply(rows)
    np.testing.assert_allclose(fitted.apply(take(rows, [7])), together[[7]], rtol=1e-12)
    np.testing.assert_allclose(fitted.apply(take(rows, np.arange(40)[::-1])), together[::-1], rtol=1e-12)


@every_reader_of_levels
@some
@given(seed=seeds)
def test_fitting_reads_only_the_rows_it_is_given(name, seed):
    """Rows outside the fold are still seen in the type of a column, by levels and their order: neither may matter."""
    rows = make(name, seed, 40)
    elsewhere = ["elsewhere", *sorted(LEVELS, reverse=True)]
    typed_by_others = rows.astype(pd.CategoricalDtype(elsewhere))
    fitted, again = fit(name, rows), fit(name, typed_by_others)
    assert again.to_dict() == fitted.to_dict()
    np.testing.assert_array_equal(again.apply(typed_by_others), fitted.apply(rows))


@every_transform
@some
@given(seed=seeds)
def test_state_survives_json_to_the_last_bit(name, seed):
    rows = make(name, seed, 50)
    fitted = fit(name, rows)
    again = type(fitted).from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again == fitted
    np.testing.assert_array_equal(again.apply(rows), fitted.apply(rows))


@every_transform
@some
@given(seed=seeds)
def test_rows_stay_as_they_are(name, seed):
    rows = make(name, seed, 30)
    before = rows.copy()
    fit(name, rows).apply(rows)
    pd.testing.assert_frame_equal(pd.DataFrame(rows), pd.DataFrame(before))


@every_transform
def test_rows_that_look_like_none_before_give_no_infinity(name):
    """Missing only now, a level never seen, a number far outside, a code that is new."""
    rows = make(name, 3, 50)
    if MODULES[name].READS == "numbers":
        fitted = fit(name, np.nan_to_num(rows, nan=1.0))
        new = np.vstack([np.full(7, np.nan), np.full(7, 1e15), np.full(7, -1e15)])
    elif MODULES[name].READS == "codes":
        fitted, new = fit(name, rows), np.full((3, 3), 1_000)
    else:
        fitted = fit(name, rows[["q"]])
        new = pd.DataFrame({"q": ["only later", None, "a"]}).astype(pd.CategoricalDtype(sorted(LEVELS)))
    assert not np.isinf(fitted.apply(new)).any()


@every_transform
def test_an_empty_set_of_columns_is_no_special_case(name):
    rows = make(name, 0, 20)
    none = rows.iloc[:, :0] if isinstance(rows, pd.DataFrame) else rows[:, :0]
    assert fit(name, none).apply(none).shape == (20, 0)
