"""Train many small networks of one architecture as one program.

A member is one network: one (recipe, repeat, fold, seed). The members' parameters are stacked, (M, in, out), so that a
layer is one batched operation and the optimiser's step a few operations on whole tensors. Every member keeps its own
learning rate, decay, dropout, batch order, best weights and fate: its result doesn't depend on who shares the batch.
Nothing is read back from the device inside an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from pipeline.core import batches, optimiser
from pipeline.core.batches import Epoch
from pipeline.core.blocks import Architecture, Network, row_units
from pipeline.core.losses import row_losses
from pipeline.core.members import Member, Program, Rows, Trained, View, unstack
from pipeline.core.optimiser import Rates
from pipeline.core.rates import dropped_bytes, step_rates
from pipeline.core.wave import Table, Wave, join, select, start, template

MEMORY_BUDGET = 2**30  # bytes for one wave; a constant, so that waves are the same on every machine
CHUNK_ROWS = 2048  # rows a network predicts at once


def _ignore(epochs: int) -> None:
    del epochs


def train(
    program: Program,
    members: Sequence[Member],
    views: Sequence[View],
    *,
    device: torch.device | None = None,
    advance: Callable[[int], None] = _ignore,
) -> list[Trained]:
    """Train all members, in as many waves as the memory budget asks for; return them in their order.

    advance: called with the number of members that have just finished an epoch.
    """
    results: list[Trained] = []
    for wave in plan_waves(program, members, views):
        used = sorted({member.view for member in wave})
        own = [replace(member, view=used.index(member.view)) for member in wave]
        results += _train_wave(program, own, [views[view] for view in used], device or torch.device("cpu"), advance)
    return results


def plan_waves(program: Program, members: Sequence[Member], views: Sequence[View]) -> list[list[Member]]:
    """Cut the members into equal waves whose weights, optimiser state and activations fit the budget."""
    net = template(program, views)
    n_parameters = sum(parameter.numel() for parameter in net.parameters())
    member_bytes = 4 * (7 * n_parameters + 6 * program.batch_size * row_units(net))
    n_waves = -(-len(members) // max(1, MEMORY_BUDGET // member_bytes))
    bounds = np.linspace(0, len(members), n_waves + 1).round().astype(int)
    return [list(members[a:b]) for a, b in pairwise(bounds)]


def _train_wave(
    program: Program,
    members: list[Member],
    views: Sequence[View],
    device: torch.device,
    advance: Callable[[int], None],
) -> list[Trained]:
    net = template(program, views).to(device)
    table = join([view.train for view in views], device)
    stopping = [view.stop for view in views if view.stop is not None]
    stop_table = join(stopping, device) if stopping else None
    wave = start(program, members, views, device)
    losses = np.full((len(members), program.epochs, 2), np.nan)
    trained: dict[int, Trained] = {}
    for epoch in range(1, program.epochs + 1):
        train_loss = _run_epoch(program, net, wave, table, epoch - 1)
        stop_loss = None if stop_table is None else _stop_loss(program, net, wave, stop_table)
        _keep_best(wave, train_loss, stop_loss, epoch)
        losses[wave.places, epoch - 1, 0] = train_loss.cpu()
        losses[wave.places, epoch - 1, 1] = np.nan if stop_loss is None else stop_loss.cpu()
        advance(len(wave.members))
        if finished := _finished(program, wave, epoch):
            trained |= _harvest(wave, finished, losses, epoch)
            wave = select(wave, [row for row in range(len(wave.members)) if row not in finished])
        if not wave.members:
            break
    return [trained[place] for place in range(len(members))]


def _run_epoch(program: Program, net: Network, wave: Wave, table: Table, epoch: int) -> Tensor:
    """Take every member through its rows once; return its mean training loss (M,), on the device."""
    net.train()
    views = [member.view for member in wave.members]
    plan = batches.plan_epoch([m.seed for m in wave.members], table.n_rows[views], program.batch_size, epoch)

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(table.rows.dense.device, table.rows.dense.dtype)

    order = torch.from_numpy(plan.order + table.start[views][:, None]).to(table.rows.dense.device)
    rates = Rates(*(put(values) for values in step_rates(program, wave.members, plan, epoch)))
    dropped = dropped_bytes(program, wave.members, plan, epoch)
    smoothing, share = put(np.array([m.label_smoothing for m in wave.members])), put(plan.counts / plan.counts.sum(0))
    total = torch.zeros_like(smoothing)
    for step, n_active in enumerate(plan.active.tolist()):
        counts = plan.counts[step, :n_active]
        first = step * program.batch_size
        rows = take(table.rows, order[:n_active, first : first + counts.max()])
        masks = [] if dropped is None else _draw_masks(program, plan, step, put(dropped[step, :n_active]))
        weights = put(batches.row_weights(counts))
        loss = _step(program, net, wave, rows, weights, smoothing[:n_active], masks, rates.at(step))
        total[:n_active] += loss * share[step, :n_active]
    return total


def _step(
    program: Program,
    net: Network,
    wave: Wave,
    rows: Rows,
    weights: Tensor,
    smoothing: Tensor,
    masks: Sequence[Tensor],
    rates: Rates,
) -> Tensor:
    n_active = len(weights)
    state = {name: tensor[:n_active].detach() for name, tensor in wave.weights.items()}
    leaves = {name: state[name].requires_grad_() for name in wave.factors.rate}
    output = functional_call(net, state, (rows.dense, rows.codes, masks, weights))
    loss = (row_losses(program.loss, output, rows.target, smoothing) * weights).sum(dim=1)
    gradients = dict(zip(leaves, torch.autograd.grad(loss.sum(), list(leaves.values())), strict=True))
    optimiser.update(
        program.optimiser, wave.weights, gradients, wave.moments, rates, wave.factors, program.beta, n_active
    )
    return loss.detach()


def _draw_masks(program: Program, plan: Epoch, step: int, dropped: Tensor) -> list[Tensor]:
    """Return one dropout mask a hidden block, (active, batch, width): 0, or the factor that keeps the mean."""
    widths = list(program.architecture.masked_units)
    noise = batches.draw_noise(plan, step, sum(widths)).to(dropped.device)
    dropped = dropped.reshape(-1, 1, 1)
    kept = 256 / (256 - dropped)
    parts = (part.to(dropped.dtype) for part in torch.split(noise[..., : sum(widths)], widths, dim=-1))
    # 1 where byte >= dropped, else 0: arithmetic on whole numbers, far faster on a CPU than comparing
    return [part.sub_(dropped - 1).clamp_(0, 1).mul_(kept) for part in parts]


def take(rows: Rows, at: Tensor) -> Rows:
    """Gather rows at positions (M, batch) into (M, batch, ...)."""
    parts = (part.index_select(0, at.reshape(-1)) for part in (rows.dense, rows.codes, rows.target))
    return Rows(*(part.reshape(*at.shape, *part.shape[1:]) for part in parts))


@torch.no_grad()
def _stop_loss(program: Program, net: Network, wave: Wave, table: Table) -> Tensor:
    """Return every member's mean loss (M,) over its stopping rows, without dropout and label smoothing."""
    net.eval()
    views = [member.view for member in wave.members]
    n_rows, device, dtype = table.n_rows[views], table.rows.dense.device, table.rows.dense.dtype
    start_row = torch.from_numpy(table.start[views]).to(device)[:, None]
    total = torch.zeros(len(views), dtype=dtype, device=device)
    chunk = _chunk_rows(program.architecture)
    for first in range(0, n_rows.max(), chunk):
        at = np.arange(first, min(first + chunk, n_rows.max()))[None, :]
        present = at < n_rows[:, None]
        rows = take(table.rows, start_row + torch.from_numpy(np.where(present, at, 0)).to(device))
        output = functional_call(net, wave.weights, (rows.dense, rows.codes))
        loss = row_losses(program.loss, output, rows.target, torch.zeros_like(total))
        total += (loss * torch.from_numpy(present / n_rows[:, None]).to(device, dtype)).sum(dim=1)
    return total


