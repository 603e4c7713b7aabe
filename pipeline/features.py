"""Apply one function of a competition's features.py and hold it to its contract: one row in, one row out, nothing else.

A feature function takes a DataFrame of typed raw columns and returns a Series (a column named like the function,
unless the Series was given a name of its own) or a DataFrame of several new columns. What it says of a row must
depend on that row alone; what looks at several rows (means, counts, ranks) is a transform, fitted inside folds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipeline.errors import FeatureError, nearest

Feature = Callable[[pd.DataFrame], "pd.Series | pd.DataFrame"]


def apply_feature(feature: Feature, name: str, rows: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the new columns for `rows` (index 0..n-1) of the file `where`, checked to be row-local.

    The function runs again on two shuffled halves, numbered anew; a FeatureError shows the first row whose
    values differ from those it had in the whole file.
    """
    whole = _call(feature, name, rows, where)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    for half in (order[: len(rows) // 2], order[len(rows) // 2 :]):
        if len(half):
            again = _call(feature, name, rows.iloc[half].reset_index(drop=True), where)
            compare(whole.iloc[half].reset_index(drop=True), again, name, half, where)
    return whole


def _call(feature: Feature, name: str, rows: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        made = feature(rows.copy())
    except KeyError as error:
        raise FeatureError(
            f"features.py: {name}() looks for a column {error}, which {where} does not have (the target is not shown)",
            hint=nearest(str(error).strip("'"), rows.columns),
        ) from error
    except Exception as error:
        found = f"features.py: {name}() failed on {where}: {type(error).__name__}: {error}"
        raise FeatureError(found, hint="try it on a few rows of the raw file; missing values are NaN") from error
    if isinstance(made, pd.Series):
        named = made.name is not None and made.name not in rows
        made = made.to_frame(made.name if named else name)
    if not isinstance(made, pd.DataFrame):
        raise FeatureError(f"features.py: {name}() returned a {type(made).__name__}, expected a Series or DataFrame")
    if not made.index.equals(rows.index):
        found = f"features.py: {name}() returned {len(made)} rows for {len(rows)} of {where}, or in another order"
        raise FeatureError(found, hint="keep every row and the index as they are")
    made.columns = made.columns.map(str)  # also those of several levels
    if made.columns.has_duplicates:
        raise FeatureError(f"features.py: {name}() returned a column name twice: {list(made.columns)}")
    _refuse_unusable(made, name)
    return made.apply(_plain)


def _refuse_unusable(made: pd.DataFrame, name: str) -> None:
    for column, kind in made.dtypes.items():
        if isinstance(kind, pd.DatetimeTZDtype):
            found, hint = f"dates with a time zone ({kind})", "end with .dt.tz_localize(None)"
        elif pd.api.types.is_complex_dtype(kind):
            found, hint = f"complex numbers ({kind})", "take their real part, absolute value or angle"
        elif isinstance(kind, pd.SparseDtype):
            found, hint = f"sparse values ({kind})", "end with .sparse.to_dense()"
        elif kind == np.longdouble and np.longdouble != np.float64:
            found, hint = f"long numbers ({kind})", "end with .astype(float)"
        else:
            continue
        raise FeatureError(f"features.py: {name}() returned {found} in {column}", hint=hint)


def _plain(column: pd.Series) -> pd.Series:
    """Keep numbers, booleans and dates; anything else becomes objects that are strings or None."""
    if isinstance(column.dtype, pd.CategoricalDtype) or not (
        pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)
    ):
        known = column.notna()
        return column.astype(object).map(str).where(known, None)  # type: ignore[call-overload]
    return column


def compare(before: pd.DataFrame, after: pd.DataFrame, name: str, rows: np.ndarray, where: str) -> None:
    """Refuse columns that are not the same before and after; rows: their positions in the file `where`."""
    if list(before) != list(after):
        raise FeatureError(
            f"features.py: {name}() makes columns {list(before)} of {where}, but {list(after)} of half its rows",
            hint="return the same columns whatever the rows hold (get_dummies does not; return the category itself)",
        )
    for column in before:
        differ = ~_same(before[column], after[column])
        if differ.any():
            first = int(np.flatnonzero(differ)[0])
            raise FeatureError(
                f"features.py: {name}() is not row-local: row {rows[first]} of {where} has {column} = "
                f"{before[column].tolist()[first]!r} among all rows, but {after[column].tolist()[first]!r} among half "
                f"of them ({int(differ.sum())} of {len(differ)} rows differ)",
                hint="use a row's own values only; what looks at several rows leaks and belongs into a transform",
            )


def _same(before: pd.Series, after: pd.Series) -> np.ndarray:
    """Return which values are equal; numbers up to 1e-9 of their size, because vector units round the last bit."""
    missing = before.isna().to_numpy(), after.isna().to_numpy()
    if all(pd.api.types.is_numeric_dtype(part) for part in (before, after)):
        numbers = before.to_numpy(np.float64, na_value=np.nan), after.to_numpy(np.float64, na_value=np.nan)
        return np.isclose(*numbers, rtol=1e-9, atol=1e-12, equal_nan=True)
    equal = before.astype(object).to_numpy() == after.astype(object).to_numpy()
    return np.where(missing[0] | missing[1], missing[0] & missing[1], equal)
