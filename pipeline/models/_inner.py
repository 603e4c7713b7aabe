"""What rows inside a fold choose for its last fit, on all of its rows: rounds, smaller trees, or a setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pipeline.models._folds import Kind, Lesson
    from pipeline.types import Folds


def chosen(
    kind: Kind, recipe: Any, lesson: Callable[..., Lesson], folds: Folds, key: tuple[int, int]
) -> dict[str, Any]:
    """Return what a fold's last lesson takes over; lesson: makes one of rows to learn from and rows that choose.

    An eighth of few rows chooses by chance: there the rounds are the mean of what all cuts choose.
    """
    if kind.settings is not None and kind.judge is not None:
        losses = sum(kind.judge(lesson(*cut)) for cut in folds.inner_cuts(*key))
        return {"setting": kind.settings(recipe)[int(np.argmin(losses))]}
    by_all = recipe.chosen_by_all_cuts(len(folds.train_rows(*key)))
    cuts = folds.inner_cuts(*key) if by_all else [(folds.inner_rows(*key), folds.stop_rows(*key))]
    return _rounds(kind, recipe, [lesson(*cut) for cut in cuts])


def _rounds(kind: Kind, recipe: Any, lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Return the rounds, and the recipe to look at beside it where that one has the lower loss."""
    rounds, loss = _searched(kind, lessons)
    other = recipe.instead(rounds, lessons[0].task)
    if other is not None:
        others, lower = _searched(kind, [replace(own, recipe=other) for own in lessons])
        if lower < loss:
            return {"rounds": others, "recipe": other}
    return {"rounds": rounds}


def _searched(kind: Kind, lessons: Sequence[Lesson]) -> tuple[int, float]:
    learnt = [kind.learn(own) for own in lessons]
    return round(float(np.mean([own.rounds for own in learnt]))), float(np.mean([own.loss for own in learnt]))
