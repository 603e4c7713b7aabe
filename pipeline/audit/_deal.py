"""Targets dealt out anew within their proper blocks: what hangs together changes place as a whole."""

from __future__ import annotations

import numpy as np


def movable(groups: np.ndarray | None) -> float:
    """Return the share of rows that can change places: those of groups of whose size there are several."""
    if groups is None:
        return 1.0
    size = np.unique(groups, return_counts=True)[1]
    several = np.bincount(size)[size] > 1
    return float(size[several].sum() / size.sum())


def deal(n_rows: int, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return positions (n,) in a random order; groups only change places with groups of their size, as a whole."""
    order = rng.permutation(n_rows)
    if groups is None:
        return order
    _, code, size = np.unique(groups, return_inverse=True, return_counts=True)
    order = order[np.argsort(code[order], kind="stable")]
    dealt = np.empty(n_rows, dtype=np.int64)
    for one in np.unique(size):
        members = order[size[code[order]] == one].reshape(-1, one)
        dealt[members] = members[rng.permutation(len(members))]
    return dealt
