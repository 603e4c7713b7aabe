"""What a choice may look at: rows of one part are left out together, with all of their repeats."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.blenders._seen import PARTS, Seen
from pipeline.metrics import rmse
from pipeline.types import Metric


def repeated(n_rows: int, n_repeats: int, part: np.ndarray) -> Seen:
    rng = np.random.default_rng(0)
    row = np.tile(np.arange(n_rows), n_repeats)
    oof = rng.normal(size=(len(row), 4, 1))
    return Seen.of(oof, rng.normal(size=n_rows)[row], Metric.from_module(rmse), part[row], row)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_row_is_left_out_with_all_of_its_repeats(n_parts: int) -> None:
    """With two folds the rows that may be seen are all of one, so that they are dealt into parts."""
    seen = repeated(60, 5, np.arange(60) % n_parts)
    if n_parts == 2:  # as `chosen` asks for, with three folds
        seen = seen.without(0)
    assert len(seen.grams) == PARTS
    for number in range(PARTS):
        assert not set(seen.row[seen.part == number]) & set(seen.without(number).row)
