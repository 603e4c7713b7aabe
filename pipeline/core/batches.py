"""Which rows each member sees in each step, and its dropout noise: every member draws from its own generator.

A generator is made anew for every epoch from (member seed, epoch), so a member's randomness depends neither on who
shares its batch nor on where a run was interrupted. Noise is a byte a hidden unit, drawn eight at a time: on a CPU
drawing is otherwise the largest part of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Epoch:
    """The steps of one epoch. Members are sorted by their rows, so those active in a step are the first few.

    order (M, steps * batch_size) int64: positions of training rows in the order they are visited, padded with 0.
    counts (steps, M): rows of each member's batch, 0 when it has finished its epoch.
    """

    batch_size: int
    order: np.ndarray
    counts: np.ndarray
    generators: list[np.random.Generator]

    @property
    def active(self) -> np.ndarray:
        """Number of members that take each step."""
        return (self.counts > 0).sum(axis=1)


def plan_epoch(seeds: Sequence[int], n_rows: np.ndarray, batch_size: int, epoch: int | np.ndarray) -> Epoch:
    """Shuffle every member's rows and cut them into batches; the last one may be smaller, no row is dropped.

    epoch: how many epochs the members have behind them, one number for all or one each.
    """
    keys = zip(seeds, np.broadcast_to(epoch, len(seeds)), strict=True)
    generators = [np.random.Generator(np.random.SFC64([seed, int(behind)])) for seed, behind in keys]
    starts = np.arange(0, n_rows.max(), batch_size)[:, None]
    order = np.zeros((len(seeds), len(starts) * batch_size), dtype=np.int64)
    for row, generator, n in zip(order, generators, n_rows, strict=True):
        row[:n] = generator.permutation(n)
    return Epoch(batch_size, order, np.clip(n_rows[None, :] - starts, 0, batch_size), generators)


def draw_noise(epoch: Epoch, steps: slice, n_units: int) -> np.ndarray:
    """Return random bytes (active, steps * batch_size, n_units), 0 beyond a member's rows.

    Members are those active in the first of these steps, and steps must be drawn in their order.
    """
    counts, words = epoch.counts[steps].sum(axis=0)[: epoch.active[steps.start]], -(-n_units // 8)
    noise = np.empty((len(counts), len(epoch.counts[steps]) * epoch.batch_size, words * 8), dtype=np.uint8)
    for part, generator, n in zip(noise, epoch.generators, counts.tolist(), strict=False):
        part[:n] = generator.bit_generator.random_raw(n * words).view(np.uint8).reshape(n, -1)
        part[n:] = 0
    return noise[..., :n_units]


def row_weights(counts: np.ndarray, batch_size: int) -> np.ndarray:
    """Return weights (M, steps * batch_size) that make a sum over a batch the mean over its rows; counts (steps, M)."""
    present = np.arange(batch_size) < counts.T[..., None]
    return (present / np.maximum(counts.T[..., None], 1)).reshape(counts.shape[1], -1)
