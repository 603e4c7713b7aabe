"""XGBoost: each fold is fitted on all its rows, for as many rounds as some of them chose.

Defaults: for small tables our own (see _fold_recipe.SMALL); else XGB-TD of Holzmueller, Grinsztajn and Steinwart 2024,
"Better by default: Strong pre-tuned MLPs and boosted trees on tabular data", as in the package pytabkit.
Columns of levels are split natively.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.models._fold_recipe import BEGINS_ANEW as BEGINS_ANEW
from pipeline.models._fold_recipe import RUNGS as RUNGS
from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, NotNegative, Rate, Share, prices, settler, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.models._folds import Kind, Learnt, Lesson

SHARE = 1.0

MODEL = "model.ubj"

SPACE = {
    "lr": {"tune": "loguniform", "low": 5e-3, "high": 0.1},
    "depth": {"tune": "logint", "low": 4, "high": 10},
    "min_weight": {"tune": "loguniform", "low": 5e-6, "high": 5.0},
    "subsample": {"tune": "uniform", "low": 0.6, "high": 1.0},
    "level_columns": {"tune": "uniform", "low": 0.6, "high": 1.0},
    "l2": {"tune": "uniform", "low": 0.0, "high": 5.0},
}
"""TabArena's space for XGBoost, as far as the recipe has its parameters (Erickson et al. 2025, package tabarena), and
a little wider where our defaults lie beyond it."""
TREES = {"depth": (6, 6), "min_weight": (60.0, 15.0), "columns": (0.7, 0.7)}
"""Smaller trees, as in `lightgbm`: on a fifth of s4e4's rows .1506 and .1496, of its Rings above 9 .3429 and .3404, of
its Sex .7666 and .7659, of Friedman's function with noise of 1 and 6 1.107 and 1.057, 6.192 and 6.113."""
OBJECTIVES = {
    "squared": "reg:squarederror",
    "absolute": "reg:absoluteerror",
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
}


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" depends on the rows and the task. Small: up to 10 000 rows of a fold."""

    SMALLER: ClassVar = TREES

    lr: Rate | Auto = Field(
        "auto", description="learning rate: 0.03 if small, else 0.05 for regression, 0.08 for classes"
    )
    depth: Count | Auto = Field(
        "auto", description="depth of a tree, at most: 4 if small, else 9 for regression, 6 for classes"
    )
    min_weight: NotNegative | Auto = Field(
        "auto", description="hessian of a leaf, at least: 2, but 5e-6 for classes unless small"
    )
    subsample: Share = Field(0.7, description="share of the rows a tree sees")
    columns: Share | Auto = Field("auto", description="share of the columns a tree sees: 0.5 if small, else all")
    level_columns: Share | Auto = Field(
        "auto", description="share of these a level sees: 1, but 0.9 for classes unless small"
    )
    l2: NotNegative | Auto = Field("auto", description="L2 penalty on the leaves' values: 1 if small, else 0")
    bins: Annotated[int, Field(ge=2)] = Field(256, description="values that a number is reduced to, at most")


def _kind() -> Kind:
    from pipeline.models._folds import Kind

    return Kind("xgboost", _learn, _predict, _write, _read)


def _learn(lesson: Lesson) -> Learnt:
    import xgboost

    from pipeline.models._folds import Learnt

    recipe = lesson.recipe
    parameters: dict[str, Any] = {
        "objective": OBJECTIVES[recipe.loss_for(lesson.task.kind)],
        "learning_rate": recipe.lr,
        "max_depth": recipe.depth,
        "min_child_weight": recipe.min_weight,
        "subsample": recipe.subsample,
        "colsample_bytree": recipe.columns,
        "colsample_bylevel": recipe.level_columns,
        "reg_lambda": recipe.l2,
        "max_bin": recipe.bins,
        "tree_method": "hist",
        "seed": lesson.seed,
    }
    if lesson.task.kind == "multiclass":
        parameters["num_class"] = len(lesson.task.classes)
    train, stopping = _matrix(lesson.train.X, lesson.train.y, lesson.train.weight), {}
    if lesson.stop is not None:
        stopping = {
            "evals": [(_matrix(lesson.stop.X, lesson.stop.y, lesson.stop.weight), "stop")],
            "early_stopping_rounds": recipe.patience,
            "verbose_eval": False,
        }
    rounds = lesson.rounds or recipe.rounds
    model = xgboost.train(parameters, train, rounds, **stopping)
    if lesson.stop is None:
        return Learnt(model, rounds)
    return Learnt(model[: model.best_iteration + 1], model.best_iteration + 1, float(model.best_score))


def _matrix(X: Any, y: Any = None, weight: Any = None) -> Any:
    import xgboost

    empty = [name for name in X if X[name].dtype == "category" and not len(X[name].cat.categories)]
    X = X.assign(**{name: X[name].cat.add_categories("none") for name in empty})  # it refuses a column without levels
    return xgboost.DMatrix(X, y, weight=weight, enable_categorical=True)


def _predict(model: Any, X: Any, n_outputs: int) -> Any:  # noqa: ARG001 - the objective knows it
    return model.predict(_matrix(X))


def _write(model: Any, folder: Path) -> None:
    model.save_model(folder / MODEL)


def _read(folder: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=folder / MODEL)


settled = settler(
    lr=(0.03, 0.05, 0.08),
    depth=(4, 9, 6),
    min_weight=(2.0, 2.0, 5e-6),
    columns=(0.5, 1.0, 1.0),
    level_columns=(1.0, 1.0, 0.9),
    l2=(1.0, 0.0, 0.0),
)
cross_fit, load = verbs(_kind, settled)
affordable, seconds = prices(a_round=5e-4, a_column=1e-5, a_row=2e-7, a_cell=1e-9)
