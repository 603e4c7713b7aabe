"""What is LightGBM's alone: thresholds by chance."""

from __future__ import annotations

import numpy as np
from heard import Heard
from model_cases import table
from small_folds import alternating

from pipeline.models import lightgbm
from pipeline.types import CrossFit

DATA = table("regression")
FOLDS = alternating(len(DATA.target), 3)


def fit(**settings: object) -> CrossFit:
    recipe = lightgbm.Recipe(rounds=40, lr=0.2, min_rows=3, stop_on="none", **settings)  # type: ignore[arg-type]
    return lightgbm.cross_fit({"a": recipe}, DATA, FOLDS, seed=0, log=Heard())["a"]


def train_error(entry: CrossFit) -> float:
    rows = FOLDS.train_rows(0, 0)
    return DATA.task.metric.error(DATA.target[rows], entry.fitted[0, 0].predict(DATA.train.iloc[rows]))


def test_extra_trees_know_train_less_well_and_the_rest_as_well() -> None:
    plain, extra = fit(), fit(extra_trees=True)
    assert train_error(extra) > 1.2 * train_error(plain)
    assert extra.fold_errors.mean() < 1.3 * plain.fold_errors.mean()
    np.testing.assert_array_equal(fit(extra_trees=True).oof, extra.oof)
