"""One fold of the rehearsal, fitted before and after a change of rows it does not train on: what moved?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.audit._finding import Finding
from pipeline.audit._rehearsal import fit, marked, not_tried, recipes
from pipeline.engine.stage import Job
from pipeline.stages.train import save_fitted
from pipeline.types import STOP, TRAIN, Folds, Table
from pipeline.wording import first_few


@dataclass(frozen=True)
class Traces:
    """What one fold of one model left behind: its fitted files, and what it predicts for rows that did not change."""

    files: dict[str, bytes]
    predicted: np.ndarray

    def alike(self, again: Traces) -> Traces:
        """Keep the files that another fit of the same rows writes alike: CatBoost's hold an id of each fit."""
        return replace(self, files={name: text for name, text in self.files.items() if again.files.get(name) == text})


def middle(folds: Folds) -> Folds:
    """Return the middle fold alone: of folds in time there are rows before and after it."""
    return Folds(folds.role[:1, [folds.n_folds // 2]], folds.kind)


def outside(fold: Folds) -> np.ndarray:
    """Return the rows that a fold does not train on: those it validates, and those that it leaves out."""
    return np.flatnonzero((fold.role[0, 0] != TRAIN) & (fold.role[0, 0] != STOP))


def compare(
    job: Job, before: Table, after: Table, fold: Folds, unchanged: tuple[np.ndarray, np.ndarray], what: str
) -> list[Finding]:
    """Fit every model's fold on both tables; unchanged: rows of train and of test whose predictions must stay."""
    found = not_tried(job)
    todo = "fit what looks at more than one row on the training rows of the fold (folds.train_rows) alone"
    wanted = recipes(job)
    with job.log.progress("models before and after", 2 * len(wanted)) as bar:
        for name, recipe in wanted.items():
            first, second = (_traces(job, name, recipe, table, fold, unchanged) for table in (before, after))
            bar.advance(2)
            if not _moved(first, second):
                continue
            again = _traces(job, name, recipe, before, fold, unchanged)
            alike = first.alike(again)
            moved = _moved(alike, replace(second, files={name: second.files.get(name, b"") for name in alike.files}))
            if first.predicted.tobytes() != again.predicted.tobytes():
                found.append(Finding("note", "not judged: two fits of the same rows differ", name, ""))
            elif moved and marked(recipe):
                found.append(Finding("note", f"stop_on = 'fold' depends on {what}, as its mark says", name, moved))
            elif moved:
                found.append(Finding("leak", f"a fold depends on {what}", f"model {name}", moved, todo))
    return found


def differing(before: pd.DataFrame, after: pd.DataFrame, rows: np.ndarray) -> list[str]:
    """Return the columns that are not the same in these rows, missing columns included."""
    names = [name for name in dict.fromkeys([*before, *after]) if name not in before or name not in after]
    shared = [name for name in before if name in after]
    for name in shared:
        one, other = (frame[name].iloc[rows].astype(object).reset_index(drop=True) for frame in (before, after))
        if not one.equals(other):
            names.append(name)
    return names


def _traces(
    job: Job, name: str, recipe: Any, table: Table, fold: Folds, unchanged: tuple[np.ndarray, np.ndarray]
) -> Traces:
    entry = fit(job, name, recipe, table, fold)
    train, test = unchanged
    predicted = np.concatenate([entry.oof[0, train], entry.test[test]])
    with tempfile.TemporaryDirectory(dir=job.progress) as folder:
        save_fitted({name: entry}, Path(folder) / "fitted")
        places = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        files = {str(path.relative_to(folder)): path.read_bytes() for path in places}
    return Traces(files, predicted)


def _moved(first: Traces, second: Traces) -> str:
    """Say which files and predictions differ; nothing where all bytes are equal."""
    files = [name for name in first.files | second.files if first.files.get(name) != second.files.get(name)]
    moved = first.predicted.tobytes() != second.predicted.tobytes()
    if not files and not moved:
        return ""
    far = np.nanmax(np.abs(first.predicted - second.predicted), initial=0.0)
    wide = float(np.nanstd(first.predicted, axis=0).max(initial=0.0))
    n_rows = int((first.predicted != second.predicted).any(axis=1).sum())
    told = f"{n_rows} of {len(first.predicted)} predictions move, by up to {far:.3g} (their deviation is {wide:.3g})"
    return f"{first_few(files)} differ; {told}" if files else told
