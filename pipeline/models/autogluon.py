"""AutoGluon on our folds: every base model an entry of its own, and its own weighted ensemble as a reference.

Its bagged children stop on the fold's validation rows and its feature generator sees all rows, which flatters
it a little: the entries say stop_on = "fold". All of it runs on the CPU, without a clock and with fixed seeds, so
that the same bytes come out again; RMSLE is trained as RMSE of log(1 + target), whose predictions are turned back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.seeds import derive

if TYPE_CHECKING:
    from pipeline.models._autogluon_fit import Fit
    from pipeline.types import CrossFit, Folds, Log, Table

LIBRARIES = ("autogluon.tabular", "lightgbm", "catboost", "xgboost", "scikit-learn", "torch")
SHARE = 2.0

Family = Literal["GBM", "CAT", "XGB", "RF", "XT", "LR", "KNN", "NN_TORCH"]

DEFAULT: dict[Family, list[dict[str, Any]]] = {"GBM": [{}]}


class Recipe(BaseModel):
    """Which of AutoGluon's models are fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[Family, list[dict[str, Any]]] = Field(
        DEFAULT, min_length=1, description="configurations of each family, in AutoGluon's own words"
    )


def cross_fit(recipes: Mapping[str, Recipe], table: Table, folds: Folds, *, seed: int, log: Log) -> dict[str, CrossFit]:
    """Fit one predictor a recipe and repeat; return `<recipe>/<model>` for each base model, and `<recipe>`.

    `<recipe>` is AutoGluon's weighted ensemble: its weights have seen the rows that its out-of-fold
    predictions are scored on, so it is a reference and never blended. A model that failed in one repeat is
    left out with a warning. Raises ModelError where predictions cannot be matched with our rows.
    """
    entries = {}
    for name, recipe in recipes.items():
        repeats = [_fit(recipe, table, folds, repeat, derive(seed, repeat), log) for repeat in range(folds.n_repeats)]
        for model in sorted(set.intersection(*(set(fits) for fits in repeats))):
            entry = _entry([fits[model] for fits in repeats], table, folds, reference=_is_ensemble(model))
            entries[name if entry.reference else f"{name}/{model.removesuffix('_BAG_L1')}"] = entry
            score = table.task.metric.as_score(float(entry.fold_errors.mean()))
            log.info(f"{name}/{model}: {table.task.metric.name} {score:.5f} in {entry.seconds:.0f} s")
    return entries


def _fit(recipe: Recipe, table: Table, folds: Folds, repeat: int, seed: int, log: Log) -> dict[str, Fit]:
    from pipeline.models._autogluon_fit import fit_repeat

    return fit_repeat(table, folds, repeat, recipe.models, seed, log)


def _is_ensemble(model: str) -> bool:
    return model.startswith("WeightedEnsemble")


def _entry(fits: list[Fit], table: Table, folds: Folds, *, reference: bool) -> CrossFit:
    from pipeline.types import CrossFit

    oof = np.stack([fit.oof for fit in fits])
    errors = np.full((folds.n_repeats, folds.n_folds), np.nan)
    for repeat, fold in folds:
        rows = folds.valid_rows(repeat, fold)
        errors[repeat, fold] = table.task.metric.error(table.target[rows], oof[repeat, rows])
    unknown = np.full_like(errors, np.nan)
    test = np.mean([fit.test for fit in fits], axis=0)
    seconds = sum(fit.seconds for fit in fits)
    return CrossFit(oof, test, errors, unknown, unknown, "fold", seconds, reference)
