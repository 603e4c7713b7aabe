"""Simulated leaderboards: noise is called noise, and the hedge is what helps where the best fails."""

from __future__ import annotations

import numpy as np
import pytest
from small_folds import alternating

from pipeline.honesty.resample import pool
from pipeline.honesty.rivals import Leaderboards, select, simulate
from pipeline.metrics import auc, mse
from pipeline.types import Metric

N = 600
METRIC = Metric.from_module(mse)


def of_classes(predictions: list[np.ndarray], target: np.ndarray, n_public: float) -> Leaderboards:
    metric = Metric.from_module(auc)
    rows = pool(target, alternating(N, 5), metric, None, None)
    errors = [metric.error(target, one) for one in predictions]
    return simulate(rows, [one[None] for one in predictions], errors, n_public=n_public, n_private=200, seed=0)


def boards(
    *predictions: np.ndarray,
    target: np.ndarray,
    n_public: float = 100,
    n_private: float = 200,
    groups: np.ndarray | None = None,
) -> Leaderboards:
    rows = pool(target, alternating(N, 5), METRIC, groups, None)
    oofs = [one[None, :, None] for one in predictions]
    errors = [METRIC.error(target, one[:, None]) for one in predictions]
    return simulate(rows, oofs, errors, n_public=n_public, n_private=n_private, seed=0)


@pytest.fixture
def target() -> np.ndarray:
    return np.random.default_rng(0).normal(size=N)


def test_equal_submissions_differ_by_nothing(target: np.ndarray) -> None:
    found = boards(0.5 * target, 0.5 * target, target=target).compare(0, 1)
    assert (found.difference, found.se, found.in_public) == (0.0, 0.0, 0.0)
    assert found.is_noise


def test_a_small_gain_is_noise_and_a_large_one_is_not(target: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=N)
    one, other, far = target + noise, target + 1.01 * rng.permutation(noise), target + 2 * rng.normal(size=N)
    found = boards(one, other, far, target=target)
    near = found.compare(0, 1)
    assert near.is_noise
    assert 0.2 < near.in_public < 0.6
    assert found.compare(0, 2).is_noise is False
    assert found.compare(0, 2).in_public < 0.01


def test_few_public_rows_mislead_more_often(target: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    one, other = target + 0.9 * rng.normal(size=N), target + 1.0 * rng.normal(size=N)
    few, many = (boards(one, other, target=target, n_public=n).compare(0, 1).in_public for n in (20, 2000))
    assert few > many + 0.1


def test_a_gain_on_rows_that_hang_together_is_noise_where_one_on_as_many_others_is_not(target: np.ndarray) -> None:
    groups = np.arange(N) // 60
    shared = np.random.default_rng(6).normal(size=10)[groups]  # ten groups, each with an error of its own
    one, other = target + 1.5 + 0.2 * shared, target + 1.6 - 0.2 * shared
    assert not boards(one, other, target=target).compare(0, 1).is_noise
    found = boards(one, other, target=target, groups=groups).compare(0, 1)
    assert found.is_noise
    assert found.in_public > 0.2


def test_how_often_public_misleads_is_what_counting_on_drawn_leaderboards_says() -> None:
    """Two submissions whose errors differ by a normal number a row: the sign of its mean over the public rows."""
    rng = np.random.default_rng(7)
    difference = 0.2 + 2 * rng.normal(size=N)
    difference += 0.2 - difference.mean()
    least = difference.min()
    one, other = np.full(N, np.sqrt(9 - least)), np.sqrt(9 - least + difference)
    found = boards(one, other, target=np.zeros(N), n_public=100).compare(0, 1)
    wanted = [rng.choice(difference, 100).mean() < 0 for _ in range(2000)]
    assert found.difference == pytest.approx(-0.2)
    assert found.in_public == pytest.approx(np.mean(wanted), abs=0.06)


def test_comparisons_read_the_same_from_both_sides(target: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    found = boards(target + rng.normal(size=N), target + 1.1 * rng.normal(size=N), target=target)
    one, other = found.compare(0, 1), found.compare(1, 0)
    assert one.difference == -other.difference
    assert one.in_public == other.in_public


def test_the_hedge_is_another_kind_of_model_not_a_copy_nor_a_bad_one(target: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=N)
    best, copy = target + noise, target + 1.005 * noise
    other, bad = target + 1.02 * rng.normal(size=N), target + 3 * rng.normal(size=N)
    found = select(boards(best, copy, other, bad, target=target))
    assert {found.best, found.hedge} in ({0, 2}, {1, 2})
    assert found.gain > 0
    assert found.correlation < 0.8


def test_our_own_uncertainty_is_in_what_is_believed_and_grows_by_its_factor(target: np.ndarray) -> None:
    noise = np.random.default_rng(7).normal(size=(2, N))
    rows, oofs = pool(target, alternating(N, 5), METRIC, None, None), (target + noise)[:, None, :, None]
    plain, twice = (
        simulate(rows, oofs, [1.0, 1.0], n_public=100, n_private=200, seed=0, factor=factor) for factor in (1.0, 2.0)
    )
    assert twice.compare(0, 1).se == pytest.approx(2 * plain.compare(0, 1).se)
    np.testing.assert_allclose(
        twice.believed.var(axis=0), (twice.own.var(axis=0) + twice.private.var(axis=0)), rtol=0.15
    )


def test_a_public_part_too_small_for_the_metric_leaves_everything_else_as_it_is() -> None:
    """AUC of a single row has no value: who is ahead there is not known, and nothing else changes."""
    rng = np.random.default_rng(6)
    target = rng.integers(2, size=N)
    chances = [np.clip(0.5 + 0.2 * (target - 0.5) + 0.2 * rng.normal(size=N), 0, 1) for _ in range(2)]
    predictions = [np.stack([1 - chance, chance], axis=1) for chance in chances]
    few, many = (of_classes(predictions, target, n_public) for n_public in (1, 300))
    one, other = few.compare(0, 1), many.compare(0, 1)
    assert np.isnan(one.in_public)
    assert 0 < other.in_public < 1
    assert (one.difference, one.se) == (other.difference, other.se)
    assert one.se > 0
    assert select(few).best == select(many).best


def test_with_one_candidate_there_is_no_hedge(target: np.ndarray) -> None:
    found = select(boards(0 * target, target=target))
    assert (found.best, found.hedge, found.loss, found.gain) == (0, 0, 0.0, 0.0)


def test_the_best_of_many_equals_looks_better_than_it_is_by_what_the_largest_of_them_strays() -> None:
    rng = np.random.default_rng(5)
    own = rng.normal(size=(4000, 10))
    found = Leaderboards(np.zeros(10), own, own, own)
    assert found.choice_optimism == pytest.approx(1.54, abs=0.05)  # the mean of the largest of ten normal numbers
    assert Leaderboards(np.arange(10) * 100.0, own, own, own).choice_optimism == pytest.approx(0.0, abs=0.05)
