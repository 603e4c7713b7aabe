"""What an encoder's columns are read off: a table's own values, the same for every fold, or what one fold knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.transforms import ordinal
from pipeline.transforms.encoder import Encoder


@dataclass(frozen=True)
class Source:
    """A number that is scaled, a flag for what is missing in a column, or a flag for a level of a category."""

    kind: Literal["number", "missing", "level"]
    column: str
    level: str = ""


def sources(encoder: Encoder) -> list[Source | None]:
    """Return the source of each dense column; None for what depends on the fold otherwise than by a scale.

    These are straightened numbers, rare levels (each fold has others), target means and ordinal numbers.
    """
    every = [*_of_numbers(encoder), *_of_one_hot(encoder)]
    every += [None] * (len(encoder.names_of_all) - len(every))
    return [every[position] for position in encoder.kept]


def values(source: Source, rows: pd.DataFrame) -> np.ndarray:
    """Return a source's values (n,) in rows of a table: float64 with NaN for missing numbers, flags as booleans."""
    column = rows[source.column]
    if source.kind == "level":
        return (column.cat.codes == column.cat.categories.get_loc(source.level)).to_numpy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return (column.cat.codes < 0).to_numpy()
    numbers = column.to_numpy(dtype=np.float64)
    known = np.isfinite(numbers)
    return np.where(known, numbers, np.nan) if source.kind == "number" else ~known


def _of_numbers(encoder: Encoder) -> list[Source | None]:
    numbers = encoder.numbers
    straightened = numbers.skew.columns if numbers.skew else ()
    found: list[Source | None] = [
        None if position in straightened else Source("number", name) for position, name in enumerate(numbers.columns)
    ]
    flagged = numbers.impute.flagged if numbers.indicators else ()
    return [*found, *(Source("missing", numbers.columns[position]) for position in flagged)]


def _of_one_hot(encoder: Encoder) -> list[Source | None]:
    found: list[Source | None] = []
    for position, code in encoder.one_hot.pairs:
        column = encoder.few[position]
        name, levels = encoder.ordinal.columns[column], encoder.ordinal.levels[column]
        if code == ordinal.MISSING:
            found.append(Source("missing", name))
        else:
            found.append(None if code == ordinal.RARE else Source("level", name, levels[code - ordinal.FIRST]))
    return found
