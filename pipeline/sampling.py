"""Some of many rows."""

from __future__ import annotations

import numpy as np


def drawn(n_rows: int, most: int) -> np.ndarray:
    """Return the positions, in order, of all rows, or of at most so many, each as likely as any other.

    They are drawn: every second row would all be of one class where rows of two classes alternate.
    """
    if n_rows <= most:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).choice(n_rows, most, replace=False, shuffle=False))
