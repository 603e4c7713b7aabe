"""Columns that can teach nothing: the same in every row of train, or a copy of an earlier column."""

from __future__ import annotations

import pandas as pd


def constant(train: pd.DataFrame, _test: pd.DataFrame) -> dict[str, str]:
    """Return the columns with one value (or none) in all of train, each with its reason."""
    values = {name: train[name].unique() for name in train.columns if train[name].nunique(dropna=False) <= 1}
    return {name: f"constant in train: {one[0] if len(one) else 'empty'}" for name, one in values.items()}


def copies(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, str]:
    """Return the columns that equal an earlier one in every row of train and of test, each with its reason."""
    first: dict[tuple[object, ...], str] = {}
    found = {}
    for name in train.columns:
        parts = tuple(_fingerprint(part[name]) for part in (train, test))
        original = first.setdefault((str(train[name].dtype), *parts), name)
        if original != name:
            found[name] = f"copy of {original}"
    return found


def _fingerprint(column: pd.Series) -> bytes:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().tobytes() + "\0".join(column.cat.categories).encode()
    return (column.to_numpy() + 0.0).tobytes()  # -0.0 becomes 0.0
