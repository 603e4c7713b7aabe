"""The rows of all views in one table on the device, and batches gathered from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipeline.core.members import EncodedRows
from pipeline.core.sheet import Reading, Sheet, read, stack_readings


@dataclass(frozen=True)
class Shared:
    """The sheet that all rows of a table are on: how each view reads it (stacked), and each row's position on it."""

    sheet: Sheet
    reading: Reading
    at: Tensor


@dataclass(frozen=True)
class DeviceTable:
    """Rows of several views in one table on the device: view v's rows start at `start[v]`, narrower ones are padded.

    Where there is a shared sheet, `rows.dense` holds only the columns that are not on it. width: of all columns.
    """

    rows: EncodedRows
    start: np.ndarray
    n_rows: np.ndarray
    width: int
    shared: Shared | None = None

    def put(self, values: np.ndarray) -> Tensor:
        """Copy numbers to where the rows are, in their precision; the device is not waited for."""
        dense = self.rows.dense
        return torch.from_numpy(values).to(dense.dtype).to(dense.device, non_blocking=True)

    def take(self, views: Sequence[int], at: np.ndarray) -> EncodedRows:
        """Gather rows (M, batch, ...): of each of these views, those at positions (M, batch), counted within the view.

        The same bits come out with and without a sheet.
        """
        places = self._send(at + self.start[views][:, None])
        flat = places.reshape(-1)
        rows = self.rows.map(lambda part: part.index_select(0, flat).reshape(*at.shape, *part.shape[1:]))
        if self.shared is None:
            return rows
        reading = self.shared.reading.of(self._send(np.asarray(views)))
        on_sheet = self.shared.at.index_select(0, flat).reshape(at.shape)
        return replace(rows, dense=read(self.shared.sheet, reading, on_sheet, rows.dense))

    def _send(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.rows.dense.device, non_blocking=True)


def copy(parts: Sequence[EncodedRows], device: torch.device) -> DeviceTable:
    """Put the rows of all views into one table, every view's with all of its columns."""
    width = max(part.width for part in parts)
    return _join(parts, (part.columns(slice(None)) for part in parts), width, device)


def share(parts: Sequence[EncodedRows], device: torch.device, sheet: Sheet) -> DeviceTable:
    """Put what the views have for themselves into one table, beside the sheet that they share, which is there already.

    All parts must be excerpts of it.
    """
    excerpts = [part.excerpt for part in parts if part.excerpt is not None]
    n_own = max(part.dense.shape[1] for part in parts) + 1  # the last one is zero, for views that are narrower
    reading = stack_readings([excerpt.reading for excerpt in excerpts], sheet.width + n_own - 1)
    at = torch.cat([excerpt.at for excerpt in excerpts])
    table = _join(parts, (part.dense for part in parts), n_own, device)
    return replace(table, width=reading.columns.shape[1], shared=Shared(sheet, reading.to(device), at.to(device)))


def _join(parts: Sequence[EncodedRows], columns: Iterable[Tensor], width: int, device: torch.device) -> DeviceTable:
    """Make a table of these dense columns, taken one view at a time and padded with zeros, and of all else."""
    n_rows = [len(part) for part in parts]
    dense = parts[0].dense.new_zeros(sum(n_rows), width, device=device)
    for place, found in zip(dense.split(n_rows), columns, strict=True):
        place[:, : found.shape[1]] = found
    if any(part.weight is not None for part in parts):
        parts = [replace(p, weight=p.dense.new_ones(len(p))) if p.weight is None else p for p in parts]
    codes, target, *weight = [
        torch.cat(found).to(device) for found in zip(*(part.parts[1:] for part in parts), strict=True)
    ]
    rows = EncodedRows(dense, codes, target, weight[0] if weight else None)
    return DeviceTable(rows, np.cumsum([0, *n_rows[:-1]]), np.array(n_rows), width)
