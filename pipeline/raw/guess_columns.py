"""What a column's name and cells say it is for: codes of a category, dates, rows that hang together."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.raw.kinds import Column, identifiers, settle
from pipeline.raw.sheet import blank_missing

CODES = r"(?i)(code|class|type|category|cluster|zone|_cat|id)$"
CATEGORY = r"(?i)_cat$"  # as in Porto Seguro, where most codes have no gaps
GROUPS = r"(?i)(id|group|patient|subject|household|family)$"
DATE = r"^([0-9]{1,2}[/-][0-9]{1,2}[/-]([0-9]{4}|[0-9]{2})|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4})( [0-9]{1,2}:[0-9]{2}.*)?$"
FEWEST_GROUPS = 20


def are_codes(name: str, column: Column) -> bool:
    """Say whether whole numbers are levels of a category: by name and by gaps, with some rows of each."""
    if column.kind != "numeric" or not re.search(CODES, name):
        return False
    known = column.values.dropna()
    levels = np.sort(known.unique())
    if len(levels) < 3 or 2 * len(levels) > len(known) or (levels % 1 != 0).any():
        return False
    return bool(re.search(CATEGORY, name)) or levels[-1] - levels[0] > len(levels) - 1


def dates_of(name: str, train: pa.ChunkedArray, test: pa.ChunkedArray) -> tuple[pd.Series, pd.Series] | None:
    """Return train's and test's dates where all cells are such: ISO, or 7/17/1999 in one order of day and month."""
    cells = pa.chunked_array([*train.chunks, *test.chunks])
    column = settle(name, cells)
    known = blank_missing(cells).drop_null()
    if column.kind in ("categorical", "text") and pc.all(pc.match_substring_regex(known, DATE)).as_py():
        try:
            column = settle(name, cells, "date")
        except DataError:
            return None
    return (column.values[: len(train)], column.values[len(train) :]) if column.kind == "date" else None


def are_groups(name: str, train: pa.ChunkedArray, test: pa.ChunkedArray) -> bool:
    """Say whether rows hang together by what is called an id, and train and test share none of these."""
    if not re.search(GROUPS, name):
        return False
    ids = identifiers(pa.chunked_array([*train.chunks, *test.chunks]))  # 3 and 3.0 are the same
    ours, theirs = ids[: len(train)], ids[len(train) :]
    if ids.isna().any() or any(2 * part.nunique() > len(part) for part in (ours, theirs)):
        return False
    return bool(ours.nunique() >= FEWEST_GROUPS and not theirs.isin(ours).any())


def odd_one_below(column: Column) -> int | None:
    """Return the whole number below zero of a column whose other numbers are none such: it may stand for a missing one.

    Where no number is beyond 1, it is one of two or three levels.
    """
    if column.kind != "numeric":
        return None
    levels = column.values.dropna().unique()
    below = levels[levels < 0]
    return int(below[0]) if len(below) == 1 and below[0] % 1 == 0 and levels.max() > 1 else None
