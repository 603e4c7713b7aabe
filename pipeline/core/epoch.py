"""One epoch of a wave: every member once through its own rows, and once through its stopping rows.

Nothing is read back from the device in here: on a GPU the host runs ahead of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.core import batches, optimiser
from pipeline.core.batches import Epoch
from pipeline.core.blocks import Architecture, Network
from pipeline.core.gradients import penalise, shorten
from pipeline.core.losses import loss_of, row_losses
from pipeline.core.members import EncodedRows, Program
from pipeline.core.monitor import Watch
from pipeline.core.optimiser import Rates, Settings, Stacked
from pipeline.core.precision import products_in
from pipeline.core.rates import dropped_bytes, step_rates
from pipeline.core.table import DeviceTable
from pipeline.core.wave import Wave

PREPARED = 2**22  # numbers of batches that are made at once
CHUNK_ROWS = 512  # rows each network predicts at once: more would leave a processor's cache


def chunk_rows(architecture: Architecture) -> int:
    """Return how many rows each member predicts at once: fewer where each becomes k."""
    return -(-CHUNK_ROWS // max(architecture.k, 1))


@dataclass(frozen=True)
class Batch:
    """What the active members see in a step: rows (M, batch, ...), their weights (M, batch), and dropout masks."""

    rows: EncodedRows
    weights: Tensor
    masks: list[Tensor]


def train_epoch(
    program: Program, net: Network, wave: Wave, table: DeviceTable, behind: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Take every member through its rows once, in place; behind (M,): epochs done before.

    Returns, on the device, the mean training loss (M,) and what monitor.py measures in the first step.
    """
    net.train()
    views = [member.view for member in wave.members]
    plan = batches.plan_epoch([member.seed for member in wave.members], table.n_rows[views], program.batch_size, behind)
    take_step = _stepper(program, net, wave, table, step_rates(program, wave.members, plan, behind))
    share = table.put(plan.counts / plan.counts.sum(axis=0))
    dropped = dropped_bytes(program, wave.members, plan, behind)
    total, measured = torch.zeros_like(share[0]), torch.empty(0)
    for step, batch in enumerate(_batches(program, wave, table, plan, dropped)):
        watch = None if step else Watch(net)
        loss, gradients = take_step(step, batch)
        n_active = len(loss)
        total[:n_active].addcmul_(loss, share[step, :n_active])
        if watch is not None:
            measured = watch.measure(gradients, wave.trained)
    return total, measured


def _stepper(
    program: Program, net: Network, wave: Wave, table: DeviceTable, rates: Rates
) -> Callable[[int, Batch], tuple[Tensor, Stacked]]:
    """Return what takes a step: forward, backward, update; it returns each active member's loss, and the gradients."""
    weights, trained, factors = wave.part("weights"), wave.trained, [seat.factors for seat in wave.seats]
    members, names = wave.members, list(trained)
    penalised, clipped = any(m.l1 for m in members), not all(math.isinf(m.clip) for m in members)
    settings = Settings(program.optimiser, program.beta, program.eps)
    update = optimiser.updater(settings, trained, (wave.part("first"), wave.part("second")), factors, rates)
    row_loss = loss_of(program.loss, program.level)
    smoothing = table.put(np.array([member.label_smoothing for member in members]))
    leaves: list[nn.Parameter] = []

    def take_step(step: int, batch: Batch) -> tuple[Tensor, Stacked]:
        nonlocal leaves
        n_active = len(batch.weights)
        if not leaves or len(leaves[0]) != n_active:
            leaves = _bind(net, weights, names, n_active)
        dense = batch.rows.dense
        with products_in(program.precision, dense.device):
            output = net(dense, batch.rows.codes, batch.masks, batch.weights).to(dense.dtype)
        losses = row_losses(row_loss, output, batch.rows.target, smoothing[:n_active])
        loss = (_weighed(losses, batch.rows) * batch.weights).sum(dim=1)
        gradients = dict(zip(names, torch.autograd.grad(loss.sum(), leaves), strict=True))
        if penalised:
            gradients = penalise(members, factors, trained, gradients)
        if clipped:
            gradients = shorten(members, gradients)
        update(gradients, step, n_active)
        return loss.detach(), gradients

    return take_step


