"""scikit-learn's histogram boosting, after LightGBM: fitted on all rows for as many rounds as some of them chose.

Levels and missing values are split natively. Defaults: those of `lightgbm`, whose algorithm it is; it draws columns
for every split rather than for every tree, and no rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from pipeline.models._fold_recipe import BEGINS_ANEW as BEGINS_ANEW
from pipeline.models._fold_recipe import RUNGS as RUNGS
from pipeline.models._fold_recipe import Auto, BoosterRecipe, Count, NotNegative, Rate, Share, prices, settler, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.models._folds import Kind, Learnt, Lesson
    from pipeline.transforms.ordinal import Ordinal

SHARE = 0.3

SPACE = {
    "lr": {"tune": "loguniform", "low": 5e-3, "high": 0.1},
    "columns": {"tune": "uniform", "low": 0.4, "high": 1.0},
    "leaves": {"tune": "logint", "low": 2, "high": 200},
    "min_rows": {"tune": "logint", "low": 1, "high": 64},
    "l2": {"tune": "uniform", "low": 0.0, "high": 2.0},
}
"""That of `lightgbm`, whose algorithm it is."""

LOSSES = {"squared": "squared_error", "absolute": "absolute_error", "binary": "log_loss", "multiclass": "log_loss"}
TREES = {"leaves": (31, 31), "min_rows": (60, 60), "columns": (0.7, 0.7)}
"""Smaller trees, those of `lightgbm`: on halves of 40,000 rows, s4e4 .1512 and .1504, its Rings above 9 .3498 and
.3477, Friedman's function with noise of 1 and 6 1.098 and 1.075, 6.102 and 6.064."""
HARDLY_EVER = 1e-4
"""Columns with values in no larger share of rows are left out: scikit-learn cuts by a sample of 200,000 rows, and fails
where a number has no value there, as one that begins late has none in an early fold."""
MOST_LEVELS = 250  # of a column; the rarest beyond count as one (scikit-learn takes as many as bins, 255 at most)


class Recipe(BoosterRecipe):
    """How trees are grown; "auto" depends on the rows and the task. Small: up to 10 000 rows of a fold."""

    SMALLER: ClassVar = TREES

    lr: Rate | Auto = Field(
        "auto", description="learning rate: 0.03 if small, else 0.05 for regression, 0.04 for classes"
    )
    leaves: Count | Auto = Field(
        "auto", description="leaves of a tree: 16 if small, else 100 for regression, 50 for classes"
    )
    min_rows: Count | Auto = Field(
        "auto", description="rows of a leaf, at least: 10 if small, else 3 for regression, 40 for classes"
    )
    columns: Share | Auto = Field("auto", description="share of the columns a split sees: 0.5 if small, else all")
    l2: NotNegative = Field(0.0, description="L2 penalty on the leaves' values")
    bins: Annotated[int, Field(ge=2, le=255)] = Field(255, description="values that a column is reduced to, at most")


@dataclass(frozen=True)
class Native:
    """Numbers as they are, missing ones included, and then the codes of levels; numeric: names of the numbers."""

    numeric: tuple[str, ...]
    levels: Ordinal

    def numbers(self, X: pd.DataFrame) -> np.ndarray:
        import numpy as np

        codes = self.levels.apply(X)
        return np.column_stack([X[list(self.numeric)].to_numpy(np.float64), np.where(codes == 0, np.nan, codes - 1)])

    def to_dict(self) -> dict[str, Any]:
        return {"numeric": list(self.numeric), "levels": self.levels.to_dict()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Native:
        from pipeline.transforms.ordinal import Ordinal

        return cls(tuple(state["numeric"]), Ordinal.from_dict(state["levels"]))


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn, Native)


def _learn(lesson: Lesson) -> Learnt:
    from dataclasses import replace

    from pipeline.models._scikit import fitted

    columns = _columns(lesson.train.X, min(MOST_LEVELS, lesson.recipe.bins - 1))
    X = columns.numbers(lesson.train.X)
    rounds, loss = lesson.rounds or lesson.recipe.rounds, math.nan
    if lesson.stop is not None:
        rounds, loss = _best_rounds(lesson, columns, X)
    return replace(fitted(_booster(lesson, columns, max_iter=rounds), columns, X, lesson), rounds=rounds, loss=loss)


def _best_rounds(lesson: Lesson, columns: Native, X: np.ndarray) -> tuple[int, float]:
    """Return after how many rounds the stopping rows' loss was lowest, and that loss."""
    import numpy as np

    assert lesson.stop is not None
    known = np.isin(lesson.stop.y, lesson.train.y) if lesson.task.classes else np.ones(len(lesson.stop.y), bool)
    if not X.shape[1] or not known.any() or len(np.unique(lesson.train.y)) == 1:
        return 1, math.nan  # nothing to learn, or to judge by
    stopping = {"early_stopping": True, "n_iter_no_change": lesson.recipe.patience}
    booster = _booster(lesson, columns, max_iter=lesson.recipe.rounds, **stopping)
    weight = {} if lesson.stop.weight is None else {"sample_weight_val": lesson.stop.weight[known]}
    held = {"X_val": columns.numbers(lesson.stop.X)[known], "y_val": lesson.stop.y[known]} | weight
    booster.fit(X, lesson.train.y, lesson.train.weight, **held)
    rounds = max(1, int(np.argmax(booster.validation_score_)))  # of which the first is that of no tree at all
    return rounds, -float(booster.validation_score_[rounds])


def _booster(lesson: Lesson, columns: Native, *, early_stopping: bool = False, **more: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    recipe = lesson.recipe
    kind = HistGradientBoostingClassifier if lesson.task.classes else HistGradientBoostingRegressor
    first, last = len(columns.numeric), len(columns.numeric) + len(columns.levels.columns)
    return kind(
        loss=LOSSES[recipe.loss_for(lesson.task.kind)],
        learning_rate=recipe.lr,
        max_leaf_nodes=max(2, recipe.leaves),
        min_samples_leaf=recipe.min_rows,
        max_features=recipe.columns,
        l2_regularization=recipe.l2,
        max_bins=recipe.bins,
        categorical_features=list(range(first, last)),
        early_stopping=early_stopping,
        scoring="loss",
        tol=0.0,
        random_state=lesson.seed,
        **more,
    )


def _columns(X: pd.DataFrame, most: int) -> Native:
    """Learn which columns have values, and their levels: of one with more than `most` those that occur most often."""
    from pipeline.transforms.ordinal import Ordinal

    X = X.loc[:, X.notna().mean() > HARDLY_EVER]
    levels = {name: X[name].value_counts() for name in X.select_dtypes("category").columns}
    kept = {name: counts[counts > 0].index[:most] for name, counts in levels.items()}
    return Native(
        tuple(X.select_dtypes("float64").columns), Ordinal(tuple(kept), tuple(tuple(own) for own in kept.values()))
    )


settled = settler(lr=(0.03, 0.05, 0.04), leaves=(16, 100, 50), min_rows=(10, 3, 40), columns=(0.5, 1.0, 1.0))
cross_fit, load = verbs(_kind, settled)
affordable, seconds = prices(a_round=3e-3, a_column=3e-5, a_row=1.5e-7, a_cell=2.5e-9)
