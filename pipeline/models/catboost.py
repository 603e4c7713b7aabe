"""CatBoost with meta-tuned defaults, each fold fitted on all its rows for as many rounds as its stopping rows chose.

Defaults: CB-TD of Holzmueller, Grinsztajn and Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted
trees on tabular data", as in the package pytabkit. Columns of levels become ordered target statistics of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, Rate, Share, chosen, prices, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.models._folds import Kind, Learnt, Lesson

LIBRARIES = ("catboost", "numpy", "pandas")
SHARE = 0.5

MODEL = "model.cbm"
MISSING = "missing"
LOSSES = {"regression": "RMSE", "binary": "Logloss", "multiclass": "MultiClass"}


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" is one value for regression and another for classes."""

    lr: Rate | Auto = Field("auto", description="learning rate: 0.09 for regression, 0.08 for classes")
    depth: Count | Auto = Field("auto", description="depth of a tree: 9 for regression, 7 for classes")
    subsample: Share = Field(0.9, description="share of the rows a tree sees")
    l2: float = Field(1e-5, ge=0, description="L2 penalty on the leaves' values")
    noise: float | Auto = Field("auto", description="randomness of the splits' scores: 0, or 0.8 for classes")
    leaf_steps: Count | Auto = Field("auto", description="Newton steps for a leaf's value: 20, or 1 for classes")
    one_hot: Count | Auto = Field("auto", description="levels up to which a column is split directly: 20, or 15")
    bins: Count = Field(254, description="values that a number is reduced to, at most")


def _kind() -> Kind:
    from pipeline.models._folds import Kind

    return Kind(_learn, _predict, _write, _read)


def _learn(lesson: Lesson) -> Learnt:
    import catboost

    from pipeline.models._folds import Learnt

    own = chosen(
        lesson.recipe,
        lesson.task.kind == "regression",
        lr=(0.09, 0.08),
        depth=(9, 7),
        noise=(0.0, 0.8),
        leaf_steps=(20, 1),
        one_hot=(20, 15),
    )
    rounds = lesson.rounds or lesson.recipe.rounds
    classes = list(range(len(lesson.task.classes))) if lesson.task.kind == "multiclass" else None
    model = catboost.CatBoost(
        {
            "loss_function": LOSSES[lesson.task.kind],
            "iterations": rounds,
            "learning_rate": own["lr"],
            "depth": own["depth"],
            "l2_leaf_reg": lesson.recipe.l2,
            "random_strength": own["noise"],
            "leaf_estimation_iterations": own["leaf_steps"],
            "one_hot_max_size": own["one_hot"],
            "max_bin": lesson.recipe.bins,
            "boosting_type": "Plain",
            "bootstrap_type": "Bernoulli",
            "subsample": lesson.recipe.subsample,
            "random_seed": lesson.seed,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        | ({"class_names": classes} if classes else {})
    )
    held = None if lesson.stop is None else _pool(lesson.stop.X, lesson.stop.y)
    stopping = {} if held is None else {"early_stopping_rounds": lesson.recipe.patience, "use_best_model": True}
    model.fit(_pool(lesson.train.X, lesson.train.y), eval_set=held, **stopping)
    return Learnt(model, model.tree_count_)


def _pool(X: Any, y: Any = None) -> Any:
    """Return rows as CatBoost takes them: levels as text, a missing one under a name of its own."""
    import catboost

    levels = [name for name in X if X[name].dtype == "category"]
    text = {name: X[name].astype(object).fillna(MISSING).astype(str) for name in levels}
    return catboost.Pool(X.assign(**text), y, cat_features=levels)


def _predict(model: Any, X: Any) -> Any:
    loss = model.get_all_params()["loss_function"]
    if loss == LOSSES["regression"]:
        return model.predict(_pool(X))
    return model.predict(_pool(X), prediction_type="Probability")


def _write(model: Any, folder: Path) -> None:
    model.save_model(str(folder / MODEL))


def _read(folder: Path) -> Any:
    import catboost

    return catboost.CatBoost().load_model(str(folder / MODEL))


cross_fit, load = verbs(_kind)
affordable, affordable_trials = prices(a_round=1.5e-2, a_cell=8e-9)
