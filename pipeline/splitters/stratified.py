"""K folds with the same share of each class, or of each range of a numeric target."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.splitters._rows import Rows, Split, from_folds, strata


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n_bins: int = Field(10, ge=2, description="regression: how many equally filled ranges of the target")


def most_folds(rows: Rows) -> int:
    """Return how many folds the rows allow."""
    return len(rows)


def split(rows: Rows, n_folds: int, seed: int, options: Options) -> list[Split]:
    """Return (train_rows, valid_rows) of each fold.

    Rows are dealt out class by class, like cards: no fold has two rows more than another, of any class or
    in total, and a class with fewer rows than folds keeps them all.
    """
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    dealt = shuffled[np.argsort(strata(rows, options.n_bins)[shuffled], kind="stable")]
    fold = np.empty(len(rows), dtype=np.int64)
    fold[dealt] = np.arange(len(rows)) % n_folds
    return from_folds(fold, n_folds)
