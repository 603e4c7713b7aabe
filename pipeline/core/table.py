"""The rows of all views in one table on the device, and batches gathered from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.core.members import Rows


@dataclass(frozen=True)
class Table:
    """Rows of several views in one table on the device: view v's rows start at `start[v]`, narrower ones are padded."""

    rows: Rows
    start: np.ndarray
    n_rows: np.ndarray

    def put(self, values: np.ndarray) -> Tensor:
        """Copy numbers to where the rows are, in their precision; the device is not waited for."""
        dense = self.rows.dense
        return torch.from_numpy(values).to(dense.dtype).to(dense.device, non_blocking=True)

    def take(self, at: Tensor) -> Rows:
        """Gather rows at positions (M, batch) into (M, batch, ...)."""
        flat = at.reshape(-1)
        parts = (part.index_select(0, flat) for part in self.rows.parts)
        return Rows(*(part.reshape(*at.shape, *part.shape[1:]) for part in parts))


def join(parts: Sequence[Rows], device: torch.device) -> Table:
    """Put the rows of all views into one table."""
    if any(part.weight is not None for part in parts):
        parts = [replace(p, weight=p.dense.new_ones(len(p))) if p.weight is None else p for p in parts]
    n_rows = np.array([len(part) for part in parts])
    widest = max(part.dense.shape[1] for part in parts)
    dense = torch.cat([functional.pad(part.dense, (0, widest - part.dense.shape[1])) for part in parts])
    others = [torch.cat(columns) for columns in zip(*(part.parts[1:] for part in parts), strict=True)]
    rows = Rows(*(part.to(device) for part in (dense, *others)))
    return Table(rows, np.concatenate([[0], n_rows.cumsum()[:-1]]), n_rows)
