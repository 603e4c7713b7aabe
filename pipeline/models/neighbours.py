"""Nearest neighbours: what the closest rows have, the closer the more, on scaled numbers and target means.

How many is chosen inside the fold, the same for all its rows. Manhattan distances tell rows with many columns apart
better (Aggarwal, Hinneburg and Keim 2001, "On the surprising behavior of distance metrics in high dimensional space");
on larger tables Euclidean ones, which are products of matrices, are the ones that end in time. Weights by inverse
distance: Dudani 1976, "The distance-weighted k-nearest-neighbor rule".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipeline.models._fold_recipe import SMALL, Auto, Count, EncodedRecipe, Inner, encoding_seconds, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from pipeline.models._folds import Kind, Learnt, Lesson
    from pipeline.types import Task

SHARE = 0.1

SPACE = {
    "neighbours": {"tune": "logint", "low": 1, "high": 100},
    "weights": {"tune": "choice", "values": ["distance", "uniform"]},
    "metric": {"tune": "choice", "values": ["manhattan", "euclidean"]},
}

NUMBERS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90)
FEWEST_ROWS = 1_000
SECONDS_A_DISTANCE = {"euclidean": 1e-9, "manhattan": 3e-9, "auto": 3e-9}  # and column, on two cores
NEARLY_EQUAL = 1e-6
ROWS_AT_ONCE = 1_000
"""Of those that judge: what their neighbours have is rows x 90 x classes numbers, twice."""


class Recipe(EncodedRecipe):
    """Which rows are near, and what they are worth."""

    neighbours: Count | Inner = Field("inner", description="how many; 'inner': chosen from 1 to 90 inside the fold")
    weights: Literal["distance", "uniform"] = Field("distance", description="'distance': the closer the more")
    metric: Literal["manhattan", "euclidean"] | Auto = Field(
        "auto", description="distance: manhattan up to 10 000 rows of a fold, else euclidean"
    )
    rows: Count = Field(50_000, description="training rows that are searched; of more, a random sample")
    encode: Encode = Field(
        Encode(skew="yeo-johnson", max_one_hot=10, min_rows=5),
        description="how columns become numbers; more than 10 levels: target means",
    )


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn, settings=_settings, judge=_judge, weighs=False)


def _settings(recipe: Recipe) -> tuple[int, ...]:  # noqa: ARG001 - the same for all
    return NUMBERS


def _learn(lesson: Lesson) -> Learnt:
    """Keep the rows. One more neighbour, anywhere, has the classes' shares, so that none is impossible."""
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    from pipeline.models._scikit import encoded, fitted

    lesson = _sampled(lesson)
    number = min(lesson.setting or lesson.recipe.neighbours, len(lesson.train.y))
    columns, X = encoded(lesson)
    kind = KNeighborsClassifier if lesson.task.classes else KNeighborsRegressor
    search = kind(number, weights=lesson.recipe.weights, algorithm="brute", metric=lesson.recipe.metric)
    return fitted(search, columns, X, lesson, doubt=1 / number)


def _judge(lesson: Lesson) -> np.ndarray:
    """Return the loss on the stopping rows of each of NUMBERS; the nearest of all are looked for once."""
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    from pipeline.models._folds import LabelledRows
    from pipeline.models._scikit import encoded, loss, shares

    lesson = _sampled(lesson)
    columns, X = encoded(lesson)
    task, y, held = lesson.task, lesson.train.y, lesson.stop
    assert held is not None
    if X.shape[1] == 0:
        return np.zeros(len(NUMBERS))
    most = min(max(NUMBERS), len(y))
    search = NearestNeighbors(n_neighbors=most, algorithm="brute", metric=lesson.recipe.metric).fit(X)
    far, rows = search.kneighbors(columns.numbers(held.X))
    worth = np.ones_like(far) if lesson.recipe.weights == "uniform" else 1 / np.maximum(far, NEARLY_EQUAL)
    values = np.eye(len(task.classes))[y] if task.classes else y[:, None]
    prior = np.array(shares(y, task))
    losses = np.zeros(len(NUMBERS))
    for first in range(0, len(held.y), ROWS_AT_ONCE):
        piece = slice(first, first + ROWS_AT_ONCE)
        near, own = values[rows[piece]], LabelledRows(held.X.iloc[piece], held.y[piece])
        losses += [loss(task, own, found) for found in _predicted(near, worth[piece], prior)]
    return losses


def _predicted(near: np.ndarray, worth: np.ndarray, prior: np.ndarray) -> Iterator[np.ndarray]:
    """Yield, for each of NUMBERS, what neighbours that have `near` (n, most, n_outputs) predict for rows.

    worth (n, most): what each neighbour counts. prior (n_classes,): shares that one more has, of values none.
    """
    for number in NUMBERS:
        own = worth[:, :number, None]
        found = (own * near[:, :number]).sum(axis=1) / own.sum(axis=1)
        yield (number * found + prior) / (number + 1) if len(prior) else found[:, 0]


def _sampled(lesson: Lesson) -> Lesson:
    """Return the lesson with as many training rows as are searched, of every part of the table."""
    from dataclasses import replace

    import numpy as np

    n, most = len(lesson.train.y), lesson.recipe.rows
    if n <= most:
        return lesson
    rows = np.sort(np.random.default_rng(lesson.seed).choice(n, most, replace=False))
    train = replace(lesson.train, X=lesson.train.X.iloc[rows], y=lesson.train.y[rows])
    return replace(lesson, train=train)


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:  # noqa: ARG001 - the same for all tasks
    """Return the recipe with a metric; how many neighbours is left to the fold where it says so."""
    metric = "manhattan" if n_rows <= SMALL else "euclidean"
    return recipe.model_copy(update={"metric": metric}) if recipe.metric == "auto" else recipe


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe with as many rows to search as so many minutes allow on two cores."""
    while seconds(recipe, **size) > 60 * minutes and recipe.rows > FEWEST_ROWS:
        fewer = max(FEWEST_ROWS, min(recipe.rows, size["n_train"]) * 3 // 4)
        recipe = recipe.model_copy(update={"rows": fewer})
    return recipe


def seconds(recipe: Any, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes: distances of all rows (once more if they choose) from those that are searched."""
    asked = 1.2 * n_train + n_test + (n_train if recipe.stop_on == "inner" else 0)
    distances = asked * min(recipe.rows, n_train)
    own = SECONDS_A_DISTANCE[recipe.metric] * (n_columns + 10) + 1e-8 * min(n_outputs, 10)
    return n_fits * (encoding_seconds(recipe, n_train, n_columns) + own * distances)


cross_fit, load = verbs(_kind, settled)
