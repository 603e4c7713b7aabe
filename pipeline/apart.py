"""Test rows for which every fold's own predictions are kept: enough to tell what averaging them gains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.sampling import drawn

MOST_ROWS = 1_000


def rows_apart(n_test: int) -> np.ndarray:
    """Return the positions of these test rows."""
    return drawn(n_test, MOST_ROWS)


def keep_apart(tests: Sequence[np.ndarray]) -> np.ndarray:
    """Return what `CrossFit.apart` holds, of each model's predictions (n_test, n_outputs)."""
    return np.stack([test[rows_apart(len(test))] for test in tests]).astype(np.float32)
