"""Random forest (Breiman 2001): trees on resampled rows, each split free to choose from some of the columns only.

Defaults: a third of the columns for values (Hastie, Tibshirani and Friedman 2009, "The elements of statistical
learning", section 15.3), a quarter for classes (Probst, Boulesteix and Bischl 2019, "Tunability"); the rest in _forest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.models._fold_recipe import BEGINS_ANEW as BEGINS_ANEW
from pipeline.models._fold_recipe import RUNGS as RUNGS
from pipeline.models._fold_recipe import Auto, Share, verbs
from pipeline.models._fold_recipe import for_tuning as for_tuning
from pipeline.models._forest import SPACE as SPACE
from pipeline.models._forest import ForestRecipe, settle
from pipeline.models._forest import affordable as affordable
from pipeline.models._forest import seconds as seconds

if TYPE_CHECKING:
    from pipeline.models._folds import Kind, Learnt, Lesson
    from pipeline.types import Task

SHARE = 0.2


class Recipe(ForestRecipe):
    """How trees are grown."""

    columns: Share | Auto = Field(
        "auto", description="share of the columns that a split may choose from: 0.33, 0.25 for classes"
    )


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn)


def _learn(lesson: Lesson) -> Learnt:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from pipeline.models._forest import grow

    return grow(lesson, RandomForestRegressor, RandomForestClassifier)


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:
    """Return the recipe with a number for every "auto", which depends on the task and the rows of a fold."""
    return settle(recipe, task, n_rows, columns=0.25 if task.classes else 0.33)


cross_fit, load = verbs(_kind, settled)
