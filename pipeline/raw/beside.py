"""Files beside train and test (stores, weather, a calendar), whose columns join theirs, and ids made up of columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ConfigError, DataError, nearest
from pipeline.raw.rows import Say
from pipeline.raw.sheet import Sheet
from pipeline.raw.source import TABLES

JOINED = b"joined"
"""Under which key a table's file says how it is joined."""

BETWEEN = "_"
"""What stands between the parts of an id that is made up of columns, as in Walmart's 1_1_2012-11-02."""


def silent(_: str) -> None:
    """Hear what is odd about rows, and say nothing, since somebody else does."""


@dataclass(frozen=True)
class Beside:
    """A table with one row for each key. on: the columns by which it is joined, as cells are written."""

    name: str
    on: tuple[str, ...]
    cells: pa.Table

    @property
    def brings(self) -> list[str]:
        """The columns that rows get from it."""
        return [name for name in self.cells.column_names if name not in self.on]

    @property
    def repeated(self) -> np.ndarray:
        """(n,): which of its rows have a key that one before has; of a table that can be joined, none."""
        return _keys(self.cells, self.on).duplicated()

    def fits(self, columns: Iterable[str]) -> bool:
        """Say whether rows with these columns can be joined with it."""
        return set(self.on) <= set(columns)

    def share_of(self, sheet: Sheet) -> float:
        """Return the share of a file's rows that have one here."""
        return float((self._rows(sheet) >= 0).mean())

    def join(self, sheet: Sheet, say: Say) -> Sheet:
        """Return a file's rows, as many and in the same order, with this table's columns: empty where it has no row.

        A column that is there already stays as it is; `say` hears where the table has other values. Rows that have all
        of its columns, and not those that it is joined by, stay as they are.
        """
        if not self.fits(sheet.columns) and set(self.brings) <= set(sheet.columns):
            return sheet
        if lacking := [name for name in self.on if name not in sheet.columns]:
            found = f"{sheet.name} has no column {lacking[0]!r}, by which {self.name} is joined"
            raise DataError(found, hint=nearest(lacking[0], sheet.columns))
        rows = self._rows(sheet)
        if alone := int((rows < 0).sum()):
            some = _key(sheet.cells, self.on, int(np.argmin(rows)))
            say(f"{self.name}: {alone} of {len(rows)} rows of {sheet.name} have no row there, such as {some}")
        cells = sheet.cells
        for name in self.brings:
            brought = pc.fill_null(self.cells[name].take(pa.array(rows, mask=rows < 0)), "")
            if name not in sheet.columns:
                cells = cells.append_column(name, brought)
            elif n := int((pc.not_equal(brought, cells[name]).to_numpy() & (rows >= 0)).sum()):
                say(f"{name}: {n} rows of {sheet.name} have another value in {self.name}; the one that they had counts")
        return replace(sheet, cells=cells)

    def _rows(self, sheet: Sheet) -> np.ndarray:
        """Return (n,) the row of this table that each of the file's rows goes with, -1 where there is none."""
        return np.asarray(_keys(self.cells, self.on).get_indexer(_keys(sheet.cells, self.on)))

    def check(self, sheet: Sheet) -> None:
        """Raise a DataError where no row of a file has one in this table."""
        if self.fits(sheet.columns) and not self.share_of(sheet):
            theirs, ours = _key(sheet.cells, self.on, 0), _key(self.cells, self.on, 0)
            found = f"no row of {sheet.name} has one in {self.name}: {theirs} is not there, {ours} is"
            raise DataError(found, hint="check [tables] in competition.toml; cells must be written alike in both files")


def beside(sheet: Sheet, on: Sequence[str]) -> Beside:
    """Return a file as a table that others are joined with. Raises ConfigError, and DataError for a repeated key."""
    where = f"competition.toml, [tables] {sheet.name}"
    for name in on:
        if name not in sheet.columns:
            raise ConfigError(f"{where}: the file has no column {name!r}", hint=nearest(name, sheet.columns))
    table = Beside(sheet.name, tuple(on), sheet.cells)
    if not table.brings:
        raise ConfigError(
            f"{where}: it has no column but {', '.join(on)}", hint="name those alone that tell rows apart"
        )
    if (repeated := table.repeated).any():
        first = int(np.flatnonzero(repeated)[0])
        found = f"{sheet.name}, line {sheet.line(first)}: a second row with {_key(sheet.cells, on, first)}"
        hint = "list every column that tells its rows apart, or sum it up to one row a key in a file of your own"
        raise DataError(f"{found} ({repeated.sum()} such rows in all), expected one row for each", hint=hint)
    return table


def _key(cells: pa.Table, on: Sequence[str], row: int) -> str:
    return ", ".join(f"{name} = {cells[name][row].as_py()}" for name in on)


def _keys(cells: pa.Table, on: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(cells.select(list(on)).to_pandas())


def composed(sheet: Sheet, parts: Sequence[str]) -> pa.ChunkedArray:
    """Return the ids (n,) that a file's rows have where they are made up of these columns."""
    for name in parts:
        if name not in sheet.columns:
            found = f"{sheet.name} has no column {name!r}, of which the id is made up (id_from)"
            raise DataError(found, hint=nearest(name, sheet.columns))
    return pc.binary_join_element_wise(*(sheet.cells[name] for name in parts), BETWEEN)


def widened(sheet: Sheet, facts: Mapping[str, Any], tables: Sequence[Beside], say: Say, check: bool = False) -> Sheet:
    """Return a file of rows with an id made up of its columns, where it has none, and with the columns of all tables.

    facts: id and, where files lack it, id_from: the columns of which it is made up, or the number of the first row.
    check: whether a table without a row for any of these is refused. Raises DataError where a column is lacking.
    """
    parts = facts.get("id_from")
    if parts is not None and facts["id"] not in sheet.columns:
        n_rows = sheet.cells.num_rows
        counted = isinstance(parts, int)
        ids = pa.array(map(str, range(parts, parts + n_rows))) if counted else composed(sheet, parts)
        sheet = replace(sheet, cells=sheet.cells.add_column(0, facts["id"], ids))
    for table in tables:
        if check:
            table.check(sheet)
        sheet = table.join(sheet, say)
    return sheet


def write_tables(folder: Path, tables: Sequence[Beside]) -> None:
    """Write tables to <folder>/tables, in their order."""
    (folder / TABLES).mkdir()
    for place, table in enumerate(tables):
        known = json.dumps({"name": table.name, "on": table.on}).encode()
        pq.write_table(table.cells.replace_schema_metadata({JOINED: known}), folder / TABLES / f"{place}.parquet")


def read_tables(folder: Path) -> list[Beside]:
    """Read what `write_tables` wrote; none where there is no such folder."""
    files = sorted((folder / TABLES).glob("*.parquet"), key=lambda file: int(file.stem))
    return [_read(file) for file in files]


def _read(file: Path) -> Beside:
    table = pq.read_table(file)
    known = json.loads(table.schema.metadata[JOINED])
    return Beside(known["name"], tuple(known["on"]), table)
