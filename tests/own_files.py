"""Writes an entry's predictions as somebody would who brings them from elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.types import VALID, CrossFit, Folds, Table


def write_own(folder: Path, entry: CrossFit, table: Table, folds: Folds) -> dict[str, Path]:
    """Write oof.csv (id, repeat, fold, outputs) and test.csv; return them by role."""
    outputs = list(table.task.classes or table.task.targets) or ["prediction"]
    repeat, row, fold = (folds.role.swapaxes(1, 2) == VALID).nonzero()
    oof = pd.DataFrame(entry.oof[repeat, row], columns=outputs)
    oof.insert(0, "id", table.train_ids[row])
    oof = oof.assign(repeat=repeat, fold=fold)
    test = pd.DataFrame(np.asarray(entry.test), columns=outputs)
    test.insert(0, "id", table.test_ids)
    files = {"oof": folder / "oof.csv", "test": folder / "test.csv"}
    for role, frame in (("oof", oof), ("test", test)):
        frame.to_csv(files[role], index=False)
    return files
