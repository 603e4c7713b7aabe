"""Extremely randomised trees: all rows in every tree, and cut points drawn at random.

Source and defaults: Geurts, Ernst and Wehenkel 2006, "Extremely randomized trees": all columns for values; for
classes they draw the root of their number, which starves a tree where columns were spread over 0/1 ones: half, here.
The rest in _forest.
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
        "auto", description="share of the columns that a split may choose from: all, half for classes"
    )


def _kind() -> Kind:
    from pipeline.models._scikit import kind

    return kind(_learn)


def _learn(lesson: Lesson) -> Learnt:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    from pipeline.models._forest import grow

    return grow(lesson, ExtraTreesRegressor, ExtraTreesClassifier)


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:
    """Return the recipe with a number for every "auto", which depends on the task and the rows of a fold."""
    return settle(recipe, task, n_rows, columns=0.5 if task.classes else 1.0)


cross_fit, load = verbs(_kind, settled)
