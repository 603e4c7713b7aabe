"""What a model's plug-in may say beside Recipe, cross_fit, affordable, seconds and SHARE, and what holds if it doesn't.

Whoever asks a plug-in for one of these asks here. `load`, which predicts new rows, goes without a stand-in; LIBRARIES
is read from the source, by pipeline/engine/code.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.types import Folds, Task

TOGETHER, EACH, ONE = "together", "each", "one"


def settled(model: Any, recipe: Any, task: Task, n_rows: int) -> Any:
    """Return the recipe with a number for every "auto", in folds that are fitted on so many rows; else as it is."""
    return model.settled(recipe, task, n_rows) if hasattr(model, "settled") else recipe


def on_folds(model: Any, recipe: Any, folds: Folds | None) -> Any:
    """Return the recipe as it is trained on such folds (None: on some that cannot be paired); else as it is."""
    return model.on_folds(recipe, folds) if hasattr(model, "on_folds") else recipe


def can_be_tuned(model: Any) -> bool:
    """Say whether there is a form of its recipes that a trial is judged by."""
    return hasattr(model, "for_tuning")


def for_tuning(model: Any, recipe: Any) -> Any:
    """Return the recipe that a trial is judged by: one seed, so that trials are many; else as it is."""
    return model.for_tuning(recipe) if can_be_tuned(model) else recipe


def own_space(model: Any) -> Mapping[str, Any] | None:
    """Return what tune = "default" searches, as a TOML file would state it; else None."""
    return getattr(model, "SPACE", None)


def rungs_of(model: Any) -> Sequence[float] | None:
    """Return the shares of a training at which trials can be compared; None where they are never given up."""
    return getattr(model, "RUNGS", None)


def begins_anew(model: Any) -> bool:
    """Say whether it fits from the beginning after every rung; else it goes on with what it has."""
    return getattr(model, "BEGINS_ANEW", False)


def targets_of(model: Any) -> str:
    """Return how it fits several targets: TOGETHER in one fit, not at all if it takes ONE only; else EACH by itself."""
    return getattr(model, "TARGETS", EACH)


def why_not_refitted(model: Any) -> str:
    """Return why it cannot be fitted once more on all rows; else nothing."""
    return getattr(model, "NOT_REFITTED", "")


def is_made_elsewhere(model: Any) -> bool:
    """Say whether it fits nothing and reads files, which its `sources` names; else it is fitted here."""
    return hasattr(model, "sources")


def predicts_new_rows(model: Any) -> bool:
    """Say whether what it has fitted can be read again, by its `load`."""
    return hasattr(model, "load")


def thin(model: Any, folder: Path, parts: Collection[str]) -> None:
    """Leave the parts out of a fitted model that have no weight; else it stays whole."""
    if hasattr(model, "thin"):
        model.thin(folder, parts)
