"""Rows with a target: what their file says of it, and files of such rows beside train, typed as train is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, nearest
from pipeline.raw.kinds import Settled, numbers, retype, settle
from pipeline.raw.labels import as_classes
from pipeline.raw.rows import Say, ids_of, retyped
from pipeline.raw.sheet import Sheet, blank_missing
from pipeline.wording import first_few


def labels_of(sheet: Sheet, name: str) -> pd.Series:
    """Return class labels as they are written; a class may well be called None, only an empty cell is missing."""
    return blank_missing(sheet.cells[name], ("",)).to_pandas().astype(object)


def target_values(sheet: Sheet, name: str) -> pd.Series:
    """Return a regression's target as float64, NaN where it is missing; what is no number is a DataError."""
    present = blank_missing(sheet.cells[name])
    values = numbers(present)
    if values is None or not np.isfinite(values.dropna()).all():
        parsed = pd.to_numeric(present.to_pandas(), errors="coerce").replace([np.inf, -np.inf], np.nan)
        wrong = np.flatnonzero(parsed.isna() & ~present.is_null().to_pandas())
        row = int(wrong[0]) if len(wrong) else 0
        found = (
            f"{sheet.name}, line {sheet.line(row)}: the target {name} is {present[row].as_py()!r}, expected a number"
        )
        raise DataError(found, hint="check task and target in competition.toml")
    return values.astype(np.float64)


def read_labelled(sheet: Sheet, schema: Mapping[str, Any], besides: Sequence[str], say: Say) -> pd.DataFrame:
    """Type a file's rows by the schema that ingest wrote: id, the columns of train and test, besides, target.

    What the file lacks of train's columns is missing; of `besides` (groups, time, weight) it is left out. Rows without
    a target are left out. Raises DataError where the target is absent or other than train's, or no column is train's.
    """
    target = schema["target"]
    if target not in sheet.columns:
        hint = f"{nearest(target, sheet.columns)}; rows without a target teach nothing: rename the column in the file"
        raise DataError(f"{sheet.name} has no target column {target!r}", hint=hint)
    known = [column for column in schema["columns"] if column["name"] in sheet.columns]
    if not known:
        names = [column["name"] for column in schema["columns"]]
        hint = nearest(next((n for n in sheet.columns if n != target), target), names)
        raise DataError(f"{sheet.name} has no column in common with train but the target", hint=hint)
    typed = {schema["id"]: _ids(sheet, schema)}
    for column in schema["columns"]:
        typed[column["name"]] = retyped(sheet, column, say) if column in known else _missing(sheet, column)
    ours = {column["name"]: column for column in schema["only_in_train"]}
    for name in besides:
        if name in sheet.columns and name not in typed:
            typed[name] = retyped(sheet, ours[name], say) if name in ours else settle(name, sheet.cells[name]).values
    typed[target] = _known_labels(sheet, schema) if schema["classes"] else target_values(sheet, target)
    rows = pd.DataFrame(typed)
    _tell(sheet, schema, rows[target].isna(), [c["name"] for c in schema["columns"] if c not in known], say)
    return rows[rows[target].notna()].reset_index(drop=True)


def _ids(sheet: Sheet, schema: Mapping[str, Any]) -> pd.Series:
    """Return the file's own ids where they are of the type of train's, else numbers from 0.

    Nothing looks a row up by them, but ids of one type alone can be written to one file.
    """
    ids = ids_of(sheet, schema) if schema["id"] in sheet.columns else None
    if ids is not None and str(ids.dtype) == schema["id_dtype"]:
        return ids
    numbered = pd.Series(range(sheet.cells.num_rows))
    return numbered.astype(str).astype(object) if schema["id_dtype"] == "object" else numbered


def _missing(sheet: Sheet, column: Mapping[str, Any]) -> pd.Series:
    nothing = pa.chunked_array([pa.nulls(sheet.cells.num_rows, pa.string())])
    return retype(nothing, Settled.of(column))


def _known_labels(sheet: Sheet, schema: Mapping[str, Any]) -> pd.Series:
    """Return labels as train spells them; one that train does not have is a DataError."""
    labels, classes = labels_of(sheet, schema["target"]), schema["classes"]
    ours = as_classes(labels, classes)
    unknown = np.flatnonzero(ours.isna() & labels.notna())
    if len(unknown):
        label = str(labels.iloc[unknown[0]])
        found = f"{sheet.name}, line {sheet.line(int(unknown[0]))}: the target {schema['target']} is {label!r}"
        found += f" ({len(unknown)} rows), which is not a class of train: {first_few(classes)}"
        raise DataError(found, hint="leave these rows out of the file, or spell the classes as train does")
    return ours


def _tell(sheet: Sheet, schema: Mapping[str, Any], unlabelled: pd.Series, lacking: list[str], say: Say) -> None:
    if unlabelled.all():
        raise DataError(f"{sheet.name}: the target {schema['target']} is missing in every row")
    if unlabelled.any():
        say(f"{sheet.name}: {int(unlabelled.sum())} rows have no {schema['target']} and are left out")
    if lacking:
        n_lacking = f"{len(lacking)} of {len(schema['columns'])} columns"
        say(f"{sheet.name} lacks {n_lacking}, missing in its rows: {first_few(lacking)}")
