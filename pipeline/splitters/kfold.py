"""K folds of equal size, of shuffled rows or of contiguous blocks as in the d2l book; every row is used."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.splitters._rows import Rows, Split, from_folds


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shuffle: bool = Field(True, description="false: contiguous blocks, in the order of the file")


def most_folds(rows: Rows) -> int:
    """Return how many folds the rows allow."""
    return len(rows)


def split(rows: Rows, n_folds: int, seed: int, options: Options) -> list[Split]:
    """Return (train_rows, valid_rows) of each fold; fold sizes differ by one row at most."""
    fold = np.arange(len(rows)) * n_folds // len(rows)
    if options.shuffle:
        fold = np.random.default_rng(seed).permutation(fold)
    return from_folds(fold, n_folds)
