"""What an epoch meant for every member: its losses, its best weights, whether it has finished, and its end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.core.members import Program, Trained, unstack
from pipeline.core.monitor import owners
from pipeline.core.schedule import cycle_ends
from pipeline.core.wave import Wave


@torch.no_grad()
def judge(wave: Wave, train_loss: Tensor, stop_loss: Tensor | None, measured: Tensor) -> None:
    """Count the epoch, write down its losses, and keep the weights of members that improved; all in place.

    Members with a NaN or infinite number have diverged and keep the weights they had.
    """
    state, row = wave.state, torch.arange(len(wave.seats))
    improved = _improved(wave, train_loss, stop_loss)
    for name, tensor in wave.part("weights").items():
        best = state[f"best/{name}"]
        torch.where(improved.reshape(-1, *[1] * (tensor.ndim - 1)), tensor, best, out=best)
    state["layers"][row, state["epoch"]] = measured.to("cpu", state["layers"].dtype)
    state["losses"][row, state["epoch"], 0] = train_loss.to("cpu", torch.float64)
    if stop_loss is not None:
        state["losses"][row, state["epoch"], 1] = stop_loss.to("cpu", torch.float64)
    state["epoch"] += 1
    state["best_epoch"].copy_(torch.where(improved.cpu(), state["epoch"], state["best_epoch"]))


def _improved(wave: Wave, train_loss: Tensor, stop_loss: Tensor | None) -> Tensor:
    state = wave.state
    watched = train_loss if stop_loss is None else train_loss + stop_loss
    for tensor in wave.part("weights").values():
        watched = watched + 0 * tensor.flatten(1).sum(dim=1)
    state["diverged"].logical_or_(~watched.isfinite())
    if stop_loss is None:
        return ~state["diverged"]
    improved = ~state["diverged"] & (stop_loss < state["best_loss"])
    state["best_loss"].copy_(torch.where(improved, stop_loss, state["best_loss"]))
    return improved


def finished(program: Program, wave: Wave) -> list[int]:
    """Return the positions of members that have nothing left to do."""
    epoch, best_epoch = wave.state["epoch"].numpy(), wave.state["best_epoch"].numpy()
    done = np.array([member.epochs or program.epochs for member in wave.members]) <= epoch
    done |= wave.state["diverged"].cpu().numpy()
    if program.patience == "cycle":
        done |= _ended_worse(program, epoch, wave.state["losses"][:, :, 1].numpy())
    elif program.patience is not None:
        done |= epoch - best_epoch >= program.patience
    return np.flatnonzero(done).tolist()


def _ended_worse(program: Program, epoch: np.ndarray, stop_losses: np.ndarray) -> np.ndarray:
    """Say who stands at the end of a cycle that is worse than the end of the one before."""
    worse = np.zeros(len(epoch), dtype=bool)
    for before, end in pairwise(cycle_ends(program.schedule, program.epochs)):
        worse |= (epoch == end) & (stop_losses[:, end - 1] > stop_losses[:, before - 1])
    return worse


def harvest(wave: Wave, rows: list[int], *, truncated: bool = False) -> dict[int, Trained]:
    """Return what members at these positions end with, by their place in the list that was asked for."""
    best, state, layers = wave.part("best"), wave.state, owners(wave.trained)
    results = {}
    for row in rows:
        seat, epochs = wave.seats[row], int(state["epoch"][row])
        results[seat.place] = Trained(
            unstack(best, row, seat.shapes),
            int(state["best_epoch"][row]),
            state["losses"][row, :epochs].numpy().copy(),
            bool(state["diverged"][row]),
            truncated,
            dict(zip(layers, np.moveaxis(state["layers"][row, :epochs].numpy().copy(), 1, 0), strict=True)),
        )
    return results
