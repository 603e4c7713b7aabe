"""Adversarial validation: chance is not called drift, drift is found with its column, and weights move the estimate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_folds import alternating

from pipeline.honesty import drift
from pipeline.honesty.drift import Drift, find_drift, not_looked_for, se_of_groups, weigh
from pipeline.honesty.resample import pool
from pipeline.metrics import auc, mae, mse
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
    found = find_drift(rows(600, 10 + seed), rows(400, 20 + seed), None, None, seed)
    assert not found.found
    assert abs(found.auc - 0.5) < 4 * found.se


def in_groups(seed: int, shift: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows of 60 groups that share half of their columns, and the groups."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(shift, size=(60, 4)), 10, axis=0)
    return pd.DataFrame(np.hstack([shared, rng.normal(size=(600, 4))]), columns=list("abcdefgh")), np.repeat(
        range(60), 10
    )


@pytest.mark.parametrize("seed", range(4))
def test_groups_that_hang_together_are_not_called_drift(seed: int) -> None:
    """Rows of a group are alike: a classifier that has seen some of them knows in which file the others are."""
    (train, groups), (test, others) = in_groups(seed), in_groups(100 + seed)
    assert not find_drift(train, test, groups, 60 + others, 0).found
    assert not find_drift(train, test, groups, groups, 0).found  # the same groups in both files
    alone = find_drift(train, test, None, None, 0)
    assert alone.found
    assert find_drift(train, test, groups, 60 + others, 0).se > alone.se
    (test, others) = in_groups(100 + seed, shift=2.0)
    assert find_drift(train, test, groups, 60 + others, 0).found


def test_the_auc_of_groups_strays_by_no_more_than_is_said() -> None:
    """Forty groups in train and twenty in test, of ten rows each that are much alike."""
    strayed = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        unit = np.repeat(np.arange(60), 10)
        X = pd.DataFrame(rng.normal(size=(60, 5))[unit] + 0.3 * rng.normal(size=(600, 5)), columns=list("abcde"))
        test = (rng.permutation(60) < 20)[unit]
        parts = [X[side].reset_index(drop=True) for side in (~test, test)]
        found = find_drift(*parts, unit[~test], unit[test], seed)
        strayed.append((found.auc - 0.5) / found.se)
    assert np.sqrt(np.mean(np.square(strayed))) < 1.2


def test_where_tests_groups_are_unknown_drift_is_not_looked_for() -> None:
    (train, groups), (test, _) = in_groups(0), in_groups(1)
    found = find_drift(train, test, groups, None, 0)
    assert np.isnan(found.auc)
    assert not found.found
    pooled = pool(np.ones(600), alternating(600, 2), Metric.from_module(mae), groups, None)
    assert not weigh(pooled, np.zeros((1, 600, 1)), found, 500, 0).readable


@pytest.mark.parametrize(("n_train", "n_test", "looked"), [(40, 4, False), (9, 40, False), (40, 10, True)])
def test_where_either_file_has_few_groups_drift_is_not_looked_for(n_train: int, n_test: int, *, looked: bool) -> None:
    parts = [(rows(10 * n, seed), np.repeat(np.arange(n), 10)) for seed, n in enumerate((n_train, n_test))]
    (train, groups), (test, others) = parts
    assert np.isfinite(find_drift(train, test, groups, 100 + others, 0).auc) == looked
    why = not_looked_for((len(train), len(test)), groups, 100 + others)
    assert why == ("" if looked else f"train has {n_train} groups and test {n_test}, and each needs 10")


def test_the_standard_error_of_groups_is_what_the_auc_strays_by() -> None:
    """Groups of ten equal rows are as good as one row each; rows by themselves stray as Hanley and McNeil say."""
    rng, aucs, said = np.random.default_rng(0), [], []
    y = np.repeat([0, 1], [400, 300])
    for _ in range(200):
        p = np.repeat(rng.normal(size=70), 10)
        unit = np.repeat(np.arange(70), 10)
        aucs.append(auc.score(y, np.column_stack([-p, p])))
        said.append(se_of_groups(y, p, unit))
    assert np.mean(said) == pytest.approx(np.std(aucs), rel=0.15)
    alone = se_of_groups(y, rng.normal(size=700), np.arange(700))
    assert alone == pytest.approx(np.sqrt(701 / (12 * 400 * 300)), rel=0.1)


def test_drift_is_found_with_its_column() -> None:
    found = find_drift(rows(800, 1), rows(800, 2, shift=1.0), None, None, 0)
    assert found.found
    assert found.columns[0][0] == "x[3]"
    assert sum(share for _, share in found.columns) == pytest.approx(1.0)
    assert found.weights.mean() == pytest.approx(1.0)


def test_no_row_weighs_more_than_one_in_a_hundred_others() -> None:
    weights = find_drift(rows(800, 1), rows(800, 2, shift=1.5), None, None, 0).weights
    assert np.isclose(weights, weights.max()).mean() >= 0.01


def test_weights_stand_at_the_rows_that_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MOST_ROWS", 300)
    train = rows(900, 1)
    weights = find_drift(train, rows(900, 2, shift=1.5), None, None, 0).weights
    known = np.isfinite(weights)
    assert known.sum() == 300
    assert np.corrcoef(weights[known], train["x[3]"][known])[0, 1] > 0.5


def test_rows_that_were_not_looked_at_count_on_neither_side() -> None:
    error, weights = np.repeat([1.0, 100.0], 100), np.repeat([1.0, np.nan], 100)
    pooled = pool(np.zeros(200), alternating(200, 5), Metric.from_module(mae), None, None)
    found = weigh(pooled, error[None, :, None], Drift(0.6, 0.01, (), weights), 50, 0)
    assert found.change == pytest.approx(0.0, abs=1e-9)


def test_the_weighted_estimate_goes_to_where_test_lies() -> None:
    train, test = rows(3000, 3), rows(3000, 4, shift=0.7)
    column = train["x[3]"].to_numpy()
    error = np.exp(0.8 * column)  # harder where test has more rows
    pooled = pool(error, alternating(3000, 5), Metric.from_module(mae), None, None)
    found = weigh(pooled, np.zeros((1, 3000, 1)), find_drift(train, test, None, None, 0), 3000, 0)
    wanted = np.exp(0.8 * test["x[3]"]).mean() - error.mean()
    assert 0.5 * wanted < found.change < 1.3 * wanted
    assert found.readable
    assert found.effective_rows < 3000


@pytest.mark.parametrize("n_alike", [0, 3, 10])
def test_when_hardly_anything_of_train_looks_like_test_the_estimate_says_so(n_alike: int) -> None:
    train, test = rows(500, 5), rows(500, 6, shift=50.0)
    train.loc[train.index < n_alike, "x[3]"] += 50.0
    drifted = find_drift(train, test, None, None, 0)
    assert drifted.auc > 0.98
    pooled = pool(np.ones(500), alternating(500, 2), Metric.from_module(mae), None, None)
    found = weigh(pooled, np.zeros((1, 500, 1)), drifted, 500, 0)
    assert not found.readable


def test_a_test_file_of_one_row_is_no_error() -> None:
    found = find_drift(rows(50, 7), rows(1, 8), None, None, 0)
    assert np.isnan(found.auc)
    assert not found.found


def test_the_weighted_estimate_knows_groups_of_any_size() -> None:
    """Groups of fifty rows with small errors, single rows with large ones, which test has more of."""
    groups = np.concatenate([np.repeat(np.arange(20), 50), 20 + np.arange(1000)])
    single = groups >= 20
    error, weights = np.where(single, 2.0, 1.0), np.where(single, 1.5, 0.5)
    for unit in (groups, None):
        pooled = pool(np.zeros(2000), alternating(2000, 5), Metric.from_module(mse), unit, None)
        found = weigh(pooled, error[None, :, None], Drift(0.6, 0.01, (), weights), 1000, 0)
        assert found.change == pytest.approx(np.average(error**2, weights=weights) - (error**2).mean(), rel=0.15)
