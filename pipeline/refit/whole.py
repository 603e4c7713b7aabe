"""A fold of all rows: what it trains on is everything, what it validates is nothing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from pipeline.splitters._rows import Rows
from pipeline.stages.split import stop_rows
from pipeline.types import STOP, TRAIN, Folds


def whole_fold(folds: Folds, rows: Rows, splitter: ModuleType, options: Any, seed: int) -> Folds:
    """Return one fold that trains on all rows and validates none.

    Inside of it choices are made as in an ordinary fold: an eighth of the rows stop, and the folds of the first repeat
    are the parts that judge.
    """
    role = np.full((1, 1, len(rows)), TRAIN, dtype=np.int8)
    role[0, 0, stop_rows(splitter, rows, seed, options)] = STOP
    return Folds(role, folds.kind, folds.valid_fold[:1])
