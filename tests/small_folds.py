"""Folds for tests: who validates which rows; of those that a fold trains on, every so many-th stops it."""

from __future__ import annotations

import numpy as np

from pipeline.types import STOP, TRAIN, VALID, Folds


def dealt(fold: np.ndarray, every: int = 8, kind: str = "kfold") -> Folds:
    """Return folds in which row i is validated by fold[i] (n,), in repeats (n_repeats, n); -1: by none."""
    fold = np.atleast_2d(fold)
    role = np.where(fold[:, None] == np.arange(fold.max() + 1)[:, None], VALID, TRAIN).astype(np.int8)
    for own in role.reshape(-1, fold.shape[1]):
        own[np.flatnonzero(own == TRAIN)[::every]] = STOP
    return Folds(role, kind)


def alternating(n_rows: int, n_folds: int = 4, every: int = 8, kind: str = "kfold") -> Folds:
    """Return folds that validate every n_folds-th row."""
    return dealt(np.arange(n_rows) % n_folds, every, kind)


def shuffled(n_rows: int, n_folds: int = 4, repeats: int = 1, uncovered: int = 0, every: int = 10) -> Folds:
    """Return repeats of shuffled folds of about the same size; the first `uncovered` rows are validated by none."""
    fold = np.full((repeats, n_rows), -1)
    for repeat, own in enumerate(fold):
        order = np.random.default_rng(repeat).permutation(np.arange(uncovered, n_rows))
        for number, rows in enumerate(np.array_split(order, n_folds)):
            own[rows] = number
    return dealt(fold, every)
