"""Dates as files write them: ISO as it stands; dates such as 31/12/2014 in one order for the whole column.

Cell by cell, as pandas chooses, 31/12/2014 would be read with the day first, and 03/04/2014 beside it with the month.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from pipeline.errors import DataError

PARTS = r"^(?P<first>\d{1,2})(?P<mark>[./-])(?P<second>\d{1,2})[./-]\d{2,4}(?!\d)"
ZONE = r"(?:Z| UTC|[+-]\d{2}:?\d{2})$"


def day_comes_first(name: str, texts: pd.Series) -> tuple[bool, tuple[str, ...]]:
    """Return whether a column's dates have the day before the month, and notes.

    Dates of both orders are a DataError. Where no date tells, the day comes first before a full stop, else the month,
    and a note says so.
    """
    parts = _parts(texts)
    day_first, month_first = (texts[_shows(parts, day_first)] for day_first in (True, False))
    if len(day_first) and len(month_first):
        raise DataError(
            f"column {name!r}: {day_first.iloc[0]!r} has the day first, {month_first.iloc[0]!r} the month",
            hint="write this column's dates as 2014-12-31 in a copy of the files, or take it out of [columns] date",
        )
    marks = parts["mark"].dropna()
    if len(day_first) or len(month_first) or marks.empty:
        return bool(len(day_first)), ()
    if (marks == ".").all():
        return True, ()
    todo = "where the day is, list it under [columns] text and read it in features.py, by pd.to_datetime with dayfirst"
    return False, (f"{name}: no date says whether the day is first, read {texts[marks.index[0]]} month first; {todo}",)


def read_dates(texts: pd.Series, day_first: bool = False) -> pd.Series:
    """Return datetime64[ns], NaT for what is no date or has the other order; with time zones, in universal time."""
    parts = _parts(texts)
    known, written = texts.where(~_shows(parts, not day_first)), parts["mark"].notna()
    zoned = known.str.contains(ZONE, na=False) & (known.str.len() > 10)
    read: Any = partial(pd.to_datetime, format="mixed", errors="coerce", utc=bool(zoned.any()))
    if day_first:  # not for the others: of 2014/03/10, too, the day would come first
        dates = read(known.where(~written)).where(~written, read(known.where(written), dayfirst=True))
    else:
        dates = read(known)
    return (dates.dt.tz_localize(None) if dates.dt.tz is not None else dates).astype("datetime64[ns]")


def _parts(texts: pd.Series) -> pd.DataFrame:
    """Return the first two numbers and the mark between them, missing where a cell is not written so."""
    return texts.str.extract(PARTS).astype({"first": float, "second": float})


def _shows(parts: pd.DataFrame, day_first: bool) -> pd.Series:
    """Return which cells can only be read in this order: a part above 12 is no month."""
    day, month = (parts["first"], parts["second"]) if day_first else (parts["second"], parts["first"])
    return day.between(13, 31) & month.between(1, 12)
