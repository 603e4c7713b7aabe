"""The sheet that all folds of an encoding share: a table's raw columns, and how each fold reads its own off them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from pipeline.core.sheet import Reading, Sheet
from pipeline.transforms.encoder import Encoder
from pipeline.transforms.scale_robust import LIMIT
from pipeline.transforms.scale_standard import FARTHEST
from pipeline.transforms.sources import Source, sources, values


def lay_out(train: pd.DataFrame, encoders: Sequence[Encoder]) -> tuple[Sheet, list[Reading]]:
    """Put every source that an encoder has on one sheet; return how each of them reads it.

    train (n, columns): all rows of the table. The encoders are of one recipe, fitted on different rows.
    """
    found = [sources(encoder) for encoder in encoders]
    every = list(dict.fromkeys(source for own in found for source in own if source is not None))
    numbers = [source for source in every if source.kind == "number"]
    flags = [source for source in every if source.kind != "number"]
    place = {source: position for position, source in enumerate([*numbers, *flags])}
    sheet = Sheet(
        torch.from_numpy(_columns(numbers, train, np.float64)),
        torch.from_numpy(_columns(flags, train, np.uint8)),
        farthest=FARTHEST,
        soft=LIMIT if encoders[0].recipe.scale == "robust" else float("inf"),
    )
    return sheet, [_reading(encoder, own, numbers, place) for encoder, own in zip(encoders, found, strict=True)]


def own_columns(encoder: Encoder) -> list[int]:
    """Return the positions of the dense columns that are on no sheet."""
    return [position for position, source in enumerate(sources(encoder)) if source is None]


def _columns(wanted: Sequence[Source], train: pd.DataFrame, dtype: type) -> np.ndarray:
    columns: np.ndarray = np.empty((len(train), len(wanted)), dtype)
    for position, source in enumerate(wanted):
        columns[:, position] = values(source, train)
    return columns


def _reading(
    encoder: Encoder, own: Sequence[Source | None], numbers: Sequence[Source], place: dict[Source, int]
) -> Reading:
    """Take a fold's statistics from its encoder; numbers that it does not read get any."""
    fitted = encoder.numbers
    at = [fitted.columns.index(source.column) for source in numbers]
    centre, spread = (part[at] for part in fitted.scale.affine)
    fill = fitted.scale.apply(np.asarray(fitted.impute.fill)[None])[0, at]
    first_own = iter(range(len(place), len(place) + len(own)))
    columns = [next(first_own) if source is None else place[source] for source in own]
    return Reading(*map(torch.from_numpy, (centre, spread, fill, np.array(columns, dtype=np.int64))))
