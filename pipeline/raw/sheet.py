"""CSV text as a table of strings: separators and headers understood, ragged lines refused with their number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipeline.errors import DataError
from pipeline.raw.source import UNLESS_OWN, Text, read_text

SEPARATORS = (",", ";", "\t", "|")

# what pandas.read_csv takes for a missing value by default (pandas 2.3, read_csv, na_values)
MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


@dataclass(frozen=True)
class Sheet:
    """A CSV file's cells as trimmed strings, none of them missing yet, with where they came from.

    header: the columns' names as the file writes them, untrimmed; those of `cells` are trimmed, and none is empty.
    """

    name: str
    cells: pa.Table
    header: tuple[str, ...]
    text: Text
    separator: str
    notes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        return self.cells.column_names

    def line(self, row: int) -> int:
        """Return the line of the file (from 1) on which a row (position from 0) starts; slow, for messages."""
        records = _records(self.text, self.separator)
        return next(line for position, (line, _) in enumerate(records, start=-1) if position == row)


def read_sheet(path: Path) -> Sheet:
    """Read a CSV file; every refusal is a DataError that names file and line."""
    return parse(read_text(path))


def blank_missing(cells: pa.ChunkedArray, words: tuple[str, ...] = MISSING) -> pa.ChunkedArray:
    """Return the cells with null where one of `words` stands."""
    return pc.if_else(pc.is_in(cells, value_set=pa.array(words)), pa.scalar(None, pa.string()), cells)


def parse(text: Text) -> Sheet:
    """Turn CSV text into a table of strings."""
    separator = _separator(text)
    records = _records(text, separator)
    _, as_written = next(records)
    first_line = next((line for line, _ in records), None)
    header = [
        name.strip() or f"Unnamed: {position}" for position, name in enumerate(as_written)
    ]  # as pandas calls them
    _check_header(text, header)
    if first_line is None:
        raise DataError(f"{text.name} has a header but no rows", hint=UNLESS_OWN)
    quoted = b'"' in text.content
    block = min(len(text.content) + 1, (1 << 31) - 1) if quoted else 1 << 24
    try:
        cells = arrow_csv.read_csv(
            pa.BufferReader(text.content),
            read_options=arrow_csv.ReadOptions(column_names=header, skip_rows=first_line - 1, block_size=block),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator, newlines_in_values=quoted, invalid_row_handler=_skip_blank
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise _ragged(text, separator, header, error) from None
    trimmed = [pc.utf8_trim_whitespace(column) for column in cells.columns]
    table = pa.table(trimmed, names=header)
    decimal = _decimal_commas(table, separator)
    for name in decimal:
        table = table.set_column(header.index(name), name, pc.replace_substring(table[name], ",", "."))
    notes = (*text.notes, *_notes(text, separator, header, decimal))
    return Sheet(text.name, table, tuple(as_written), text, separator, notes)


def _skip_blank(row: arrow_csv.InvalidRow) -> str:
    """Pass over a line of blanks alone, as pandas does; any other that does not fit the header is an error."""
    return "error" if row.text.strip() else "skip"


def _decimal_commas(table: pa.Table, separator: str) -> list[str]:
    """Return the columns with decimal commas; none where the comma separates, or all may stand between thousands.

    Where semicolons separate they are decimal: that is how spreadsheets write in languages with decimal commas.
    """
    found = [name for name in table.column_names if separator != "," and _has_decimal_commas(table[name])]
    thousands = r"^[+-]?([0-9]+|[1-9][0-9]{0,2}(,[0-9]{3})+)$"
    known = (blank_missing(table[name]).drop_null() for name in found)
    sure = separator == ";" or any(not pc.all(pc.match_substring_regex(own, thousands)).as_py() for own in known)
    return found if sure else []


def _has_decimal_commas(cells: pa.ChunkedArray) -> bool:
    """Whether all cells but missing ones are numbers, some of them with a decimal comma (3,14 or ,5 or 1,2E-05)."""
    known = blank_missing(cells).drop_null()
    number = r"^[+-]?([0-9]+(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?$"
    numbers = pc.all(pc.match_substring_regex(known, number), min_count=1)
    return bool(numbers.as_py() and pc.any(pc.match_substring(known, ",")).as_py())


def _notes(text: Text, separator: str, header: list[str], decimal: list[str]) -> list[str]:
    words = {";": "semicolons", "\t": "tabs", "|": "bars"}
    notes = [f"{text.name}: fields are separated by {words[separator]}"] if separator in words else []
    if decimal:
        notes.append(f"{text.name}: decimal commas are read as points in {', '.join(decimal)}")
    nameless = [name for name in header if name.startswith("Unnamed: ")]
    return notes + [f"{text.name}: a column without a name is called {name!r}" for name in nameless]


def _records(text: Text, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which it starts, fields) of every record that is not blank; in a single column blanks count."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text.content)))
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(text.content), encoding="utf-8", newline=""), delimiter=separator)
    line, single = 1, None
    for record in reader:
        single = len(record) == 1 if single is None and record else single
        if record and (single or len(record) > 1 or record[0].strip()):
            yield line, record
        line = reader.line_num + 1


def _separator(text: Text) -> str:
    """The one of the usual separators that cuts the header into most fields, the comma where another does as well.

    Those come first that cut the row below it into as many: names of columns may hold any of them.
    """

    def fits(separator: str) -> tuple[bool, int]:
        header, *rows = (len(fields) for _, fields in islice(_records(text, separator), 2))
        return header > 1 and all(row == header for row in rows), header

    return max(SEPARATORS, key=fits)


def _check_header(text: Text, header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{text.name}, line 1: the column name {twice[0]!r} stands there twice", hint="rename one")


def _ragged(text: Text, separator: str, header: list[str], error: Exception) -> DataError:
    for line, record in _records(text, separator):
        if len(record) != len(header):
            found = f"{text.name}, line {line}: found {len(record)} fields, expected {len(header)} as in the header"
            return DataError(found, hint="a broken download, or a text with a separator in it and no quotes around it")
    return DataError(f"{text.name} cannot be read as CSV: {error}", hint=UNLESS_OWN)
