"""What a column of strings holds: numbers, booleans, dates, categories or text; train and test decide together.

| kind        | in the parquet file                        | when                                                    |
|-------------|--------------------------------------------|---------------------------------------------------------|
| numeric     | int64, or float64 where a value is missing | every value is a number and none is a code such as 007  |
| boolean     | bool, or boolean where a value is missing  | every value is True or False, however capitalised       |
| date        | datetime64[ns]                             | every value is an ISO date or time                      |
| categorical | str                                        | other strings, few levels                               |
| text        | str                                        | other strings, many levels, under two rows of each      |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.raw.dates import day_comes_first, read_dates
from pipeline.raw.sheet import MISSING, blank_missing
from pipeline.wording import first_few

Kind = Literal["numeric", "boolean", "date", "categorical", "text"]

BOOLEANS = {"true": True, "false": False}
ISO_DATE = r"^\d{4}[-/]\d{2}[-/]\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z| UTC|[+-]\d{2}:?\d{2})?)?$"
CODE = r"^[+-]?0[0-9]+$"
WHOLE = r"-?(0|[1-9][0-9]*)"
LARGEST_WHOLE = 2**53
"""Beyond it float64 leaves out some."""

MAX_CATEGORICAL_LEVELS = 100


@dataclass(frozen=True)
class Column:
    """A typed column: values of train and test in one Series (train first), its kind, and what was noted.

    day_first: of dates such as 3/4/2014, whether the day comes before the month. missing: what else than the usual
    words stands for a missing value; marked: in how many cells.
    """

    kind: Kind
    values: pd.Series
    notes: tuple[str, ...] = ()
    day_first: bool = False
    missing: tuple[str, ...] = ()
    marked: int = 0


@dataclass(frozen=True)
class Settled:
    """What train and test made of a column: its kind, the type of its values, and whether all levels are whole.

    day_first, missing: as of a Column.
    """

    kind: Kind
    dtype: str
    whole: bool
    day_first: bool = False
    missing: tuple[str, ...] = ()

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Settled:
        """Return what the schema says of a column; a schema without the order of dates means the month first."""
        own = described.get("day_first", False), tuple(described.get("missing", ()))
        return cls(described["kind"], described["dtype"], described["whole"], *own)

    def present(self, cells: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return the cells with null where a value is missing."""
        return blank_missing(cells, MISSING + self.missing)


def settle(name: str, cells: pa.ChunkedArray, forced: Kind | None = None, missing: tuple[str, ...] = ()) -> Column:
    """Type one column from its strings (train and test in one).

    forced, missing: the competition's own word on its kind, and on what else stands for a missing value.
    """
    present = blank_missing(cells, MISSING + missing)
    if forced is None:
        column = _infer(present)
        column = replace(column, notes=tuple(f"{name}: {note}" for note in column.notes))
    else:
        column = FORCED[forced](name, present)
    marked = present.null_count - blank_missing(cells).null_count if missing else 0
    return replace(column, values=column.values.rename(name), missing=missing, marked=marked)


def stated_kinds(overrides: Mapping[str, Sequence[str]]) -> dict[str, Kind]:
    """Return the kind of every column that the competition's [columns] states one of, by the column's name."""
    return {name: kind for kind in FORCED for name in overrides.get(kind, ())}


def stated_missing(stated: Sequence[Any] | Mapping[str, Sequence[Any]], name: str) -> tuple[str, ...]:
    """Return what the competition's `missing` names in a column, as cells may spell it: 999 and 999.0."""
    own = stated.get(name, ()) if isinstance(stated, Mapping) else stated
    return tuple(text for cell in own for text in ([cell.strip()] if isinstance(cell, str) else _spellings(cell)))


def _spellings(number: float) -> list[str]:
    return [f"{number:.0f}", f"{number:.1f}"] if float(number).is_integer() else [repr(number)]


def identifiers(cells: pa.ChunkedArray) -> pd.Series:
    """Return ids as int64 where all are whole numbers (3 and 3.0 are the same), else as strings; missing is NaN."""
    present = blank_missing(cells)
    return _codes(present)


