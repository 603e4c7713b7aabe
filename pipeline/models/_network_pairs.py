"""Networks of pairs of folds: each leaves out two folds, and chooses for the one on the rows of the other.

A fold's prediction must come from a network that saw no label of the fold, and rows of another fold choose its epoch as
well as rows set aside inside. So a network trained on what is outside the folds i and j serves both: as it was when j's
rows liked it best it predicts i, as it was when i's rows did it predicts j. Nothing is trained twice, once to find the
epoch and again up to it, and every fold has the mean of two networks for each one that is trained in its name.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from pipeline.models._network_fold import Cut, Key
from pipeline.seeds import derive
from pipeline.types import STOP, TRAIN, VALID, Folds

FEWEST_FOLDS = 5
"""With four, half of the rows are left to learn from; with five three fifths, beside four with one fold left out."""


def suit(folds: Folds) -> bool:
    """Say whether folds can be paired: enough of them, and what trains in one trains in all others, or is validated.

    Folds of which several validate together leave out two already (pipeline/nested/pairs.py).
    """
    if folds.kind == "time" or folds.part is not None or folds.n_folds < FEWEST_FOLDS:
        return False
    trains, valid = np.isin(folds.role, (TRAIN, STOP)), folds.role == VALID
    return all(
        not (trains[r, i] & ~trains[r, j] & ~valid[r, j]).any() and (trains[r, i] & valid[r, j]).any()
        for r in range(folds.n_repeats)
        for i, j in permutations(range(folds.n_folds), 2)
    )


def stops(folds: Folds, key: Key) -> list[np.ndarray]:
    """Return the rows that choose for the first fold of a pair, and those that choose for the second.

    They are those that the other validates, and that the fold itself may train on.
    """
    repeat, one, other = key
    return [
        np.intersect1d(folds.valid_rows(repeat, judging), folds.train_rows(repeat, judged))
        for judged, judging in ((one, other), (other, one))
    ]


def n_different(folds: Folds, n_seeds: int) -> int:
    """Return by how many different distances folds are paired, if each is to have so many networks trained."""
    return min(n_seeds, folds.n_folds // 2)


def pairs(folds: Folds, number: int) -> list[Key]:
    """Return (repeat, fold, other fold) of every fold's network of this number: the other is 1, 2, ... folds on."""
    distance = 1 + number % (folds.n_folds // 2)
    return [(repeat, fold, (fold + distance) % folds.n_folds) for repeat, fold in folds]


def cut(folds: Folds, key: Key, seed: int) -> Cut:
    """Return the rows outside both folds of a pair, and those that the first of them validates."""
    repeat, one, other = key
    rows = np.intersect1d(folds.train_rows(repeat, one), folds.train_rows(repeat, other))
    return Cut(rows, folds.valid_rows(repeat, one), derive(seed, "encode", *key))
