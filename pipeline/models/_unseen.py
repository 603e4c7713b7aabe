"""Classes that a fold's rows lack: libraries give them next to no probability, which log loss makes dear."""

from __future__ import annotations

import numpy as np


def of_unseen(y: np.ndarray, weight: np.ndarray | None, n_classes: int) -> tuple[float, ...]:
    """Return for each class that codes y (n,) lack its share with one row more of each (Laplace), and 0 for others.

    A class whose rows weigh nothing is lacking. Of values, where n_classes is 0, nothing is returned.
    """
    counts = np.bincount(y, weight, minlength=n_classes) if n_classes else np.empty(0)
    return tuple(np.where(counts > 0, 0.0, 1 / (len(y) + n_classes)).tolist())


def to_shares(found: np.ndarray, unseen: tuple[float, ...]) -> np.ndarray:
    """Return probabilities (n, n_classes) that sum to one, unseen classes with no less than their share."""
    found = found / found.sum(axis=1, keepdims=True)  # float32 sums to one only nearly
    return np.asarray(found * (1 - sum(unseen)) + np.array(unseen)) if any(unseen) else np.asarray(found)
