"""Averages of ranks: the order decides, new rows are placed among the known ones, a lone entry stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.blenders._ranks import average_ranks, fit_quantiles


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_a_lone_entry_comes_back_as_it_was(seed: int, n_classes: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    known = rng.normal(size=(400, 1, 1)) if n_classes == 1 else rng.dirichlet(np.ones(n_classes), (400, 1))
    known = np.round(known, 1) if coarse and n_classes < 3 else known
    back = average_ranks(known, np.ones(1), fit_quantiles(known))
    np.testing.assert_allclose(back, known[:, 0], atol=1e-9)


def test_how_far_an_entry_puts_its_rows_apart_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(size=(1000, 2, 1))
    stretched = known.copy()
    stretched[:, 0] = np.exp(3 * known[:, 0])
    plain, other = (average_ranks(x, np.full(2, 0.5), fit_quantiles(x))[:, 0] for x in (known, stretched))
    assert spearmanr(plain, other).statistic > 0.9999
    assert spearmanr(known.mean(axis=1)[:, 0], stretched.mean(axis=1)[:, 0]).statistic < 0.9


def test_a_row_beyond_all_known_ones_has_the_rank_of_the_last() -> None:
    known = np.arange(100.0)[:, None, None]
    found = average_ranks(np.array([-50.0, 500.0])[:, None, None], np.ones(1), fit_quantiles(known))
    assert found[:, 0].tolist() == pytest.approx([0.0, 99.0])


def test_rows_that_share_a_value_share_the_middle_of_their_ranks() -> None:
    tied = np.repeat([0.0, 1.0], 200)
    rng = np.random.default_rng(0)
    fine = rng.permutation(np.linspace(0, 1, 400))
    known = np.stack([tied, fine], axis=1)[:, :, None]
    found = average_ranks(known, np.full(2, 0.5), fit_quantiles(known))[:, 0]
    assert spearmanr(found[tied == 0], fine[tied == 0]).statistic == pytest.approx(1.0)
