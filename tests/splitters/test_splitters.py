"""What each splitter promises beyond the contract of all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.splitters import group, kfold, stratified, stratified_group, time
from pipeline.splitters._rows import Rows


def valid_of(splits) -> list[np.ndarray]:
    return [valid for _, valid in splits]


def test_unshuffled_folds_are_contiguous_blocks_of_all_rows():
    blocks = valid_of(kfold.split(Rows(np.zeros(1460)), 5, 0, kfold.Options(shuffle=False)))
    np.testing.assert_array_equal(np.concatenate(blocks), np.arange(1460))
    assert {len(block) for block in blocks} == {292}


@given(n=st.integers(2, 60), data=st.data())
def test_fold_sizes_differ_by_one_row_at_most(n, data):
    n_folds = data.draw(st.integers(2, n))
    sizes = [len(valid) for valid in valid_of(kfold.split(Rows(np.zeros(n)), n_folds, 1, kfold.Options()))]
    assert max(sizes) - min(sizes) <= 1


@settings(deadline=None)
@given(counts=st.lists(st.integers(1, 40), min_size=2, max_size=6), n_folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_stratified_deals_every_class_evenly_and_loses_no_rare_row(counts, n_folds, seed):
    target = np.repeat(np.arange(len(counts)), counts)
    if len(target) < n_folds:
        return
    rows = Rows(np.random.default_rng(seed).permutation(target), len(counts))
    valid = valid_of(stratified.split(rows, n_folds, seed, stratified.Options()))
    held = np.stack([np.bincount(rows.target[part], minlength=len(counts)) for part in valid])
    np.testing.assert_array_equal(held.sum(axis=0), counts)
    assert (held.max(axis=0) - held.min(axis=0)).max() <= 1
    assert held.sum(axis=1).max() - held.sum(axis=1).min() <= 1


def test_stratified_regression_gives_folds_of_more_equal_means_than_chance():
    rows = Rows(np.random.default_rng(0).lognormal(sigma=1.5, size=500))
    spread = {
        splitter: np.mean(
            [
                np.std([rows.target[v].mean() for v in valid_of(splitter.split(rows, 5, s, splitter.Options()))])
                for s in range(20)
            ]
        )
        for splitter in (kfold, stratified)
    }
    assert spread[stratified] < 0.8 * spread[kfold]


def test_groups_fill_folds_evenly():
    rng = np.random.default_rng(3)
    rows = Rows(rng.integers(0, 2, 3_000), 2, groups=rng.integers(0, 200, 3_000).astype(str))
    sizes = [len(valid) for valid in valid_of(group.split(rows, 5, 0, group.Options()))]
    assert max(sizes) - min(sizes) < 40


def test_stratified_groups_keep_the_share_of_a_rare_class():
    rng = np.random.default_rng(4)
    groups = rng.integers(0, 300, 3_000)
    target = ((groups % 10 == 0) & (rng.random(3_000) < 0.8)).astype(int)
    rows = Rows(target, 2, groups=groups)
    plain, balanced = (
        np.std([target[valid].mean() for valid in valid_of(splitter.split(rows, 5, 0, splitter.Options()))])
        for splitter in (group, stratified_group)
    )
    assert balanced < 0.5 * plain


def test_time_cuts_between_moments_even_when_one_moment_holds_most_rows():
    moments = np.repeat([1.0, 2.0, 3.0, 4.0], [2, 90, 3, 5])
    splits = time.split(Rows(np.zeros(100), time=moments), 3, 0, time.Options())
    assert [set(moments[valid]) for _, valid in splits] == [{2.0}, {3.0}, {4.0}]
    assert [len(train) for train, _ in splits] == [2, 92, 95]


def test_a_gap_leaves_out_the_days_before_validation():
    days = np.arange(100.0)
    for train, valid in time.split(Rows(np.zeros(100), time=days), 4, 0, time.Options(gap=7)):
        assert days[train].max() == days[valid].min() - 8


@pytest.mark.parametrize(("splitter", "word"), [(group, "group"), (stratified_group, "group"), (time, "time")])
def test_a_missing_column_is_said_with_what_to_do(splitter, word):
    with pytest.raises(ConfigError, match=f"names no {word} column") as caught:
        splitter.most_folds(Rows(np.zeros(10)))
    assert "competition.toml" in caught.value.hint