def retype(cells: pa.ChunkedArray, settled: Settled) -> pd.Series:
    """Return new rows of a column as `settle` would have, had they been among those that settled it.

    What the kind cannot hold is missing; a category may be new.
    """
    present, kind, dtype = settled.present(cells), settled.kind, settled.dtype
    if kind == "numeric":
        clean = numbers(present)
        values = _numbers_among_words(present) if clean is None else clean.where(np.isfinite(clean))
        return values.astype(np.float64) if dtype == "float64" else values
    if kind == "boolean":
        values = _booleans(present)
        return values.astype("boolean") if dtype == "boolean" else values
    if kind == "date":
        return read_dates(_strings(present), settled.day_first)
    strings = _strings(present)
    return strings.map(as_whole, na_action="ignore").astype(object) if settled.whole else strings


def as_groups(column: pd.Series) -> np.ndarray:
    """Return a column as what says which rows hang together: the same for the same cells, whatever stands beside them.

    Numbers stay, dates are nanoseconds since 1970, all else is text.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return np.asarray(column.to_numpy("datetime64[ns]").astype(np.int64))
    return column.to_numpy() if pd.api.types.is_numeric_dtype(column) else column.astype(str).to_numpy(dtype=object)


def are_whole(values: pd.Series) -> bool:
    """Tell whether a column's categories are all whole numbers in their usual spelling."""
    levels = values.dropna().unique()
    return bool(len(levels)) and all(isinstance(level, str) and re.fullmatch(WHOLE, level) for level in levels)


def as_whole(text: str) -> str:
    """Return a whole number in its usual spelling, 3 for 3.0; codes such as 007 and all else as they are."""
    try:
        number = float(text)
    except ValueError:
        return text
    is_whole = number.is_integer() and abs(number) <= LARGEST_WHOLE and not re.match(CODE, text)
    return str(int(number)) if is_whole else text


def numbers(present: pa.ChunkedArray) -> pd.Series | None:
    """Return int64 or float64 values (float64 where one is missing), or None if a value is no number or a code."""
    known = present.drop_null()
    whole = _integers(known)
    if whole is not None:
        return _spread(whole.to_numpy(), present)
    try:
        values = pc.cast(known, pa.float64())
    except pa.ArrowInvalid:
        return None
    if _any_match(known, CODE) or _any_match(known, r"^[+-]?[0-9]{19,}$"):
        return None
    return _spread(values.to_numpy(), present)


def _integers(known: pa.ChunkedArray) -> pa.ChunkedArray | None:
    try:
        whole = pc.cast(known, pa.int64())
    except pa.ArrowInvalid:
        return None
    # the usual spelling of every number, without 007, 0x1F, -0
    return whole if pc.all(pc.equal(pc.cast(whole, pa.string()), known)).as_py() in (True, None) else None


def _infer(present: pa.ChunkedArray) -> Column:
    known = present.drop_null()
    if not len(known):
        return Column("numeric", pd.Series(np.full(len(present), np.nan)), ("every value is missing",))
    values = numbers(present)
    if values is not None:
        infinite = int(np.isinf(values).sum())
        if infinite:
            note = f"{infinite} infinite values read as missing"
            return Column("numeric", values.where(np.isfinite(values)), (note,))
        return Column("numeric", values)
    levels = known.unique()
    if set(pc.utf8_lower(levels).to_pylist()) <= set(BOOLEANS):
        return Column("boolean", _booleans(present))
    if not _any_mismatch(levels, ISO_DATE):
        dates = read_dates(_strings(present))
        if dates.isna().sum() == present.null_count:
            return Column("date", dates)
    many = len(levels) > MAX_CATEGORICAL_LEVELS and 2 * len(levels) > len(known)
    return Column("text" if many else "categorical", _strings(present), _nearly_numeric(known, levels))


def number_with_comma(levels: pa.Array | pa.ChunkedArray) -> str:
    """Return a cell such as 1,234.50 where all are numbers and some have commas; nothing of any other."""
    number = r"([0-9]+(\.[0-9]*)?|\.[0-9]+|[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?|[0-9]*,[0-9]+)([eE][+-]?[0-9]+)?"
    with_comma = levels.filter(pc.match_substring(levels, ","))
    return "" if not len(with_comma) or _any_mismatch(levels, f"^[+-]?{number}$") else str(with_comma[0])