def _weighed(losses: Tensor, rows: EncodedRows) -> Tensor:
    return losses if rows.weight is None else losses * rows.weight


def _bind(net: Network, weights: Stacked, trained: list[str], n_active: int) -> list[nn.Parameter]:
    """Make the network compute with the first members' tensors, in place; return those that are trained."""
    leaves = {}
    for name, tensor in weights.items():
        owner, _, own = name.rpartition(".")
        active = tensor[:n_active]
        if name in trained:
            active = leaves[name] = nn.Parameter(active)
        setattr(net.get_submodule(owner), own, active)
    return [leaves[name] for name in trained]


def _batches(
    program: Program, wave: Wave, table: DeviceTable, plan: Epoch, dropped: np.ndarray | None
) -> Iterator[Batch]:
    """Yield the steps' batches, made a few at a time: each has too little in it to be worth its calls."""
    views = [member.view for member in wave.members]
    row_size = table.width + sum(program.architecture.masked_units)
    length = max(1, PREPARED // (len(views) * plan.batch_size * row_size))
    for begin in range(0, len(plan.counts), length):
        yield from _prepared(program, table, plan, dropped, views, slice(begin, begin + length))


def _prepared(
    program: Program, table: DeviceTable, plan: Epoch, dropped: np.ndarray | None, views: list[int], steps: slice
) -> Iterator[Batch]:
    active, counts, size = plan.active[steps].tolist(), plan.counts[steps], plan.batch_size
    rows = table.take(views[: active[0]], plan.order[: active[0], steps.start * size : steps.stop * size])
    weights = table.put(batches.row_weights(counts[:, : active[0]], size))
    masks = [] if dropped is None else _masks(program, plan, steps, dropped[steps, : active[0]], table)
    for number, (n_active, longest) in enumerate(zip(active, counts.max(axis=1).tolist(), strict=True)):
        at = slice(n_active), slice(number * size, number * size + longest)
        yield Batch(rows.map(itemgetter(at)), weights[at], [mask[at] for mask in masks])


def _masks(program: Program, plan: Epoch, steps: slice, dropped: np.ndarray, table: DeviceTable) -> tuple[Tensor, ...]:
    """Return a dropout mask a hidden block, (active, rows, width): 0, or the factor that keeps the mean.

    Compared in numpy, which is many times faster at it than torch on a CPU, and sent to the device as bytes.
    """
    widths = program.architecture.masked_units
    noise = batches.draw_noise(plan, steps, sum(widths)).reshape(dropped.shape[1], len(dropped), -1, sum(widths))
    kept = torch.from_numpy((noise >= dropped.T[..., None, None]).view(np.uint8))
    factor = table.put(256 / (256 - dropped.T.astype(np.float64)))[..., None, None]
    masks = kept.to(factor.device, non_blocking=True).to(factor.dtype).mul_(factor)
    return masks.flatten(1, 2).split(widths, dim=-1)


@torch.no_grad()
def stop_loss(program: Program, net: Network, wave: Wave, table: DeviceTable) -> Tensor:
    """Return every member's mean loss (M,) over its stopping rows, by weight, without dropout and label smoothing."""
    net.eval()
    views, weights = [member.view for member in wave.members], wave.part("weights")
    row_loss = loss_of(program.loss, program.level)
    n_rows = table.n_rows[views][:, None]
    total = table.put(np.zeros(len(views)))
    chunk = chunk_rows(program.architecture)
    for begin in range(0, n_rows.max(), chunk):
        at = np.arange(begin, min(begin + chunk, n_rows.max()))[None, :]
        present = at < n_rows
        rows = table.take(views, np.where(present, at, 0))
        output = functional_call(net, weights, (rows.dense, rows.codes))
        loss = row_losses(row_loss, output, rows.target, torch.zeros_like(total))
        total += (_weighed(loss, rows) * table.put(present / n_rows)).sum(dim=1)
    return total
