"""Pseudo-labels inside the fold: a fold's models label the test rows, and its next ones learn from these as well.

No model that saw a fold's validation rows labels for that fold, so that its out-of-fold predictions stay honest. The
first ones have learnt from the fold's stopping rows, which may therefore give the next ones too many rounds.
Source: Lee 2013, "Pseudo-Label: The simple and efficient semi-supervised learning method for deep neural networks".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.extra.rows import Extra, cross_fit, join_folds, join_table
from pipeline.models import _optional
from pipeline.types import TRAIN, UNUSED, CrossFit, Folds, Table

NOT_AGAIN = "not fitted on labelled test rows"
UNLABELLED = "pseudo-labels are not used: this kind of model keeps no model of each fold by itself"


def cross_fit_twice(
    model: Any,
    recipes: Mapping[str, Any],
    table: Table,
    folds: Folds,
    extra: Extra | None,
    *,
    confidence: float,
    weight: float,
    **how: Any,
) -> dict[str, CrossFit]:
    """Cross-fit, label the test rows in each fold, and cross-fit on these too; entries are those of the second time.

    confidence: of classes, the probability from which on a row is labelled with the likeliest; values are all labelled.
    weight: what a labelled row counts beside one of train. An entry that has no model of each fold stays as it is.
    """
    entries: dict[str, CrossFit] = {}
    n_rows = join_folds(folds, table, extra).n_fit_rows
    for name, given in recipes.items():
        alone = _optional.on_folds(model, given, None)  # labelled rows are one fold's
        # "auto" is what it is without labelled rows, in trials and refits
        recipe = _optional.settled(model, alone, table.task, n_rows)
        first = cross_fit(model, {name: recipe}, table, folds, extra, **how)
        entry = first.get(name)
        if entry is None or set(entry.fitted) != set(folds):
            entries |= {part: replace(own, findings=(*own.findings, UNLABELLED)) for part, own in first.items()}
            continue
        labelled, role = _label(entry, table, folds, confidence)
        if len(labelled):
            whole = join_table(table, extra)
            joined = join_table(whole, _weighed(labelled, whole, weight))
            roles = join_folds(folds, table, extra).and_rows(role)
            again = None if how["log"].late() else model.cross_fit({name: recipe}, joined, roles, **how)[name]
            if again is None or again.truncated:
                entries[name] = replace(entry, truncated=entry.truncated or NOT_AGAIN)
                continue
            entry = replace(again, oof=again.oof[:, : len(table.train)], seconds=again.seconds + entry.seconds)
        entries[name] = replace(entry, findings=(*entry.findings, _told(role, table, folds)))
    return entries


def _label(entry: CrossFit, table: Table, folds: Folds, confidence: float) -> tuple[Extra, np.ndarray]:
    """Return the labelled test rows of all folds one after the other, and their roles (n_repeats, n_folds, n)."""
    rows, targets, places = [], [], []
    for place, key in enumerate(folds):
        predicted = entry.fitted[key].predict(table.test)
        sure = np.flatnonzero(predicted.max(axis=1) >= confidence) if table.task.classes else np.arange(len(predicted))
        rows.append(table.test.iloc[sure])
        values = predicted[sure].reshape(-1, *table.target.shape[1:])
        targets.append(predicted[sure].argmax(axis=1) if table.task.classes else values)
        places.append(np.full(len(sure), place))
    own = np.concatenate(places) == np.arange(folds.n_repeats * folds.n_folds)[:, None]
    role = np.where(own, np.int8(TRAIN), np.int8(UNUSED)).reshape(folds.n_repeats, folds.n_folds, -1)
    return Extra(pd.concat(rows, ignore_index=True), np.concatenate(targets).astype(table.target.dtype)), role


def _weighed(labelled: Extra, whole: Table, weight: float) -> Extra:
    if whole.weight is None and weight == 1.0:
        return labelled
    mean = 1.0 if whole.weight is None else float(whole.weight.mean())
    return replace(labelled, weight=np.full(len(labelled), weight * mean))


def _told(role: np.ndarray, table: Table, folds: Folds) -> str:
    mean = (role == TRAIN).sum() / (folds.n_repeats * folds.n_folds)
    return (
        f"pseudo-labels: a fold learns from {mean:.0f} of {len(table.test)} test rows, which its first model labelled"
    )