def _nearly_numeric(known: pa.ChunkedArray, levels: pa.Array) -> tuple[str, ...]:
    if comma := number_with_comma(levels):
        return (f"numbers with commas, such as {comma!r}, are read as words: features.py can make numbers of them",)
    number = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
    words = levels.filter(pc.invert(pc.match_substring_regex(levels, number))).to_pylist()
    share = pc.mean(pc.match_substring_regex(known, number).cast(pa.int8())).as_py()
    if len(words) > 3 or share < 0.9 or not words:
        return ()
    listed = ", ".join(map(repr, words))
    return (f"numbers, but for {listed}: read as categories ([columns] numeric would read {listed} as missing)",)


def _booleans(present: pa.ChunkedArray) -> pd.Series:
    values = pc.utf8_lower(present).to_pandas().map(BOOLEANS)
    return values.astype("boolean" if values.isna().any() else "bool")


def _strings(present: pa.ChunkedArray) -> pd.Series:
    return present.to_pandas().astype(object)


def _codes(present: pa.ChunkedArray) -> pd.Series:
    """Whole numbers as int64 (float64 where one is missing), else strings."""
    values = numbers(present)
    if values is None or not (values.dropna() % 1 == 0).all() or (values.abs() > LARGEST_WHOLE).any():
        return _strings(present)
    return values if values.isna().any() else values.astype(np.int64)


def _force_categorical(_name: str, present: pa.ChunkedArray) -> Column:
    """Numbers lose their decimals, because one file may say 3 where the other, with missing values, says 3.0."""
    codes = _codes(present)
    if codes.dtype != object:
        texts = codes.astype("Int64").astype(object).map(str, na_action="ignore")
        codes = texts.where(codes.notna(), None)  # type: ignore[call-overload]
    return Column("categorical", codes.astype(object))


def _force_text(_name: str, present: pa.ChunkedArray) -> Column:
    return Column("text", _strings(present))


def _force_numeric(name: str, present: pa.ChunkedArray) -> Column:
    if (clean := numbers(present)) is not None and np.isfinite(clean.dropna()).all():
        return Column("numeric", clean)
    values = _numbers_among_words(present)
    lost = int(values.isna().sum()) - present.null_count
    words = first_few(sorted(map(repr, _strings(present)[values.isna()].dropna().unique())))
    if lost and lost == len(present) - present.null_count:
        raise DataError(f"column {name!r} has no numbers: found {words}", hint="take it out of [columns] numeric")
    notes = (f"{name}: {lost} values are not numbers, read as missing: {words}",) if lost else ()
    return Column("numeric", values, notes)


def _numbers_among_words(present: pa.ChunkedArray) -> pd.Series:
    """Return the finite numbers as float64, and NaN for words; a number is the same beside whatever words."""
    texts = _strings(present)
    known = np.isfinite(pd.to_numeric(texts, errors="coerce"))  # whose last bit may be another than `numbers` reads
    return texts.where(known, np.nan).astype(np.float64)


def _force_date(name: str, present: pa.ChunkedArray) -> Column:
    texts = _strings(present)
    day_first, notes = day_comes_first(name, texts)
    dates = read_dates(texts, day_first)
    wrong = texts[dates.isna() & texts.notna()]
    if len(wrong):
        found = f"column {name!r} should hold dates, found {wrong.iloc[0]!r}"
        raise DataError(found, hint="take it out of [columns] date")
    return Column("date", dates, notes, day_first)


FORCED: dict[Kind, Callable[[str, pa.ChunkedArray], Column]] = {
    "numeric": _force_numeric,
    "categorical": _force_categorical,
    "date": _force_date,
    "text": _force_text,
}


def _spread(known: np.ndarray, present: pa.ChunkedArray) -> pd.Series:
    if not present.null_count:
        return pd.Series(known)
    values = np.full(len(present), np.nan)
    values[pc.is_valid(present).to_numpy()] = known
    return pd.Series(values)


def _any_match(cells: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(cells, pattern)).as_py())


def _any_mismatch(cells: pa.ChunkedArray | pa.Array, pattern: str) -> bool:
    return not pc.all(pc.match_substring_regex(cells, pattern)).as_py()