def _chunk_rows(architecture: Architecture) -> int:
    """Return how many rows are predicted at once: fewer where each becomes k."""
    return -(-CHUNK_ROWS // max(architecture.k, 1))


@torch.no_grad()
def _keep_best(wave: Wave, train_loss: Tensor, stop_loss: Tensor | None, epoch: int) -> None:
    """Keep the weights of members that improved; those with a NaN or infinite number keep the ones they had."""
    watched = train_loss if stop_loss is None else train_loss + stop_loss
    for tensor in wave.weights.values():
        watched = watched + 0 * tensor.flatten(1).sum(dim=1)
    wave.diverged.logical_or_(~watched.isfinite())
    better = ~wave.diverged if stop_loss is None else ~wave.diverged & (stop_loss < wave.best_loss)
    if stop_loss is not None:
        wave.best_loss.copy_(torch.where(better, stop_loss, wave.best_loss))
    wave.best_epoch.masked_fill_(better, epoch)
    for name, tensor in wave.weights.items():
        wave.best[name].copy_(torch.where(better.reshape(-1, 1, 1), tensor, wave.best[name]))


def _finished(program: Program, wave: Wave, epoch: int) -> list[int]:
    """Return the positions of members that have nothing left to do: one look at the device an epoch."""
    planned = np.array([m.epochs or program.epochs for m in wave.members])
    done = (planned <= epoch) | wave.diverged.cpu().numpy()
    if program.patience is not None:
        done |= epoch - wave.best_epoch.cpu().numpy() >= program.patience
    return np.flatnonzero(done).tolist()


def _harvest(wave: Wave, rows: list[int], losses: np.ndarray, epoch: int) -> dict[int, Trained]:
    """Take finished members out, by their place in the list that was asked for."""
    return {
        wave.places[row]: Trained(
            unstack(wave.best, row, wave.shapes[row]),
            int(wave.best_epoch[row]),
            losses[wave.places[row], :epoch],
            bool(wave.diverged[row]),
        )
        for row in rows
    }


@torch.no_grad()
def predict(architecture: Architecture, states: Sequence[dict[str, Tensor]], rows: Rows) -> Tensor:
    """Return raw outputs (M, n, n_outputs) of plain networks that share an encoding, as one program."""
    net = Network(architecture).eval()
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    outputs, chunk = [], _chunk_rows(architecture)
    for first in range(0, len(rows), chunk):
        dense, codes = (part[first : first + chunk] for part in (rows.dense, rows.codes))
        shape = (len(states), *dense.shape), (len(states), *codes.shape)
        outputs.append(functional_call(net, weights, (dense.expand(shape[0]), codes.expand(shape[1]))))
    return torch.cat(outputs, dim=1)
