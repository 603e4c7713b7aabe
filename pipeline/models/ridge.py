"""Ridge regression in closed form, and logistic regression; with l1 an elastic net. The penalty is chosen in the fold.

`linear` is its network: one penalty for all folds, reached by steps, all folds and trials as one program. This one is
exact, and finds in each fold the penalty that its rows ask for. Source: Hastie, Tibshirani and Friedman 2009, "The
elements of statistical learning", sections 3.4 and 4.4; Zou and Hastie 2005 for the elastic net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.models._fold_recipe import EncodedRecipe, Inner, Rate, encoding_seconds, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pipeline.models._folds import Kind, Learnt, Lesson
    from pipeline.types import Task

SHARE = 0.1

SPACE = {
    "penalty": {"tune": "loguniform", "low": 1e-5, "high": 1.0},
    "l1": {"tune": "choice", "values": [0.0, 0.5, 1.0]},
}

PENALTIES = tuple(10.0 ** (-step / 2) for step in range(11))
"""From 1 down to 1e-5, two a decade: as glmnet's path, on which each fit begins where the one before ended."""
MIDDLE = 0.01


class Recipe(EncodedRecipe):
    """How the weights are held back, and on which encoding."""

    penalty: Rate | Inner = Field(
        "inner", description="on the loss of one row; 'inner': chosen from 1e-5 to 1 inside the fold"
    )
    l1: float = Field(0.0, ge=0, le=1, description="share of the penalty that is on |w|: above 0 an elastic net")
    encode: Encode = Field(Encode(skew="yeo-johnson", min_rows=5), description="how columns become numbers")


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn, settings=_settings, judge=_judge)


def _settings(recipe: Recipe) -> Sequence[float]:  # noqa: ARG001 - the same for all
    return PENALTIES


def _learn(lesson: Lesson) -> Learnt:
    from pipeline.models._penalised import learn, plain

    return learn(lesson, plain, lesson.setting or lesson.recipe.penalty, lesson.recipe.l1)


def _judge(lesson: Lesson) -> np.ndarray:
    from pipeline.models._penalised import judge, plain

    return judge(lesson, [plain], PENALTIES, lesson.recipe.l1)


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:  # noqa: ARG001 - nothing depends on them
    """Return the recipe: nothing in it is "auto", and the penalty is left to the fold where it says so."""
    return recipe


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe; where so many minutes on two cores do not allow for the choice, with a middling penalty."""
    short = seconds(recipe, **size) > 60 * minutes and recipe.penalty == "inner"
    return recipe.model_copy(update={"penalty": MIDDLE}) if short else recipe


def seconds(recipe: Recipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes: encodings, then passes over the cells, of which only iterations need many."""
    del n_test
    passes = 10 if n_outputs == 1 and not recipe.l1 else 100 * n_outputs
    a_fit = 2.5e-9 * passes * n_train * (3 * n_columns)
    return n_fits * (encoding_seconds(recipe, n_train, n_columns) + a_fit * (1 + recipe.cuts * len(PENALTIES) / 2))


cross_fit, load = verbs(_kind, settled)
