"""CatBoost: each fold is fitted on all its rows, for as many rounds as some of them chose.

Defaults: for small tables our own (see _fold_recipe.SMALL); else CB-TD of Holzmueller, Grinsztajn and Steinwart 2024,
"Better by default: Strong pre-tuned MLPs and boosted trees on tabular data", as in the package pytabkit.
Columns of levels become its ordered target statistics.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.models._fold_recipe import BEGINS_ANEW as BEGINS_ANEW
from pipeline.models._fold_recipe import RUNGS as RUNGS
from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, NotNegative, Rate, Share, prices, settler, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.models._folds import Kind, LabelledRows, Learnt, Lesson

SHARE = 1.0

HARDLY = 1e-6
"""The weight of a row that is there for its target alone."""

MODEL = "model.cbm"
NEEDED = {"class_params", "params"}
"""What predicting needs of what a model says of itself."""

SPACE = {
    "lr": {"tune": "loguniform", "low": 5e-3, "high": 0.1},
    "depth": {"tune": "int", "low": 4, "high": 9},
    "subsample": {"tune": "uniform", "low": 0.7, "high": 1.0},
    "l2": {"tune": "loguniform", "low": 1e-5, "high": 5.0},
    "leaf_steps": {"tune": "logint", "low": 1, "high": 20},
    "one_hot": {"tune": "logint", "low": 2, "high": 100},
}
"""TabArena's space for CatBoost, as far as the recipe has its parameters (Erickson et al. 2025, package tabarena), and
a little wider where our defaults lie beyond it."""
TREES = {"depth": (6, 6), "l2": (3.0, 3.0), "noise": (1.0, 1.0), "subsample": (0.8, 0.8), "leaf_steps": (1, 1)}
"""Smaller trees, those of small tables. On halves of 40,000 rows, large and smaller: s4e4 .1516 and .1510, its Rings
above 9 (log loss) .3506 and .3484, Friedman's function with noise of 1 and 6 1.032 and 1.025, 6.056 and 6.033; of
30,000 rows two of otto's classes against the others .2549 and .2544, .0881 and .0780, a feature from the others .4866
and .4855. The large ones stop at 5 to 57 rounds x rate."""
MISSING = "missing"
LOSSES = {"squared": "RMSE", "absolute": "MAE", "binary": "Logloss", "multiclass": "MultiClass"}


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" depends on the rows and the task. Small: up to 10 000 rows of a fold."""

    SMALLER: ClassVar = TREES
    EARLY: ClassVar = 60.0

    lr: Rate | Auto = Field(
        "auto", description="learning rate: 0.05 if small, else 0.09 for regression, 0.08 for classes"
    )
    depth: Annotated[int, Field(ge=1, le=16)] | Auto = Field(
        "auto", description="depth of a tree: 6 if small, else 9 for regression, 7 for classes"
    )
    subsample: Share | Auto = Field("auto", description="share of the rows a tree sees: 0.8 if small, else 0.9")
    l2: NotNegative | Auto = Field("auto", description="L2 penalty on the leaves' values: 3 if small, else 1e-5")
    noise: NotNegative | Auto = Field(
        "auto", description="randomness of the splits' scores: 1 if small, else 0, or 0.8 for classes"
    )
    leaf_steps: Count | Auto = Field(
        "auto", description="Newton steps for a leaf's value: 1 if small or classes, else 20"
    )
    one_hot: Annotated[int, Field(ge=1, le=65_535)] | Auto = Field(
        "auto", description="levels up to which a column is split directly: 2 if small, else 20, or 15 for classes"
    )
    bins: Annotated[int, Field(ge=1, le=65_535)] = Field(254, description="values that a number is reduced to, at most")


def _kind() -> Kind:
    from pipeline.models._folds import Kind

    return Kind("catboost", _learn, _predict, _write, _read)


