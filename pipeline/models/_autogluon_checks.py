"""Whether what AutoGluon predicts out-of-fold is row by row, class by class and fold by fold what we asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor

from pipeline.errors import ModelError
from pipeline.types import Table

Split = tuple[np.ndarray, np.ndarray]
"""Positions of a fold's training rows, and of those that it validates."""

BAG = "_BAG_L1"
"""How AutoGluon ends the name of a base model that has a model of its own for every fold."""

CHECKED_ROWS = 300
"""Of every fold, that its own model is asked again for."""

AGREEING = 0.9
"""Share of predictions that must be repeated: nearest neighbours at equal distance depend on the batch."""


def check_classes(predictor: TabularPredictor, target: pd.Series) -> None:
    """Refuse a predictor that has dropped a class."""
    given, kept = sorted(target.unique().tolist()), sorted(predictor.class_labels)
    if kept != given:
        raise ModelError(f"AutoGluon kept {len(kept)} of {len(given)} classes: {kept} of {given}")


def check_rows(
    name: str, oof: pd.DataFrame, test: pd.DataFrame, rows: pd.DataFrame, table: Table, splits: list[Split]
) -> None:
    """Refuse predictions that are not row by row ours: AutoGluon must neither drop, double, move nor skip a row."""
    if not oof.index.equals(rows.index) or not test.index.equals(table.test.index):
        raise ModelError(
            f"AutoGluon's {name} returned {len(oof)} train and {len(test)} test rows that are not the "
            f"{len(rows)} and {len(table.test)} rows it was given",
            hint="leave this model out of `models`",
        )
    covered = np.zeros(len(oof), dtype=bool)
    covered[np.concatenate([valid for _, valid in splits])] = True
    if (oof.notna().all(axis=1).to_numpy() != covered).any():
        raise ModelError(f"AutoGluon's {name} predicted other rows out-of-fold than those that the folds validate")


def check_folds(
    name: str, predictor: TabularPredictor, oof: pd.DataFrame, rows: pd.DataFrame, splits: list[Split]
) -> None:
    """Ask every fold's own model for its validation rows: its answers must be the out-of-fold predictions."""
    bag = predictor._trainer.load_model(name)
    for fold, (_, valid) in enumerate(splits):
        positions = valid[:CHECKED_ROWS]
        child = bag.load_child(bag.models[fold])
        answers = answers_of(child, predictor.transform_features(rows.iloc[positions]))
        found = oof.iloc[positions].to_numpy(float)
        agreeing = float(np.isclose(found, answers, rtol=1e-3, atol=1e-5).mean())
        if agreeing < AGREEING:
            raise ModelError(
                f"AutoGluon's {name} was not fitted on our folds: its model of fold {fold} repeats only "
                f"{agreeing:.0%} of the out-of-fold predictions of the rows that this fold validates",
                hint="leave this model out of `models`",
            )


def answers_of(child: Any, rows: pd.DataFrame) -> np.ndarray:
    """Return values (n, 1) or probabilities (n, n_classes) of one fold's model, for rows in its own features."""
    answers = np.asarray(child.predict_proba(rows), dtype=float)
    if answers.ndim == 2:
        return answers
    return answers[:, None] if child.problem_type == "regression" else np.column_stack([1 - answers, answers])
