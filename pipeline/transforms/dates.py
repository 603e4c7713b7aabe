"""A date becomes numbers: its parts, and the days since 1970; one row at a time, so nothing is fitted."""

from __future__ import annotations

import pandas as pd

KIND = "row-local"
READS = "dates"
PARTS = ("year", "month", "day", "weekday", "hour", "minute")


def apply(column: pd.Series) -> pd.DataFrame:
    """Return float64 columns "<name> year" ... "<name> days" of a datetime column; a missing date gives NaN in all."""
    parts = {f"{column.name} {part}": getattr(column.dt, part).astype("float64") for part in PARTS}
    return pd.DataFrame(parts | {f"{column.name} days": days(column)})


def days(column: pd.Series) -> pd.Series:
    """Return days since 1970-01-01 as float64, hours and minutes as fractions."""
    return (column - pd.Timestamp(0)) / pd.Timedelta(days=1)
