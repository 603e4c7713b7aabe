"""What preprocess decided about the columns, kept so that new rows become rows of the same Table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import FeatureError
from pipeline.files import read_json, write_json
from pipeline.raw.kinds import as_whole
from pipeline.transforms import dates

FILE = "columns.json"

LARGEST = float(np.finfo(np.float32).max)
"""Numbers beyond are missing, as infinity is: most libraries compute with float32, where they are infinite."""


@dataclass(frozen=True)
class Prepared:
    """features: the functions of features.py, each with the columns it makes. kinds: of the source columns in use.

    columns: those of the Table in order; of a category the levels of train and test, of numbers None.
    """

    features: Mapping[str, list[str]]
    kinds: Mapping[str, str]
    columns: Mapping[str, list[str] | None]

    @property
    def needed(self) -> list[str]:
        """The raw columns that are used as they are."""
        made = {column for columns in self.features.values() for column in columns}
        return [name for name in self.kinds if name not in made]

    def apply(self, raw: pd.DataFrame, made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Return rows with the Table's columns; a level that is new comes beside the known ones.

        raw (n, columns): typed raw rows. made: what each feature function made of them.
        """
        for name, columns in self.features.items():
            if list(made[name]) != columns:
                found = f"features.py: {name}() makes columns {list(made[name])} of new rows, but {columns} of train"
                raise FeatureError(found, hint="return the same columns whatever the rows hold")
        sources = pd.concat([raw, *made.values()], axis=1)
        converted = {
            column: values
            for name, kind in self.kinds.items()
            for column, values in convert(sources[name], kind, self.columns.get(name) or ()).items()
            if column == name or column not in self.kinds  # a date's part gives way to a column of its name
        }
        return pd.DataFrame({name: converted[name] for name in self.columns})

    def write(self, folder: Path) -> None:
        """Write columns.json; pairs, since the order counts."""
        parts = {"features": self.features, "kinds": self.kinds, "columns": self.columns}
        write_json(folder / FILE, {name: list(part.items()) for name, part in parts.items()})


def read_prepared(folder: Path) -> Prepared:
    """Read what `Prepared.write` wrote."""
    return Prepared(**{name: dict(pairs) for name, pairs in read_json(folder / FILE).items()})


def convert(column: pd.Series, kind: str, known: Collection[str] = ()) -> dict[str, pd.Series]:
    """Return the float64 and category columns that one source column becomes, by name; numbers beyond are missing.

    known: levels that a category has whether they occur or not; 3.0 is one of them where 3 is and it is not.
    """
    if kind == "date":
        made = dates.apply(column)
        return {name: made[name] for name in made.columns}
    if kind == "categorical":
        present = column.notna()
        held = column.astype(object).where(present, None)  # type: ignore[call-overload]
        strings = held.map(str, na_action="ignore")
        found = set(strings[present].unique())
        respelled = {level: as_whole(level) for level in found.difference(known) if as_whole(level) in known}
        strings = strings.replace(respelled) if respelled else strings
        levels = sorted({*known, *found.difference(respelled)})
        return {str(column.name): strings.astype(pd.CategoricalDtype(levels))}
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return {str(column.name): pd.Series(np.where(beyond(numbers), np.nan, numbers), name=column.name)}


def beyond(numbers: np.ndarray) -> np.ndarray:
    """Say which numbers (n,) are infinite or so large that they count as missing."""
    return np.abs(numbers) > LARGEST
