"""Batches and dropout noise: every row once an epoch, and each member draws for itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import batches


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 20), st.integers(0, 5))
def test_every_row_is_visited_once_an_epoch(sizes: list[int], batch_size: int, epoch: int) -> None:
    sizes = sorted(sizes, reverse=True)
    plan = batches.plan_epoch(range(len(sizes)), np.array(sizes), batch_size, epoch)
    assert plan.counts.sum(axis=0).tolist() == sizes
    for order, n in zip(plan.order, sizes, strict=True):
        assert sorted(order[:n]) == list(range(n))
    assert (np.diff(plan.active) <= 0).all()


def noise_of(seeds: list[int], sizes: list[int], *cuts: int) -> np.ndarray:
    """All noise of an epoch in batches of 16, drawn in one go, or up to each of these steps in turn."""
    plan = batches.plan_epoch(seeds, np.array(sizes), 16, 0)
    bounds = [0, *cuts, len(plan.counts)]
    parts = [batches.draw_noise(plan, slice(*pair), 20) for pair in pairwise(bounds)]
    whole = np.zeros((len(seeds), 16 * len(plan.counts), 20), dtype=np.uint8)
    for begin, part in zip(bounds, parts, strict=False):
        whole[: len(part), 16 * begin : 16 * begin + part.shape[1]] = part
    return whole


def test_dropout_noise_is_a_members_own_and_even() -> None:
    together, alone = noise_of([7, 8], [64, 50]), noise_of([8], [50])
    np.testing.assert_array_equal(together[1], alone[0])
    assert not together[1, 50:].any()
    assert abs(float(noise_of([1], [64]).mean()) - 127.5) < 6


@given(st.lists(st.integers(1, 4), max_size=4, unique=True).map(sorted))
def test_dropout_noise_does_not_depend_on_how_many_steps_are_prepared_at_once(cuts: list[int]) -> None:
    np.testing.assert_array_equal(noise_of([7, 8], [75, 30], *cuts), noise_of([7, 8], [75, 30]))
