"""Rows that stand for many are like them, in whatever order these lie."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.sampling import drawn


@pytest.mark.parametrize("n_rows", [0, 1, 7, 1_000])
def test_few_rows_are_all_taken(n_rows: int) -> None:
    np.testing.assert_array_equal(drawn(n_rows, 1_000), np.arange(n_rows))


@pytest.mark.parametrize("n_rows", [1_001, 2_000, 3_000, 10_007])
def test_of_many_rows_as_many_as_asked_for_are_taken_once_and_in_order(n_rows: int) -> None:
    rows = drawn(n_rows, 1_000)
    assert len(rows) == 1_000
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < n_rows


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8, 10])
def test_rows_that_come_in_turns_are_all_among_them(period: int) -> None:
    for n_rows in (2_000, 3_000, 5_000, 10_000):
        shares = np.bincount(drawn(n_rows, 1_000) % period, minlength=period) / 1_000
        np.testing.assert_allclose(shares, 1 / period, atol=0.06)
