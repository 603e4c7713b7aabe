"""K folds that never cut a group and keep the shares of classes (or of target ranges) as equal as groups allow."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.splitters._rows import Rows, Split, big_groups_first, codes_of_groups, from_folds, strata


class Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n_bins: int = Field(5, ge=2, description="regression: how many equally filled ranges of the target")


def most_folds(rows: Rows) -> int:
    """Return how many folds the rows allow: as many as there are groups."""
    return int(codes_of_groups(rows).max()) + 1


def split(rows: Rows, n_folds: int, seed: int, options: Options) -> list[Split]:
    """Return (train_rows, valid_rows) of each fold.

    Each group, big ones first, goes where it adds least to the sum over folds and classes of squared shares
    (the row total counts as one more class): the greedy form of the objective of scikit-learn's
    StratifiedGroupKFold. To an empty fold a group adds least, so that none stays without rows.
    """
    codes, stratum = codes_of_groups(rows), strata(rows, options.n_bins)
    held = np.zeros((codes.max() + 1, stratum.max() + 2))
    np.add.at(held, (codes, stratum), 1.0)
    held[:, -1] = held.sum(axis=1)
    sizes, total = held[:, -1].copy(), np.maximum(held.sum(axis=0), 1.0)
    fold_of_group = np.empty(len(held), dtype=np.int64)
    filled = np.zeros((n_folds, held.shape[1]))
    for group in big_groups_first(sizes, seed):
        fold = int((filled @ (held[group] / total**2)).argmin())
        fold_of_group[group] = fold
        filled[fold] += held[group]
    return from_folds(fold_of_group[codes], n_folds)
