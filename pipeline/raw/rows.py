"""New rows of a competition whose columns train and test have settled: nothing is inferred from them any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, nearest
from pipeline.raw.kinds import Settled, identifiers, retype
from pipeline.raw.sheet import Sheet, blank_missing
from pipeline.wording import first_few

Say = Callable[[str], None]


@dataclass(frozen=True)
class NewRows:
    """typed: the id and every known column the file has, as in ingest's test.parquet. written: the ids as they stand.

    order (n,): the row of `typed` that each line of the submission is about; `written` is in that order.
    """

    typed: pd.DataFrame
    written: pd.Series
    order: np.ndarray


def read_rows(
    test: Sheet, sample: Sheet | None, schema: Mapping[str, Any], needed: Collection[str], say: Say
) -> NewRows:
    """Type the rows of `test` by the schema that ingest wrote; `say` hears what is odd about them.

    needed: columns without which nothing can be predicted. The submission follows `sample` where that has the same
    ids, else the test file. Raises DataError for missing columns, and ids that are missing or repeated.
    """
    name = schema["id"]
    lacking = [column for column in (name, *needed) if column not in test.columns]
    if lacking:
        found = f"{test.name} has no column {first_few(map(repr, lacking))}"
        raise DataError(f"{found}, which the models were fitted on", hint=nearest(lacking[0], test.columns))
    typed = {name: ids_of(test, schema)}
    check_ids(test, name, typed[name])
    for column in schema["columns"]:
        if column["name"] in test.columns:
            typed[column["name"]] = retyped(test, column, say)
    asking, order = _order(test, sample, typed[name], schema, say)
    written = asking.cells[name].to_pandas()
    return NewRows(pd.DataFrame(typed), written, order)


def check_ids(sheet: Sheet, name: str, ids: pd.Series) -> None:
    """Refuse ids that are missing or repeated, with their lines."""
    if ids.isna().any():
        row = int(np.flatnonzero(ids.isna())[0])
        found = f"{sheet.name}, line {sheet.line(row)}: the id {name!r} is missing"
        raise DataError(f"{found} ({ids.isna().sum()} in all)", hint="every row needs an id of its own")
    repeated = ids.duplicated(keep=False)
    if repeated.any():
        first = ids[repeated].iloc[0]
        rows = np.flatnonzero(ids == first)[:2]
        lines = " and ".join(str(sheet.line(int(row))) for row in rows)
        found = f"{sheet.name}: the id {name} = {first} stands in lines {lines}"
        hint = f"is this the id column? train may do without: called otherwise there, {name!r} can be its groups"
        raise DataError(f"{found} ({ids.duplicated().sum()} repeated ids in all)", hint=hint)


def ids_of(sheet: Sheet, schema: Mapping[str, Any]) -> pd.Series:
    """Return the ids of new rows, typed as those that the schema is about."""
    cells = sheet.cells[schema["id"]]
    if schema["id_dtype"] == "object":
        return blank_missing(cells).to_pandas().astype(object)
    return identifiers(pa.chunked_array(cells.chunks))


def retyped(sheet: Sheet, column: Mapping[str, Any], say: Say) -> pd.Series:
    """Return a column of new rows, typed as the schema says; `say` hears what it cannot hold."""
    name, cells = column["name"], sheet.cells[column["name"]]
    settled = Settled.of(column)
    values = retype(cells, settled)
    lost = int(values.isna().sum()) - settled.present(cells).null_count
    if lost:
        say(f"{name}: {lost} values are not {column['kind']}, as they were in train: they count as missing")
    return values


def _order(
    test: Sheet, sample: Sheet | None, ids: pd.Series, schema: Mapping[str, Any], say: Say
) -> tuple[Sheet, np.ndarray]:
    """Return the file whose ids the submission repeats, and the test row of each."""
    own = test, np.arange(len(ids))
    if sample is None or schema["id"] not in sample.columns:
        return own
    rows = pd.Index(ids).get_indexer(pd.Index(ids_of(sample, schema)))
    if len(rows) == len(ids) and len(set(rows.tolist())) == len(ids) and (rows >= 0).all():
        return sample, rows
    say(f"{sample.name} is about other rows than {test.name}: the submission follows {test.name}")
    return own
