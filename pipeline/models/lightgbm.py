"""LightGBM with meta-tuned defaults, each fold fitted on all its rows for as many rounds as its stopping rows chose.

Defaults: LGBM-TD of Holzmueller, Grinsztajn and Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted
trees on tabular data", as in the package pytabkit. Columns of levels are split natively.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, Rate, Share, chosen, prices, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.models._folds import Kind, Learnt, Lesson

LIBRARIES = ("lightgbm", "numpy", "pandas")
SHARE = 0.3

MODEL = "model.txt"


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" is one value for regression and another for classes."""

    lr: Rate | Auto = Field("auto", description="learning rate: 0.05 for regression, 0.04 for classes")
    leaves: Count | Auto = Field("auto", description="leaves of a tree: 100 for regression, 50 for classes")
    min_rows: Count | Auto = Field("auto", description="rows of a leaf, at least: 3 for regression, 40 for classes")
    subsample: Share | Auto = Field("auto", description="share of the rows a tree sees: 0.7, or 0.75 for classes")
    columns: Share = Field(1.0, description="share of the columns a tree sees")
    l2: float = Field(0.0, ge=0, description="L2 penalty on the leaves' values")
    bins: Count = Field(255, description="values that a number is reduced to, at most")


def _kind() -> Kind:
    from pipeline.models._folds import Kind

    return Kind(_learn, _predict, _write, _read)


def _learn(lesson: Lesson) -> Learnt:
    import lightgbm

    from pipeline.models._folds import Learnt

    train = lightgbm.Dataset(lesson.train.X, lesson.train.y)
    stop, callbacks = [], []
    if lesson.stop is not None:
        stop = [lightgbm.Dataset(lesson.stop.X, lesson.stop.y, reference=train)]
        callbacks = [lightgbm.early_stopping(lesson.recipe.patience, verbose=False)]
    rounds = lesson.rounds or lesson.recipe.rounds
    model = lightgbm.train(_parameters(lesson), train, rounds, valid_sets=stop, callbacks=callbacks)
    return Learnt(model, model.best_iteration if model.best_iteration > 0 else rounds)


def _parameters(lesson: Lesson) -> dict[str, Any]:
    recipe, task = lesson.recipe, lesson.task
    own = chosen(
        recipe, task.kind == "regression", lr=(0.05, 0.04), leaves=(100, 50), min_rows=(3, 40), subsample=(0.7, 0.75)
    )
    return {
        "objective": task.kind,
        "learning_rate": own["lr"],
        "num_leaves": max(2, own["leaves"]),
        "min_data_in_leaf": own["min_rows"],
        "bagging_fraction": own["subsample"],
        "bagging_freq": 1,
        "feature_fraction": recipe.columns,
        "lambda_l2": recipe.l2,
        "max_bin": recipe.bins,
        "min_sum_hessian_in_leaf": 1e-7,
        "seed": lesson.seed,
        "deterministic": True,  # with force_row_wise: the same bits for the same number of threads
        "force_row_wise": True,
        "verbosity": -1,
    } | ({"num_class": len(task.classes)} if task.kind == "multiclass" else {})


def _predict(model: Any, X: Any) -> Any:
    import numpy as np

    found = model.predict(X)
    binary = found.ndim == 1 and model.dump_model(num_iteration=1)["objective"].startswith("binary")
    return np.column_stack([1 - found, found]) if binary else found


def _write(model: Any, folder: Path) -> None:
    model.save_model(folder / MODEL, num_iteration=model.best_iteration)


def _read(folder: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=folder / MODEL)


cross_fit, load = verbs(_kind)
affordable, affordable_trials = prices(a_round=1.5e-3, a_cell=2.5e-9)
