"""An entry without predictions: a trial that tuning passes over, and an error where it was asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.types import CrossFit, Folds, StopOn, Table


def unfit(table: Table, folds: Folds, stop_on: StopOn, failed: str, **more: Any) -> CrossFit:
    """Return an entry that is NaN throughout; failed: why, in words."""
    oof = np.full((folds.n_repeats, len(table.train), table.task.n_outputs), np.nan)
    test = np.full((len(table.test), table.task.n_outputs), np.nan)
    unknown = np.full((folds.n_repeats, folds.n_folds), np.nan)
    return CrossFit(oof, test, unknown, unknown, unknown, stop_on, failed=failed, **more)
