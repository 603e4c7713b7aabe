"""Rows, views and members that take milliseconds to train, for the tests of fused training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pipeline.core.blocks import Architecture
from pipeline.core.members import EncodedRows, Member, Program, Trained, View
from pipeline.core.sheet import Excerpt, Reading, Sheet

NETWORK = Architecture(n_outputs=1, hidden=(16, 8), activation="tanh", scaling=True)
PROGRAM = Program(
    architecture=NETWORK,
    loss="squared",
    epochs=4,
    batch_size=16,
    init="xavier",
    parametrisation="ntk",
    schedule="coslog4",
    decay_schedule="flat_cosine",
    dropout_schedule="cosine",
)
SIZES = [(70, 6), (33, 6), (48, 5), (90, 7), (64, 6)]
MEMBERS = [
    Member(view, 10 + view, lr=0.01 * (view + 1), weight_decay=0.1 * view, dropout=0.1 * view) for view in range(5)
]


def rows_of(seed: int, n: int, d: int = 6, dtype: torch.dtype = torch.float64) -> EncodedRows:
    """Return rows whose target is a sum and a product of columns, and noise."""
    generator = torch.Generator().manual_seed(seed)
    dense = torch.randn(n, d, generator=generator, dtype=dtype)
    noise = 0.1 * torch.randn(n, 1, generator=generator, dtype=dtype)
    target = dense[:, :1] - 2 * dense[:, 1:2] * dense[:, 2:3] + noise
    return EncodedRows(dense, torch.zeros(n, 0, dtype=torch.int64), target)


def views_of(sizes: Sequence[tuple[int, int]], dtype: torch.dtype = torch.float64, n_stops: int = 1) -> list[View]:
    """Return views of so many rows and columns, with some stopping rows each, or several sets of them."""

    def stops(n: int, d: int) -> tuple[EncodedRows, ...]:
        return tuple(rows_of(n + 1 + number, 10 + n % 7 + number, d, dtype) for number in range(n_stops))

    return [View(rows_of(n, n, d, dtype), stops(n, d)) for n, d in sizes]


def reading_of(generator: torch.Generator, sheet: Sheet, n_own: int) -> Reading:
    """Return what a fold might have fitted: some of the columns in an order of its own."""
    n_numbers = sheet.numbers.shape[1]
    columns = torch.randperm(sheet.width + n_own, generator=generator)[: 1 + sheet.width // 2 + n_own]
    spread = torch.rand(n_numbers, generator=generator, dtype=torch.float64) + 0.1
    centre, fill = torch.randn(2, n_numbers, generator=generator, dtype=torch.float64)
    return Reading(100 + centre, spread, fill, columns)


def shared_views(
    seed: int, n_numbers: int, n_flags: int, own: Sequence[int], dtype: torch.dtype = torch.float32, soft: float = 3.0
) -> list[View]:
    """Return views of one sheet with missing numbers, each with so many columns of its own, and some stopping rows."""
    generator = torch.Generator().manual_seed(seed)
    numbers = 100 + torch.randn(60, n_numbers, generator=generator, dtype=torch.float64)
    numbers[torch.rand(numbers.shape, generator=generator) < 0.2] = torch.nan
    flags = torch.randint(2, (60, n_flags), generator=generator, dtype=torch.uint8)
    common = Sheet(numbers, flags, 1e6, soft)
    views = []
    for n_own in own:
        reading = reading_of(generator, common, n_own)

        def part(n_rows: int, n_own: int = n_own, reading: Reading = reading) -> EncodedRows:
            at = torch.randperm(60, generator=generator)[:n_rows]
            dense, target = (torch.randn(n_rows, n, generator=generator, dtype=dtype) for n in (n_own, 1))
            codes = torch.zeros(n_rows, 0, dtype=torch.int64)
            return EncodedRows(dense, codes, target, excerpt=Excerpt(common, reading, at))

        views.append(View(part(40 + n_own), (part(9 + n_own),)))
    return views


def lasting(members: Sequence[Member], epochs: Sequence[int]) -> list[Member]:
    """Return the members with a number of epochs each."""
    return [replace(member, epochs=n) for member, n in zip(members, epochs, strict=True)]


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Return how far two networks' weights are apart."""
    return max(float((one[name] - other[name]).detach().abs().max()) for name in one)


def assert_alike(found: Sequence[Trained], wanted: Sequence[Trained], within: float = 1e-9) -> None:
    """Compare weights, losses and epochs of members one by one."""
    for one, other in zip(found, wanted, strict=True):
        for own, wished in zip(one.kept, other.kept, strict=True):
            assert own.epoch == wished.epoch
            assert largest_difference(own.state, wished.state) <= within
        np.testing.assert_allclose(one.losses, other.losses, rtol=0, atol=within)


def assert_same_bits(found: Sequence[Trained], wanted: Sequence[Trained]) -> None:
    """Compare everything that members end with, to the last bit."""
    for one, other in zip(found, wanted, strict=True):
        for own, wished in zip(one.kept, other.kept, strict=True):
            assert own.epoch == wished.epoch
            assert own.state.keys() == wished.state.keys()
            assert all(torch.equal(own.state[name], wished.state[name]) for name in own.state)
        np.testing.assert_array_equal(one.losses, other.losses)
        assert (one.diverged, one.truncated) == (other.diverged, other.truncated)