def _learn(lesson: Lesson) -> Learnt:
    from io import StringIO

    import catboost

    from pipeline.models._folds import Learnt

    recipe, train = lesson.recipe, _learnable(lesson.train, len(lesson.task.classes))
    rounds = lesson.rounds or recipe.rounds
    loss = recipe.loss_for(lesson.task.kind)
    classes = list(range(len(lesson.task.classes))) if lesson.task.kind == "multiclass" else None
    model = catboost.CatBoost(
        {
            "loss_function": LOSSES[loss],
            "iterations": rounds,
            "learning_rate": recipe.lr,
            "depth": recipe.depth,
            "l2_leaf_reg": recipe.l2,
            "random_strength": recipe.noise,
            "leaf_estimation_iterations": 1 if loss == "absolute" else recipe.leaf_steps,  # one finds the median
            "one_hot_max_size": recipe.one_hot,
            "max_bin": recipe.bins,
            "boosting_type": "Plain",
            "bootstrap_type": "Bernoulli",
            "subsample": recipe.subsample,
            "random_seed": lesson.seed,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }
        | ({"class_names": classes} if classes else {})
    )
    held = None if lesson.stop is None else _pool(lesson.stop.X, lesson.stop.y, lesson.stop.weight)
    stopping = {} if held is None else {"early_stopping_rounds": recipe.patience, "use_best_model": True}
    unheard = StringIO()  # on stderr it says of every fit which classes the rows lack, however silent it is told to be
    model.fit(_pool(train.X, train.y, train.weight), eval_set=held, log_cerr=unheard, **stopping)
    _forget_the_moment(model)
    losses = model.best_score_.get("validation", {"none": math.nan})
    return Learnt(model, model.tree_count_, *losses.values())


def _learnable(rows: LabelledRows, n_classes: int) -> LabelledRows:
    """Return rows that CatBoost takes: it refuses a constant target, and columns of which none varies.

    There a row with another target, or other columns, comes with hardly any weight.
    """
    import numpy as np
    import pandas as pd

    from pipeline.models._folds import LabelledRows

    same_y, same_X = len(np.unique(rows.y)) == 1, not any(_varies(column) for _, column in rows.X.items())
    if not (same_y or same_X):
        return rows
    X = _turned(rows.X[:1]) if same_X else rows.X[:1]
    y = rows.y[:1] + 1 if same_y else rows.y[:1]
    y = y % n_classes if n_classes else y
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    return LabelledRows(pd.concat([rows.X, X]), np.concatenate([rows.y, y]), np.append(weight, HARDLY))


def _varies(column: pd.Series) -> bool:
    """Say whether a column has two values or more; numbers as CatBoost sees them, in float32."""
    return (column.astype("float32") if column.dtype == "float64" else column).nunique(dropna=False) > 1


def _turned(row: pd.DataFrame) -> pd.DataFrame:
    """Return a row with values where the one given has none, and none where it has some."""
    import numpy as np
    import pandas as pd

    made: dict[str, Any] = {}
    for name, column in row.items():
        missing = column.isna().any()
        if column.dtype == "category":
            levels = column.cat.categories
            made[str(name)] = pd.Categorical.from_codes([0 if missing and len(levels) else -1], levels)
        else:
            made[str(name)] = [0.0 if missing else np.nan]
    return pd.DataFrame(made)


def _forget_the_moment(model: Any) -> None:
    """Drop what a model says of its making: the time, a random name, and so many keys that their order is by chance."""
    said = model.get_metadata()
    for name in set(said.keys()) - NEEDED:
        del said[name]


def _pool(X: Any, y: Any = None, weight: Any = None) -> Any:
    """Return rows as CatBoost takes them: levels as text, a missing one under a name of its own."""
    import catboost

    levels = [name for name in X if X[name].dtype == "category"]
    text = {name: X[name].astype(object).fillna(_missing(X[name].cat.categories)).astype(str) for name in levels}
    return catboost.Pool(X.assign(**text), y, cat_features=levels, weight=weight)


def _missing(levels: Any) -> str:
    """Return a missing value's name, which no level of the column has; new rows know the same levels (`FoldFit`)."""
    name = MISSING
    while name in levels:
        name += "?"
    return name


def _predict(model: Any, X: Any, n_outputs: int) -> Any:
    return model.predict(_pool(X), prediction_type="RawFormulaVal" if n_outputs == 1 else "Probability")


def _write(model: Any, folder: Path) -> None:
    model.save_model(str(folder / MODEL))


def _read(folder: Path) -> Any:
    import catboost

    return catboost.CatBoost().load_model(str(folder / MODEL))


settled = settler(
    lr=(0.05, 0.09, 0.08),
    depth=(6, 9, 7),
    subsample=(0.8, 0.9, 0.9),
    l2=(3.0, 1e-5, 1e-5),
    noise=(1.0, 0.0, 0.8),
    leaf_steps=(1, 20, 1),
    one_hot=(2, 20, 15),
)
cross_fit, load = verbs(_kind, settled)
affordable, seconds = prices(a_round=3e-4, a_column=2e-4, a_row=3.2e-7, a_cell=5e-9)
