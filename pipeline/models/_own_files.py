"""Predictions that were made elsewhere: files of ids and numbers, matched with our rows or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import DataError, ModelError, nearest
from pipeline.raw.kinds import identifiers
from pipeline.raw.sample import find_class_columns
from pipeline.raw.sheet import blank_missing, read_sheet
from pipeline.types import Folds, Task
from pipeline.wording import first_few

FOLD, REPEAT = "fold", "repeat"
SUM_TOLERANCE = 0.02  # probabilities may be rounded
EDGE_TOLERANCE = 1e-6  # and come from float32


@dataclass(frozen=True)
class OwnFile:
    """A file's columns: ids, and beside them numbers. name: what messages call it."""

    name: str
    ids: pd.Index
    numbers: pd.DataFrame

    @property
    def outputs(self) -> list[str]:
        return [name for name in self.numbers.columns if name not in (FOLD, REPEAT)]


def read(path: Path, id_name: str) -> OwnFile:
    """Read a CSV or parquet file; raises ModelError where a column is missing or holds what is no number."""
    table = _table(path)
    if id_name not in table.column_names:
        found = f"{path}: no column is called '{id_name}', which has the ids"
        raise ModelError(found, hint=nearest(id_name, table.column_names))
    ids = identifiers(pa.chunked_array(table[id_name].cast(pa.string())))
    if ids.isna().any():
        raise ModelError(f"{path}: {int(ids.isna().sum())} rows have no {id_name}")
    rest = {name: _numbers(table[name], f"{path}: {name}") for name in table.column_names if name != id_name}
    return OwnFile(str(path), pd.Index(ids), pd.DataFrame(rest))


def predictions(file: OwnFile, wanted: np.ndarray, task: Task) -> np.ndarray:
    """Return what a file predicts (n, n_outputs) for the rows with the ids wanted (n,), in their order.

    Raises ModelError where ids are missing, unknown or double, and where a prediction is not finite or no probability.
    """
    rows = _match(file, wanted)
    found = file.numbers[_columns(file, task)].to_numpy(np.float64)[rows]
    bad = ~np.isfinite(found).all(axis=1)
    if bad.any():
        raise ModelError(f"{file.name}: {_some(wanted[bad], 'rows')} have a prediction that is missing or infinite")
    return found if task.kind == "regression" else _probabilities(file, found, wanted)


def folds_of(file: OwnFile, wanted: np.ndarray) -> np.ndarray:
    """Return which fold a file says that the rows with the ids wanted (n,) belong to."""
    return file.numbers[FOLD].to_numpy()[_match(file, wanted)]


def by_repeat(file: OwnFile, n_repeats: int) -> list[OwnFile]:
    """Return the file's rows of each of our repeats; one without a column "repeat" stands for all of them."""
    if REPEAT not in file.numbers:
        return [file] * n_repeats
    numbers = file.numbers[REPEAT].to_numpy()
    known = np.unique(numbers)
    if len(known) != n_repeats:
        raise ModelError(f"{file.name}: {len(known)} repeats, but the split makes {n_repeats}")
    return [
        OwnFile(f"{file.name}, repeat {place}", file.ids[numbers == number], file.numbers[numbers == number])
        for place, number in enumerate(known)
    ]


def other_folds(theirs: np.ndarray, folds: Folds, repeat: int) -> str:
    """Return how a file's folds (n_covered,) differ from those that a repeat validates, in words; "" if they do not.

    They may be numbered otherwise.
    """
    ours = folds.role[repeat][:, folds.covered[repeat]].argmax(axis=0)  # VALID is the highest role
    pairs = pd.DataFrame({"theirs": theirs, "ours": ours}).value_counts(dropna=False).reset_index()
    n_matched = int(pairs.drop_duplicates("theirs").drop_duplicates("ours")["count"].sum())
    n_other = len(ours) - n_matched
    return f"its folds are not ours: {n_other} of {len(ours)} rows are in another" if n_other else ""


def _table(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        try:
            return pq.read_table(path)
        except pa.ArrowInvalid as error:
            raise ModelError(f"{path} cannot be read as parquet: {error}") from error
    try:
        return read_sheet(path).cells
    except DataError as error:
        raise ModelError(f"{path}: {error}", hint="CSV with a header, as a submission has") from error


def _numbers(cells: pa.ChunkedArray, where: str) -> np.ndarray:
    """Return cells (n,) as float64, missing ones as NaN."""
    present = blank_missing(cells) if pa.types.is_string(cells.type) else cells
    try:
        return np.asarray(pc.cast(present, pa.float64()).to_pandas())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ModelError(
            f"{where}: expected numbers: {error}", hint="remove columns that are not predictions"
        ) from error


def _columns(file: OwnFile, task: Task) -> list[str]:
    """Return the file's columns of each output, in their order."""
    others = file.outputs
    if len(others) == task.n_outputs == 1 or (len(others) == 1 and task.kind == "binary"):
        return others
    if task.targets and sorted(others) == sorted(task.targets):
        return list(task.targets)
    if task.kind == "regression":
        expected = f"the columns {', '.join(task.targets)}" if task.targets else "one column of predictions"
        raise ModelError(f"{file.name}: expected {expected}, found {', '.join(others) or 'none'}")
    try:
        column_of = find_class_columns({"submission": "probabilities", "id": ""}, others, list(task.classes))
    except DataError as error:
        one = f", or one with the probability of {task.classes[-1]}" if task.kind == "binary" else ""
        raise ModelError(
            f"{file.name}: found the columns {', '.join(others) or 'none'}, expected one a class{one}",
            hint=f"classes: {', '.join(task.classes)}",
        ) from error
    return [column_of[name] for name in task.classes]


def _match(file: OwnFile, wanted: np.ndarray) -> np.ndarray:
    """Return the file's row of each id wanted (n,)."""
    if not file.ids.is_unique:
        twice = file.ids[file.ids.duplicated()].unique()
        raise ModelError(f"{file.name}: {_some(twice.to_numpy(), 'ids')} occur more than once")
    ids = file.ids if file.ids.dtype == pd.Index(wanted).dtype else file.ids.astype(str)
    rows = ids.get_indexer(pd.Index(wanted))
    if (rows < 0).any():
        raise ModelError(
            f"{file.name}: {_some(wanted[rows < 0], f'of {len(wanted)} ids')} are not there",
            hint="every row that our folds validate, and every test row, needs a prediction",
        )
    return rows


def _probabilities(file: OwnFile, found: np.ndarray, ids: np.ndarray) -> np.ndarray:
    found = np.column_stack([1 - found, found]) if found.shape[1] == 1 else found
    outside = ((found < -EDGE_TOLERANCE) | (found > 1 + EDGE_TOLERANCE)).any(axis=1)
    uneven = np.abs(found.sum(axis=1) - 1) > SUM_TOLERANCE
    for bad, why in ((outside, "are below 0 or above 1"), (uneven, "do not sum to 1")):
        if bad.any():
            hint = "probabilities are expected, no labels, margins or logits"
            raise ModelError(f"{file.name}: the predictions for {_some(ids[bad], 'rows')} {why}", hint=hint)
    found = np.clip(found, 0.0, 1.0)
    return found / found.sum(axis=1, keepdims=True)


def _some(ids: np.ndarray, what: str) -> str:
    return f"{len(ids)} {what} ({first_few(ids, 3)})"
