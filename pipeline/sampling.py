"""Some of many rows."""

from __future__ import annotations

import numpy as np


def evenly(n_rows: int, most: int) -> np.ndarray:
    """Return the positions of all rows, or of at most so many, evenly over the file."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.int64))
