"""Test rows for which every fold's own predictions are kept: enough to tell what averaging them gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_ROWS = 1_000


def rows_apart(n_test: int) -> np.ndarray:
    """Return the positions of these test rows, evenly over the file."""
    return np.unique(np.linspace(0, n_test - 1, min(n_test, MOST_ROWS)).astype(np.int64))


def keep_apart(tests: Sequence[np.ndarray]) -> np.ndarray:
    """Return what `CrossFit.apart` holds, of each model's predictions (n_test, n_outputs)."""
    return np.stack([test[rows_apart(len(test))] for test in tests]).astype(np.float32)
