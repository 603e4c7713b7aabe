"""What prices take for granted, which are told the rows of train and no folds: that there are five, not of time."""

from __future__ import annotations


def rows_of_a_fold(n_train: int) -> int:
    """Return how many rows a fold trains on."""
    return round(0.8 * n_train)
