"""The first repeat of the folds is a rung: who is behind after all of its training there is spared the others.

Errors early in a training prefer what learns fast and regularises little: on House Prices shallow networks, which end
where they are halfway, to deep ones, which end below them. The error on the first repeat's folds has no such bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.types import CrossFit, Folds, Rung

Fit = Callable[[Mapping[str, Any], Folds, tuple[Rung, ...], int], dict[str, CrossFit]]
"""Cross-fit recipes on some repeats of the folds, given up at these rungs; the number is 0 for the first repeat."""
GoesOn = Callable[[Mapping[str, float]], set[str]]
"""Say which recipes go on to the other repeats, by their mean errors on the first one's folds."""


def cross_fit(
    fit: Fit, recipes: Mapping[str, Any], folds: Folds, rungs: tuple[Rung, ...], goes_on: GoesOn
) -> dict[str, CrossFit]:
    """Fit all recipes on the first repeat's folds, and those that go on, on the others.

    rungs: of the training on the first repeat. Those that are given up have that one alone.
    """
    first = fit(recipes, _of_repeats(folds, slice(0, 1)), rungs, 0)
    errors = {name: float(entry.fold_errors.mean()) for name, entry in first.items() if not _lost(entry)}
    chosen = goes_on(errors)
    first |= {name: _judged(first[name], error, name in chosen) for name, error in errors.items()}
    going = {name: recipe for name, recipe in recipes.items() if name in chosen}
    others = fit(going, _of_repeats(folds, slice(1, None)), (), 1) if going else {}
    return {name: _joined(entry, others[name]) if name in going else entry for name, entry in first.items()}


def _of_repeats(folds: Folds, which: slice) -> Folds:
    return replace(folds, role=folds.role[which], part=None if folds.part is None else folds.part[which])


def _lost(entry: CrossFit) -> bool:
    return bool(entry.failed or entry.truncated) or not np.isfinite(entry.fold_errors).all()


def _judged(entry: CrossFit, error: float, goes_on: bool) -> CrossFit:
    entry = replace(entry, rungs=(*entry.rungs, error))
    if goes_on:
        return entry
    nothing: dict[str, Any] = {
        name: np.full_like(getattr(entry, name), np.nan) for name in ("oof", "fold_errors", "train_errors")
    }
    return replace(entry, **nothing, given_up=True, failed="given up after the first repeat")


def _joined(first: CrossFit, others: CrossFit) -> CrossFit:
    """Return the entry of all repeats; it has no test rows, which searches do not ask for."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(others, name)])
        for name in ("oof", "fold_errors", "train_errors", "epochs")
    }
    return replace(
        first, **arrays, seconds=first.seconds + others.seconds, failed=others.failed, truncated=others.truncated
    )
