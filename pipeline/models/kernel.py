"""Kernel ridge regression, and kernel logistic regression: ridge on how much rows resemble landmarks.

The kernel is Gaussian; the landmarks are training rows, all of them on small tables (which is exact), else a sample
(Williams and Seeger 2001, "Using the Nystroem method to speed up kernel machines"), so that no table is too large.
Its sister, the support vector machine, predicts about as well, but has no probabilities and no end on large tables.
The width is taken in multiples of scikit-learn's "scale", 1 / (columns x variance); it and the penalty are chosen
inside the fold.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.models._fold_recipe import Auto, Count, EncodedRecipe, Inner, Rate, encoding_seconds, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    import numpy as np

    from pipeline.models._folds import Kind, Learnt, Lesson
    from pipeline.types import Task

SHARE = 0.3

SPACE = {
    "gamma": {"tune": "loguniform", "low": 0.01, "high": 4.0},
    "penalty": {"tune": "loguniform", "low": 1e-6, "high": 0.1},
}

GAMMAS = (1.0, 0.25, 0.0625)
PENALTIES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
MIDDLE = (0.25, 1e-4)
FEWEST_LANDMARKS = 100


class Recipe(EncodedRecipe):
    """How near rows must be to count, and how the weights are held back."""

    gamma: Rate | Inner = Field(
        "inner", description="of exp(-gamma distance^2), in multiples of 'scale'; 'inner': 1, 1/4 or 1/16, by the fold"
    )
    penalty: Rate | Inner = Field(
        "inner", description="on the loss of one row; 'inner': chosen from 1e-6 to 1e-2 inside the fold"
    )
    landmarks: Count | Auto = Field(
        "auto", description="rows that others are compared with: 1000, 500 for classes; of fewer rows, all"
    )
    encode: Encode = Field(Encode(skew="yeo-johnson", min_rows=5), description="how columns become numbers")


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn, settings=_settings, judge=_judge)


def _choices(recipe: Recipe) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the gammas and the penalties that there are to choose from."""
    gammas = GAMMAS if recipe.gamma == "inner" else (recipe.gamma,)
    return gammas, PENALTIES if recipe.penalty == "inner" else (recipe.penalty,)


def _settings(recipe: Recipe) -> list[tuple[float, float]]:
    return list(product(*_choices(recipe)))


def _learn(lesson: Lesson) -> Learnt:
    from pipeline.models._penalised import learn

    gamma, penalty = lesson.setting or (lesson.recipe.gamma, lesson.recipe.penalty)
    return learn(lesson, partial(_chart, gamma=gamma), penalty)


def _judge(lesson: Lesson) -> np.ndarray:
    from pipeline.models._penalised import judge

    gammas, penalties = _choices(lesson.recipe)
    return judge(lesson, [partial(_chart, gamma=gamma) for gamma in gammas], penalties)


def _chart(lesson: Lesson, X: np.ndarray, gamma: float) -> list[tuple[str, Any]]:
    from sklearn.kernel_approximation import Nystroem

    scale = 1 / max(X.shape[1] * float(X.var()), 1e-9)
    n_landmarks = min(lesson.recipe.landmarks, len(X))
    return [("kernel", Nystroem(gamma=gamma * scale, n_components=n_landmarks, random_state=lesson.seed))]


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:  # noqa: ARG001 - the same for all sizes
    """Return the recipe with a number of landmarks; what the fold chooses is left to it."""
    landmarks = 500 if task.classes else 1_000
    return recipe.model_copy(update={"landmarks": landmarks}) if recipe.landmarks == "auto" else recipe


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe without a choice, then with as many landmarks as so many minutes allow on two cores."""
    if seconds(recipe, **size) > 60 * minutes:
        middle = zip(("gamma", "penalty"), MIDDLE, strict=True)
        recipe = recipe.model_copy(update={name: own for name, own in middle if getattr(recipe, name) == "inner"})
    while seconds(recipe, **size) > 60 * minutes and _landmarks(recipe, size["n_outputs"]) > FEWEST_LANDMARKS:
        fewer = max(FEWEST_LANDMARKS, _landmarks(recipe, size["n_outputs"]) * 3 // 4)
        recipe = recipe.model_copy(update={"landmarks": fewer})
    return recipe


def _landmarks(recipe: Recipe, n_outputs: int) -> int:
    return (1_000 if n_outputs == 1 else 500) if recipe.landmarks == "auto" else recipe.landmarks


def seconds(recipe: Recipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes: kernels between rows and landmarks, then a fit on them for each setting."""
    m = min(_landmarks(recipe, n_outputs), n_train)
    a_kernel = 4e-10 * (n_train + n_test) * m * (n_columns + 20)
    a_fit = 4e-11 * n_train * m * m if n_outputs == 1 else 3e-8 * n_outputs * n_train * m
    gammas, penalties = _choices(recipe)
    chosen = recipe.cuts * len(gammas) * (a_kernel + len(penalties) * a_fit)
    return n_fits * (encoding_seconds(recipe, n_train, n_columns) + 2 * a_kernel + a_fit + chosen)


cross_fit, load = verbs(_kind, settled)
