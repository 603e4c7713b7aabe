"""Near copies that folds cut are warned of; clean rows, coarse or clustered, and drift alone are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from clean_tables import make_table, severities
from small_folds import alternating

from pipeline.audit.near_rows import check, compare, signs_of
from pipeline.types import Folds, Table

N_TRAIN, N_TEST = 600, 400
Made = Callable[[np.random.Generator, int], np.ndarray]


def table_of(train: np.ndarray, test: np.ndarray) -> Table:
    """Return a table of these rows and a level that goes with the first column."""
    frames = []
    for rows in (train, test):
        frame = pd.DataFrame(rows, columns=[f"x{place}" for place in range(rows.shape[1])], dtype=np.float64)
        frames.append(frame.assign(level=pd.Categorical(np.where(rows[:, 0] > 0, "b", "a"), categories=["a", "b"])))
    return replace(make_table(n_train=len(train), n_test=len(test)), train=frames[0], test=frames[1])


def folds_of(table: Table) -> Folds:
    return alternating(len(table.train), 5)


def copied(seed: int, times: int, noise: float, share: float = 1.0) -> Table:
    """Return rows of which a share comes several times with noise, and a test file of new rows."""
    rng = np.random.default_rng(seed)
    rows, n_copied = rng.normal(size=(N_TRAIN, 6)), int(share * N_TRAIN)
    rows[:n_copied] = rows[rng.integers(0, n_copied // times, n_copied)] + noise * rng.normal(size=(n_copied, 6))
    return table_of(rng.permutation(rows), rng.normal(size=(N_TEST, 6)))


@pytest.mark.parametrize(("times", "noise", "share"), [(4, 0.05, 1.0), (2, 0.2, 1.0), (2, 0.05, 0.5)])
def test_near_copies_are_found(times: int, noise: float, share: float) -> None:
    table = copied(0, times, noise, share)
    found = check(table, folds_of(table))
    assert severities(found) == ["warning"]
    assert found[0].what == "near copies across folds"


def test_near_copies_that_test_has_too_are_as_honest_as_test() -> None:
    table = copied(0, 4, 0.05)
    order = np.random.default_rng(0).permutation(N_TRAIN)
    train, test = (table.train.iloc[part].reset_index(drop=True) for part in (order[:400], order[400:]))
    table = replace(make_table(n_train=400, n_test=200), train=train, test=test)
    assert severities(check(table, folds_of(table))) == []


def test_where_groups_or_time_are_stated_nothing_is_looked_for() -> None:
    table = copied(0, 4, 0.05)
    for stated in (replace(table, groups=np.arange(N_TRAIN)), replace(table, time=np.arange(N_TRAIN) / 1.0)):
        assert [finding.severity for finding in check(stated, folds_of(table))] == ["note"]


CLEAN: dict[str, Made] = {
    "one column": lambda rng, n: rng.normal(size=(n, 1)),
    "two columns": lambda rng, n: rng.normal(size=(n, 2)),
    "many columns": lambda rng, n: rng.normal(size=(n, 30)),
    "whole numbers": lambda rng, n: rng.poisson(5, size=(n, 4)),
    "mostly zero": lambda rng, n: np.where(rng.random((n, 15)) < 0.9, 0.0, rng.exponential(size=(n, 15))),
    "missing": lambda rng, n: np.where(rng.random((n, 6)) < 0.3, np.nan, rng.normal(size=(n, 6))),
    "heavy tails": lambda rng, n: rng.standard_cauchy(size=(n, 10)),
    "clusters": lambda rng, n: 4.0 * (np.arange(n) % 20 // 4)[:, None] + rng.normal(size=(n, 5)) * 0.2,
    "flags": lambda rng, n: np.column_stack([np.eye(8)[rng.integers(0, 8, n)], rng.normal(size=(n, 3))]),
    "flags alone": lambda rng, n: rng.random((n, 4)) < 0.5,
    "in common": lambda rng, n: np.tile(rng.normal(size=(n, 3)), 5) + 0.1 * rng.normal(size=(n, 15)),
}


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_rows_give_no_alarm(kind: str) -> None:
    """A level of 1 %: of 10 clean tables, more than 1 with an alarm are less likely than 1 %."""
    alarms = []
    for seed in range(10):
        rows = CLEAN[kind](np.random.default_rng(seed), N_TRAIN + N_TEST)
        table = table_of(rows[:N_TRAIN], rows[N_TRAIN:])
        alarms.append(severities(check(table, folds_of(table))))
    assert sum(map(bool, alarms)) <= 1, alarms


def drifted(kind: str, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if kind == "shifted":
        return rows + np.r_[1.5, 1.5, np.zeros(rows.shape[1] - 2)]
    return {"moved": rows + 0.1, "noisier": rows + 0.3 * rng.normal(size=rows.shape), "rounded": rows.round(1)}[kind]


@pytest.mark.parametrize("kind", ["two columns", "in common", "many columns", "heavy tails", "clusters"])
@pytest.mark.parametrize("drift", ["shifted", "moved", "noisier", "rounded"])
def test_drift_alone_gives_no_alarm(kind: str, drift: str) -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        rows = CLEAN[kind](rng, N_TRAIN + N_TEST)
        table = table_of(rows[:N_TRAIN], drifted(drift, rows[N_TRAIN:], rng))
        assert severities(check(table, folds_of(table))) == []


def test_rows_of_another_region_are_not_compared() -> None:
    rng = np.random.default_rng(0)
    table = table_of(rng.normal(size=(N_TRAIN, 4)), 6 + rng.normal(size=(N_TEST, 4)))
    assert [finding.severity for finding in check(table, folds_of(table))] == ["note"]


def test_the_share_of_pairs_is_one_half_within_strata_though_not_among_all() -> None:
    rng = np.random.default_rng(0)
    by = [rng.normal(mean, size=2_000) for mean in (0.0, 1.0)]
    own, others = (values + 0.3 * rng.normal(size=2_000) for values in by)
    assert np.mean(own < others) > 0.7
    share, z, comparable = compare(own, others, *by)
    assert share == pytest.approx(0.5, abs=0.03)
    assert abs(z) < 3
    assert 0.5 < comparable < 0.9
    assert compare(own - 1, others, *by)[1] > 20


def test_equal_rows_have_no_signs_and_near_ones_have() -> None:
    known = np.random.default_rng(0).random((200, 5)).astype(np.float32)
    signs = signs_of(np.concatenate([known[:1], known[1:2] + 0.001, known[2:3] + 0.4]), known)
    assert np.isnan(signs[0]).all()
    assert (signs[1] < signs[2]).all()
