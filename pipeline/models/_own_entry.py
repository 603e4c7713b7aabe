"""An entry of the library made of files from elsewhere: read, matched with our rows, doubted, and marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ModelError
from pipeline.models import _own_files
from pipeline.models._own_doubts import doubts
from pipeline.types import CrossFit, Folds, Table

if TYPE_CHECKING:
    from pipeline.models.own import Recipe

UNKNOWN = "made elsewhere, on folds that are not known: its score and its weight may be flattered"
ONCE = "made elsewhere, once for all repeats"
UNCOMPARED = "made elsewhere, and no entry of ours to compare it with: nobody looked whether it is too good to be true"


@dataclass(frozen=True)
class Elsewhere:
    """What an entry is read from: files by role, the name of their ids' column, and our entries to compare with."""

    files: Mapping[str, Path]
    id_name: str
    others: Mapping[str, CrossFit]


def read_entry(recipe: Recipe, table: Table, folds: Folds, elsewhere: Elsewhere) -> CrossFit:
    """Return the entry; `findings` say what is not known of it, or was overlooked because it is trusted.

    Raises ModelError where the files do not fit our rows or, unless trusted, cannot be true.
    """
    file = _own_files.read(elsewhere.files["oof"], elsewhere.id_name)
    oof, wrong = _out_of_fold(file, table, folds)
    test = _own_files.read(elsewhere.files["test"], elsewhere.id_name)
    errors = folds.errors(table.task.metric, table.target, oof)
    unknown = np.full_like(errors, np.nan)
    predicted = _own_files.predictions(test, table.test_ids, table.task)
    entry = CrossFit(oof, predicted, errors, unknown, unknown, recipe.stop_on)
    wrong += doubts(entry, elsewhere.others, table, folds)
    alone = [UNCOMPARED] * all(other.reference for other in elsewhere.others.values())
    if wrong and not recipe.trusted:
        raise ModelError(
            f"{file.name}: {'; '.join(wrong)}",
            hint="`pipeline folds` writes our folds, to predict on; trusted = true lets it join all the same",
        )
    return replace(entry, findings=(*_marks(file, folds), *(f"trusted although {why}" for why in wrong), *alone))


def _out_of_fold(file: _own_files.OwnFile, table: Table, folds: Folds) -> tuple[np.ndarray, list[str]]:
    """Return the predictions (n_repeats, n_train, n_outputs), and how the folds that the file states differ."""
    oof = np.full((folds.n_repeats, len(table.train), table.task.n_outputs), np.nan)
    wrong = []
    for repeat, part in enumerate(_own_files.by_repeat(file, folds.n_repeats)):
        covered = folds.covered[repeat]
        ids = table.train_ids[covered]
        oof[repeat, covered] = _own_files.predictions(part, ids, table.task)
        if _own_files.FOLD in part.numbers:
            wrong.append(_own_files.other_folds(_own_files.folds_of(part, ids), folds, repeat))
    return oof, [why for why in wrong if why]


def _marks(file: _own_files.OwnFile, folds: Folds) -> list[str]:
    once = folds.n_repeats > 1 and _own_files.REPEAT not in file.numbers
    return [UNKNOWN] * (_own_files.FOLD not in file.numbers) + [ONCE] * once
