"""H2O's AutoML on our folds: every model that it fits is an entry. An extra, which needs the package h2o and Java.

Its models stop on the fold's validation rows, as AutoGluon's do, so the entries say stop_on = "fold". They are not kept
to predict new rows: H2O's free edition does not write them in a format that anything else reads. RMSLE is trained as
RMSE of log(1 + target), whose predictions are turned back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.entries import UNWEIGHED
from pipeline.seeds import derive
from pipeline.spread import Spread, in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.log import Log
    from pipeline.models._h2o_fit import Fit
    from pipeline.types import CrossFit, Folds, Table

SHARE = 1.0
TARGETS = "one"

A_FIT, A_CELL = 1.5, 2e-5
"""Seconds of a fit and of a cell that it reads: a rough mean over algorithms, within a factor of three or so."""

NOT_REFITTED = "what predicts the test rows is an H2O model of all rows already"


class Recipe(BaseModel):
    """How many models AutoML fits, and of which kinds; none that would come out differently the next time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_models: int = Field(8, ge=1, description="models that AutoML fits, in its own order")
    algorithms: list[Literal["GBM", "DRF", "GLM", "XGBoost"]] = Field(
        ["GBM", "DRF", "GLM"], min_length=1, description="H2O's algorithms that it chooses from; DRF: random forests"
    )
    memory: float = Field(4.0, gt=0, allow_inf_nan=False, description="GB that Java may take")


def affordable(
    recipe: Recipe, minutes: float, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int
) -> Recipe:
    """Return the recipe with as many models as so many minutes on two cores allow, at least one."""
    size = {"n_train": n_train, "n_test": n_test, "n_columns": n_columns, "n_outputs": n_outputs, "n_fits": n_fits}
    a_model = seconds(recipe.model_copy(update={"n_models": 1}), **size)
    return recipe.model_copy(update={"n_models": max(1, min(recipe.n_models, int(60 * minutes / a_model)))})


def seconds(recipe: Recipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what the cross-fits of all models take on two cores."""
    del n_test
    a_fit = A_FIT + A_CELL * n_train * n_columns * (n_outputs if n_outputs > 2 else 1)
    return recipe.n_models * n_fits * a_fit


def cross_fit(
    recipes: Mapping[str, Recipe],
    table: Table,
    folds: Folds,
    *,
    seed: int,
    log: Log,
    progress: Path | None = None,  # noqa: ARG001 - a killed run fits a repeat again
    spread: Spread = in_turn,
) -> dict[str, CrossFit]:
    """Run AutoML once a recipe and repeat; return `<recipe>/<model>` for each model that came out of every repeat.

    Raises ModelError where H2O or Java is missing, and where a fold does not train on all rows that it does not
    validate, which H2O's folds do.
    """
    entries = {}
    for name, recipe in recipes.items():
        with log.progress(f"{name}: H2O", folds.n_repeats) as bar:
            repeats: list[dict[str, Fit]] = []
            for fits in spread(_fit, (recipe, table, folds, seed), range(folds.n_repeats), log):
                repeats.append(fits)
                bar.advance(1)
        for part in sorted(set.intersection(*map(set, repeats))):
            entries[f"{name}/{part}"] = _entry([fits[part] for fits in repeats], table, folds)
    return entries


def _fit(case: tuple[Recipe, Table, Folds, int], repeat: int, log: Log) -> dict[str, Fit]:  # noqa: ARG001 - says nothing
    from pipeline.models._h2o_fit import fit_repeat

    recipe, table, folds, seed = case
    return fit_repeat(table, folds, repeat, recipe, derive(seed, repeat))


def _entry(fits: list[Fit], table: Table, folds: Folds) -> CrossFit:
    from pipeline.types import CrossFit

    oof = np.stack([fit.oof for fit in fits])
    errors = folds.errors(table.task.metric, table.target, oof)
    unknown, test = np.full_like(errors, np.nan), np.mean([fit.test for fit in fits], axis=0)
    findings = () if table.weight is None else (UNWEIGHED,)
    return CrossFit(oof, test, errors, unknown, unknown, "fold", sum(fit.seconds for fit in fits), findings=findings)
