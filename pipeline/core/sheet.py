"""Columns that folds have in common: kept once, and read by each fold with its own statistics.

A sheet holds raw numbers, so that what a fold reads is what it would have encoded by itself, to the last bit: whether
rows are read when a batch needs them or copied for every fold ahead is a matter of memory and time alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

PIECE, CPU_PIECE = 2**23, 2**17  # numbers read at once: on a CPU, more would leave its cache


@dataclass(frozen=True)
class Sheet:
    """Every row of a table once, in columns that need no fitting or only a shift and a division.

    numbers (n, p) float64, NaN where one is missing; flags (n, q) uint8, 0 or 1. Scaled numbers are limited to
    `farthest` either way, and where `soft` is finite then to x / sqrt(1 + (x / soft)^2).
    """

    numbers: Tensor
    flags: Tensor
    farthest: float = math.inf
    soft: float = math.inf

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.numbers.shape[1] + self.flags.shape[1]

    @property
    def n_bytes(self) -> int:
        """What it takes to keep."""
        return self.numbers.nbytes + self.flags.nbytes

    def to(self, device: torch.device) -> Sheet:
        """Return it on a device."""
        return replace(self, numbers=self.numbers.to(device), flags=self.flags.to(device))


@dataclass(frozen=True)
class Reading:
    """How a fold reads a sheet; several readings may be stacked, with a leading axis.

    centre, spread (p,) float64: a number is (x - centre) / spread, or `fill` (p,) where it is missing. columns (d,):
    where each of the fold's columns is, counted through the numbers, the flags, and columns of the fold's own.
    """

    centre: Tensor
    spread: Tensor
    fill: Tensor
    columns: Tensor

    def of(self, views: Tensor) -> Reading:
        """Return the readings at these positions of a stack, each as one row that all rows of a batch share."""
        return Reading(*(part.index_select(0, views).unsqueeze(1) for part in self.parts))

    def to(self, device: torch.device) -> Reading:
        """Return it on a device."""
        return Reading(*(part.to(device) for part in self.parts))

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All that there is of it, in the order of the fields."""
        return self.centre, self.spread, self.fill, self.columns


@dataclass(frozen=True)
class Excerpt:
    """Rows of a sheet at positions (n,), as one fold reads them."""

    sheet: Sheet
    reading: Reading
    at: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All that a fold has for itself: positions, and how it reads."""
        return self.at, *self.reading.parts

    def columns(self, rows: slice, own: Tensor) -> Tensor:
        """Return all columns (rows, d) of some of the rows; own: the columns of those that are not on the sheet."""
        reading = stack_readings([self.reading], 0).of(torch.tensor([0]))
        return read(self.sheet, reading, self.at[None, rows], own[None])[0]


def stack_readings(readings: Sequence[Reading], nowhere: int) -> Reading:
    """Stack readings of one sheet; narrower ones are padded with the column `nowhere`, which holds zeros."""
    widest = max(len(reading.columns) for reading in readings)
    columns = [functional.pad(one.columns, (0, widest - len(one.columns)), value=nowhere) for one in readings]
    centre, spread, fill = (torch.stack(parts) for parts in zip(*(one.parts[:3] for one in readings), strict=True))
    return Reading(centre, spread, fill, torch.stack(columns))


def read(sheet: Sheet, reading: Reading, at: Tensor, own: Tensor) -> Tensor:
    """Return the columns (M, rows, d) of rows of a sheet, in the precision of `own`.

    reading: of each member, (M, 1, ...). at (M, rows): positions on the sheet. own (M, rows, o): the folds' columns.
    """
    piece = CPU_PIECE if own.device.type == "cpu" else PIECE
    length = max(1, piece // max(len(at) * (sheet.width + own.shape[2]), 1))
    out = own.new_empty(*at.shape, reading.columns.shape[-1])
    for rows, found, place in zip(at.split(length, 1), own.split(length, 1), out.split(length, 1), strict=True):
        _read_piece(sheet, reading, rows, found, place)
    return out


def _read_piece(sheet: Sheet, reading: Reading, at: Tensor, own: Tensor, out: Tensor) -> None:
    raw, flags = (part.index_select(0, at.reshape(-1)) for part in (sheet.numbers, sheet.flags))
    numbers = _scaled(sheet, reading, raw.reshape(*at.shape, raw.shape[1])).to(own.dtype)
    numbers = torch.where(numbers.isnan(), reading.fill.to(own.dtype), numbers)
    flags = flags.reshape(*at.shape, flags.shape[1]).to(own.dtype)
    columns = reading.columns.expand(*out.shape)
    torch.gather(torch.cat([numbers, flags, own], dim=-1), -1, columns, out=out)


def _scaled(sheet: Sheet, reading: Reading, numbers: Tensor) -> Tensor:
    """Scale numbers in place, by the transforms' operations in their order, each of which is rounded once everywhere.

    A division by a plain number isn't: a GPU multiplies by its inverse.
    """
    numbers.sub_(reading.centre).div_(reading.spread).clamp_(-sheet.farthest, sheet.farthest)
    return numbers if math.isinf(sheet.soft) else numbers.div_((numbers * (1 / sheet.soft)).square_().add_(1).sqrt_())
