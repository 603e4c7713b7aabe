"""AutoGluon's out-of-fold rows are what its own fold models say of them, asked by us, in their libraries' own words.

Nothing of AutoGluon's way of putting folds together is used: the model of a fold is taken out of what was kept, is
asked for the rows that this fold validates, and its answers are written to where our folds say they belong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from autogluon.tabular import TabularPredictor
from small_autogluon import CHEAP, GBM, cross_fit, folds_of, learnable, table_of

from pipeline.errors import ModelError
from pipeline.metrics import auc, log_loss, rmse, rmsle
from pipeline.models import autogluon
from pipeline.stages.train import save_fitted
from pipeline.types import CrossFit, Folds, Table

FAMILIES = ("LightGBM", "CatBoost", "RandomForest")
RARE, N_RARE = 2, 5


@dataclass(frozen=True)
class Case:
    """A table and folds, what came out, and what the fold models say: rebuilt (n_repeats, n, n_outputs) by family."""

    table: Table
    folds: Folds
    entries: Mapping[str, CrossFit]
    rebuilt: Mapping[str, np.ndarray]


def native(child: Any, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Ask LightGBM, CatBoost or scikit-learn itself; return answers (n, n_columns) and the class of each column."""
    X = child.preprocess(rows)
    if child.problem_type == "regression":
        return np.asarray(child.model.predict(X), float)[:, None], np.arange(1)
    if hasattr(child.model, "predict_proba"):
        return np.asarray(child.model.predict_proba(X), float), np.asarray(child.model.classes_, int)
    found = np.asarray(child.model.predict(X), float)
    found = np.column_stack([1 - found, found]) if found.ndim == 1 else found
    return found, np.arange(found.shape[1])


def rebuild(fit: Any, table: Table, folds: Folds, repeat: int) -> np.ndarray:
    """Return the out-of-fold predictions (n, n_outputs) of one repeat, from its fold models."""
    bag = fit.predictor._trainer.load_model(fit.models[fit.part])
    oof = np.full((len(table.train), table.task.n_outputs), np.nan)
    labels = fit.predictor.class_labels_internal_map or {0: 0}
    codes = {internal: ours for ours, internal in labels.items()}
    for fold in range(folds.n_folds):
        rows = folds.valid_rows(repeat, fold)
        X = fit.predictor.transform_features(fit.form.rows(table.train.iloc[rows]))
        found, columns = native(bag.load_child(bag.models[fold]), X)
        oof[rows] = 0.0
        for place, column in enumerate(columns):
            oof[rows, codes[column]] = found[:, place]
    return np.expm1(oof) if table.task.metric.name == "rmsle" else oof


def case_of(table: Table, folds: Folds, models: dict[str, Any]) -> Case:
    entries = cross_fit(table, folds, models)
    with TemporaryDirectory() as kept:
        save_fitted(entries, Path(kept))
        rebuilt = {}
        for family in FAMILIES:
            fits = [autogluon.load(Path(kept) / str(repeat), family) for repeat in range(folds.n_repeats)]
            rebuilt[family] = np.stack([rebuild(fit, table, folds, repeat) for repeat, fit in enumerate(fits)])
    return Case(table, folds, entries, rebuilt)


def rare_target(n_rows: int) -> np.ndarray:
    """Three classes that can be learnt, one of them in five rows."""
    target = (learnable(n_rows) > 150).astype(np.int64)
    target[np.random.default_rng(7).permutation(n_rows)[:N_RARE]] = RARE
    return target


def with_repeats() -> tuple[Table, Folds]:
    return table_of(learnable(120), rmsle), folds_of(np.arange(120), repeats=2)


def with_a_class_of_five_rows() -> tuple[Table, Folds]:
    """Two of the five rows share a fold, so that every fold trains on some of them."""
    return table_of(rare_target(120), log_loss, n_classes=3), folds_of(np.arange(120), n_folds=4)


