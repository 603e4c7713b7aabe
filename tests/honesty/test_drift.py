"""Adversarial validation: chance is not called drift, drift is found with its column, and weights move the estimate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_folds import alternating

from pipeline.honesty.drift import find_drift, weigh
from pipeline.honesty.resample import pool
from pipeline.metrics import mae
from pipeline.types import Metric


def rows(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 5)), columns=[f"x[{place}]" for place in range(5)])
    frame["kind"] = pd.Categorical(rng.choice(["a", "b", "c"], size=n), categories=["a", "b", "c"])
    frame.loc[rng.random(n) < 0.1, "x[0]"] = np.nan
    frame["x[3]"] += shift
    return frame


@pytest.mark.parametrize("seed", range(3))
def test_chance_is_not_called_drift(seed: int) -> None:
    found = find_drift(rows(600, 10 + seed), rows(400, 20 + seed), None, seed)
    assert not found.found
    assert abs(found.auc - 0.5) < 4 * found.se


def test_groups_that_hang_together_are_not_called_drift() -> None:
    """Rows of a group are alike: a classifier that has seen some of them knows that the others are train rows."""
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame(np.repeat(rng.normal(size=(60, 8)), 10, axis=0), columns=list("abcdefgh")) for _ in range(2)]
    groups = np.repeat(np.arange(60), 10)
    blind, knowing = (find_drift(parts[0], parts[1], known, 0).auc for known in (None, groups))
    assert knowing < blind


def test_drift_is_found_with_its_column() -> None:
    found = find_drift(rows(800, 1), rows(800, 2, shift=1.0), None, 0)
    assert found.found
    assert found.columns[0][0] == "x[3]"
    assert sum(share for _, share in found.columns) == pytest.approx(1.0)
    assert found.weights.mean() == pytest.approx(1.0)


def test_the_weighted_estimate_goes_to_where_test_lies() -> None:
    train, test = rows(3000, 3), rows(3000, 4, shift=0.7)
    column = train["x[3]"].to_numpy()
    error = np.exp(0.8 * column)  # harder where test has more rows
    pooled = pool(error, alternating(3000, 5), Metric.from_module(mae), None, None)
    drift = find_drift(train, test, None, 0)
    found = weigh(pooled, np.zeros((1, 3000, 1)), drift, 3000, 0)
    wanted = np.exp(0.8 * test["x[3]"]).mean() - error.mean()
    assert 0.5 * wanted < found.change < 1.3 * wanted
    assert found.readable
    assert found.effective_rows < 3000


@pytest.mark.parametrize("n_alike", [0, 3, 10])
def test_when_hardly_anything_of_train_looks_like_test_the_estimate_says_so(n_alike: int) -> None:
    train, test = rows(500, 5), rows(500, 6, shift=50.0)
    train.loc[train.index < n_alike, "x[3]"] += 50.0
    drift = find_drift(train, test, None, 0)
    assert drift.auc > 0.98
    pooled = pool(np.ones(500), alternating(500, 2), Metric.from_module(mae), None, None)
    found = weigh(pooled, np.zeros((1, 500, 1)), drift, 500, 0)
    assert not found.readable


def test_a_test_file_of_one_row_is_no_error() -> None:
    found = find_drift(rows(50, 7), rows(1, 8), None, 0)
    assert np.isnan(found.auc)
    assert not found.found
