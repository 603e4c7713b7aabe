"""K folds that never cut a group: all rows of a group validate together."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from pipeline.splitters._rows import Rows, Split, big_groups_first, codes_of_groups, from_folds


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def most_folds(rows: Rows) -> int:
    """Return how many folds the rows allow: as many as there are groups."""
    return int(codes_of_groups(rows).max()) + 1


def split(rows: Rows, n_folds: int, seed: int, options: Options) -> list[Split]:  # noqa: ARG001
    """Return (train_rows, valid_rows) of each fold; big groups first, each group goes to the smallest fold."""
    codes = codes_of_groups(rows)
    sizes = np.bincount(codes)
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for group in big_groups_first(sizes, seed):
        fold_of_group[group] = filled.argmin()
        filled[fold_of_group[group]] += sizes[group]
    return from_folds(fold_of_group[codes], n_folds)
