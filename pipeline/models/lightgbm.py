"""LightGBM: each fold is fitted on all its rows, for as many rounds as some of them chose.

Defaults: for small tables our own (see _fold_recipe.SMALL); else LGBM-TD of Holzmueller, Grinsztajn and Steinwart 2024,
"Better by default: Strong pre-tuned MLPs and boosted trees on tabular data", as in the package pytabkit.
Columns of levels are split natively.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.models._fold_recipe import BEGINS_ANEW as BEGINS_ANEW
from pipeline.models._fold_recipe import RUNGS as RUNGS
from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, Rate, Share, prices, settler, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.models._folds import Kind, Learnt, Lesson

SHARE = 1.0

MODEL = "model.txt"
LEVEL_ROWS = 100
"""LightGBM's own least rows of a group of levels; of folds of fewer than 2,000 rows ours is a twentieth of them.

With 100, six levels in 200 made-up rows were hardly used (error .59 of a constant's, now .23). In two times five folds
a twentieth gains .0008 ± .0004 of RMSLE .1224 on House Prices; 25 and 10 gain .0006 and .0008 ± .0006 there, change
nothing beyond chance on Titanic (log loss .4086: .0000 and -.0005 ± .0013) and Spaceship Titanic (.3806: .0007 and
-.0005 ± .0007), and lose .012 and .013 ± .011 of RMSE 8.38 on Mercedes, whose folds have 3,367 rows."""
TREES = {"leaves": (31, 31), "min_rows": (60, 60), "columns": (0.7, 0.7)}
"""Smaller trees, of values and of classes. Where rows stop large ones early, their leaves hold mostly noise.

Errors on a fifth of the rows, two fits by other seeds averaged, of large and of smaller trees: s4e4 .1494 and .1488,
its Rings above 9 (log loss) .3428 and .3422, its Sex .7660 and .7652, Friedman's function with noise of .5, 1, 3, 6
and 15: .585 and .552, 1.074 and 1.047, 3.088 and 3.059, 6.123 and 6.094, 15.23 and 15.19: all at 3 to 24 rounds x
rate. Of what stops later, each of five of otto's classes against the others, at 13 to 32: .2367 and .2398, .2091 and
.2110, .2269 and .2280, .0694 and .0692, .0620 and .0626; at 45 to 150 smaller trees lose 1.6 to 5 % (otto's features
from the others) and 40 % (Walmart's sales)."""
OBJECTIVES = {"squared": "regression", "absolute": "regression_l1", "binary": "binary", "multiclass": "multiclass"}

SPACE = {
    "lr": {"tune": "loguniform", "low": 5e-3, "high": 0.1},
    "columns": {"tune": "uniform", "low": 0.4, "high": 1.0},
    "subsample": {"tune": "uniform", "low": 0.7, "high": 1.0},
    "leaves": {"tune": "logint", "low": 2, "high": 200},
    "min_rows": {"tune": "logint", "low": 1, "high": 64},
    "l2": {"tune": "uniform", "low": 0.0, "high": 2.0},
    "extra_trees": {"tune": "choice", "values": [False, True]},
}
"""TabArena's space for LightGBM, as far as the recipe has its parameters (Erickson et al. 2025, package tabarena), and
a little wider where our defaults lie beyond it.

It has level_rows too, from 2 to 100, which is left out: tables without such levels have nothing to search there."""


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" depends on the rows and the task. Small: up to 10 000 rows of a fold."""

    SMALLER: ClassVar = TREES

    lr: Rate | Auto = Field(
        "auto", description="learning rate: 0.03 if small, else 0.05 for regression, 0.04 for classes"
    )
    leaves: Annotated[int, Field(ge=1, le=131_072)] | Auto = Field(
        "auto", description="leaves of a tree: 16 if small, else 100 for regression, 50 for classes"
    )
    min_rows: Count | Auto = Field(
        "auto",
        description="rows of a leaf, at least: 10, or a fold's / 4, if small, else 3 for regression, 40 for classes",
    )
    subsample: Share = Field(0.7, description="share of the rows a tree sees")
    columns: Share | Auto = Field("auto", description="share of the columns a tree sees: 0.5 if small, else all")
    extra_trees: bool = Field(False, description="for each column of a node one threshold, drawn by chance, is tried")
    l2: float = Field(0.0, ge=0, description="L2 penalty on the leaves' values")
    level_rows: Count | Auto = Field(
        "auto",
        description="rows of a group of levels, at least, where there are more than four: a fold's / 20, 100 at most",
    )
    bins: Annotated[int, Field(ge=2)] = Field(255, description="values that a number is reduced to, at most")


def _kind() -> Kind:
    from pipeline.models._folds import Kind

    return Kind("lightgbm", _learn, _predict, _write, _read)


def _learn(lesson: Lesson) -> Learnt:
    import lightgbm

    from pipeline.models._folds import Learnt

    recipe = lesson.recipe
    train = lightgbm.Dataset(lesson.train.X, lesson.train.y, weight=lesson.train.weight)
    stop: list[lightgbm.Dataset] = []
    callbacks: list[Callable[..., Any]] = []
    if lesson.stop is not None:
        stop = [lightgbm.Dataset(lesson.stop.X, lesson.stop.y, train, weight=lesson.stop.weight)]
        callbacks = [lightgbm.early_stopping(recipe.patience, verbose=False)]
    rounds = lesson.rounds or recipe.rounds
    model = lightgbm.train(_parameters(lesson), train, rounds, valid_sets=stop, callbacks=callbacks)
    if lesson.stop is None:
        return Learnt(model, rounds)
    (loss,) = model.best_score["valid_0"].values()
    return Learnt(model, model.best_iteration, loss)


def _parameters(lesson: Lesson) -> dict[str, Any]:
    recipe, task = lesson.recipe, lesson.task
    return {
        "objective": OBJECTIVES[recipe.loss_for(task.kind)],
        "learning_rate": recipe.lr,
        "num_leaves": max(2, recipe.leaves),
        "min_data_in_leaf": recipe.min_rows,
        "bagging_fraction": recipe.subsample,
        "bagging_freq": 1,
        "feature_fraction": recipe.columns,
        "lambda_l2": recipe.l2,
        "min_data_per_group": recipe.level_rows,
        "max_bin": recipe.bins,
        "extra_trees": recipe.extra_trees,
        "min_sum_hessian_in_leaf": 1e-7,
        "seed": lesson.seed,
        "deterministic": True,  # with force_row_wise: the same bits for the same number of threads
        "force_row_wise": True,
        "verbosity": -1,
    } | ({"num_class": len(task.classes)} if task.kind == "multiclass" else {})


def _predict(model: Any, X: Any, n_outputs: int) -> Any:  # noqa: ARG001 - the objective knows it
    return model.predict(X)


def _write(model: Any, folder: Path) -> None:
    model.save_model(folder / MODEL, num_iteration=model.best_iteration)


def _read(folder: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=folder / MODEL)


def _ten_or_a_quarter(n_rows: int) -> int:
    """Return the rows of a leaf, at least, on a small table: of a tiny one so few that a tree can split at all.

    The error as a share of a constant's then falls, on 20 and 30 rows, from .97 and .94 to .56 and .54 (House Prices),
    and from 1.02 and 1.01 to .95 and .89 (log loss, Titanic), means of five draws; a tenth of a fold overfits. It does
    in `histogram`, too, on Titanic's rows (1.29 and 1.06), which keeps its ten.
    """
    return max(1, min(10, n_rows // 4))


def _twentieth(n_rows: int) -> int:
    return max(1, min(LEVEL_ROWS, n_rows // 20))


settled = settler(
    lr=(0.03, 0.05, 0.04),
    leaves=(16, 100, 50),
    min_rows=(_ten_or_a_quarter, 3, 40),
    columns=(0.5, 1.0, 1.0),
    level_rows=(_twentieth, LEVEL_ROWS, LEVEL_ROWS),
)
cross_fit, load = verbs(_kind, settled)
affordable, seconds = prices(a_round=2.5e-4, a_column=5e-6, a_row=3e-8, a_cell=5e-9)