def with_a_rare_class_in_one_fold() -> tuple[Table, Folds]:
    """All five rows are one group, so that the fold that validates them has never seen their class."""
    target = rare_target(120)
    groups = np.where(target == RARE, 0, 1 + np.arange(120) // 4)
    return table_of(target, log_loss, n_classes=3), folds_of(groups)


def with_groups() -> tuple[Table, Folds]:
    """Groups of one to nine rows, scattered over the table."""
    rng = np.random.default_rng(1)
    groups = rng.permutation(np.repeat(np.arange(24), 1 + np.arange(24) % 9))
    return table_of((learnable(len(groups)) > 150).astype(np.int64), auc, n_classes=2), folds_of(groups)


CASES: Mapping[str, Callable[[], tuple[Table, Folds]]] = {
    "repeats": with_repeats,
    "a class of five rows": with_a_class_of_five_rows,
    "a rare class in one fold": with_a_rare_class_in_one_fold,
    "groups": with_groups,
}


@cache
def fitted(name: str) -> Case:
    """One of the cases, fitted once."""
    return case_of(*CASES[name](), CHEAP)


def check_aligned(case: Case, family: str, oof: np.ndarray) -> None:
    np.testing.assert_allclose(oof, case.rebuilt[family], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("family", FAMILIES)
def test_out_of_fold_rows_are_what_the_fold_models_say(name: str, family: str) -> None:
    case = fitted(name)
    check_aligned(case, family, case.entries[f"ag/{family}"].oof)


def shuffled_in_a_fold(oof: np.ndarray) -> np.ndarray:
    rows, harmed = fitted("groups").folds.valid_rows(0, 1), oof.copy()
    harmed[0, rows] = oof[0, np.random.default_rng(0).permutation(rows)]
    return harmed


HARMS: Mapping[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "rows shifted by one": ("groups", lambda oof: np.roll(oof, 1, axis=1)),
    "rows of one fold shuffled": ("groups", shuffled_in_a_fold),
    "repeats exchanged": ("repeats", lambda oof: oof[::-1]),
    "a repeat twice": ("repeats", lambda oof: oof[[0, 0]]),
    "the rare class dropped": ("a class of five rows", lambda oof: oof * (np.arange(3) != RARE)),
    "classes exchanged": ("a class of five rows", lambda oof: oof[:, :, [0, 2, 1]]),
}


@pytest.mark.parametrize("name", HARMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_aligned_is_noticed(name: str, family: str) -> None:
    """The test above can fail."""
    of, harm = HARMS[name]
    case = fitted(of)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_aligned(case, family, harm(case.entries[f"ag/{family}"].oof))


def test_shifted_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose rows are not where they belong does not come out of a fit, whoever moved them."""
    ask = TabularPredictor.predict_oof

    def shifted(predictor: TabularPredictor, model: str) -> pd.Series:
        found = ask(predictor, model)
        return pd.Series(np.roll(found, 1), found.index)

    monkeypatch.setattr(TabularPredictor, "predict_oof", shifted)
    with pytest.raises(ModelError, match="was not fitted on our folds"):
        cross_fit(table_of(learnable(60), rmse), folds_of(np.arange(60)), GBM)


def test_a_dropped_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TabularPredictor, "class_labels", property(lambda _: [0, 1]))
    with pytest.raises(ModelError, match=r"kept 2 of 3 classes: \[0, 1\] of \[0, 1, 2\]"):
        cross_fit(table_of(rare_target(60), log_loss, n_classes=3), folds_of(np.arange(60)), GBM)


@pytest.mark.slow
def test_default_models_are_aligned_on_repeated_folds_by_group_with_a_rare_class() -> None:
    """All at once, with the configurations that users get."""
    target, groups = rare_target(300), np.random.default_rng(1).integers(60, size=300)
    models = {"GBM": autogluon.DEFAULT["GBM"], "CAT": autogluon.DEFAULT["CAT"], "RF": [{}]}
    case = case_of(table_of(target, log_loss, n_classes=3), folds_of(groups, n_folds=5, repeats=2), models)
    for family in FAMILIES:
        check_aligned(case, family, case.entries[f"ag/{family}"].oof)
