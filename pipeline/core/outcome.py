"""What an epoch meant for every member: its losses, its best weights, whether it has finished, and its end."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pipeline.core.members import Kept, Program, Trained, unstack
from pipeline.core.monitor import owners
from pipeline.core.schedule import cycle_ends
from pipeline.core.wave import Wave


@torch.no_grad()
def judge(program: Program, wave: Wave, train_loss: Tensor, stop_losses: Tensor | None, measured: Tensor) -> None:
    """Count the epoch, write down its losses, and keep the weights of members that improved; all in place.

    train_loss (M,), stop_losses (M, S). Members with a NaN or infinite number have diverged and keep the weights they
    had. A set of stopping rows that has ended its search chooses no more: how long another goes on tells it nothing.
    """
    state, row = wave.state, torch.arange(len(wave.seats))
    improved = _improved(program, wave, train_loss, stop_losses)
    for name, tensor in wave.part("weights").items():
        best = state[f"best/{name}"]
        torch.where(improved.reshape(*improved.shape, *[1] * (tensor.ndim - 1)), tensor.unsqueeze(1), best, out=best)
    state["layers"][row, state["epoch"]] = measured.to("cpu", state["layers"].dtype)
    state["losses"][row, state["epoch"], 0] = train_loss.to("cpu", torch.float64)
    if stop_losses is not None:
        state["losses"][row, state["epoch"], 1:] = stop_losses.to("cpu", torch.float64)
    state["epoch"] += 1
    state["best_epoch"].copy_(torch.where(improved.cpu(), state["epoch"][:, None], state["best_epoch"]))


def _improved(program: Program, wave: Wave, train_loss: Tensor, stop_losses: Tensor | None) -> Tensor:
    """Return (M, S) for which sets of stopping rows this is the best epoch so far."""
    state = wave.state
    watched = train_loss if stop_losses is None else train_loss + stop_losses.sum(dim=1)
    for tensor in wave.part("weights").values():
        watched = watched + 0 * tensor.flatten(1).sum(dim=1)
    state["diverged"].logical_or_(~watched.isfinite())
    sound = ~state["diverged"][:, None]
    if stop_losses is None:
        return sound
    improved = sound & (stop_losses < state["best_loss"])
    if stop_losses.shape[1] > 1:  # a single one that has ended its search has ended its member
        improved &= ~_search_ended(program, wave).to(improved.device)
    state["best_loss"].copy_(torch.where(improved, stop_losses, state["best_loss"]))
    return improved


def finished(program: Program, wave: Wave) -> list[int]:
    """Return the positions of members that have nothing left to do."""
    done = np.array([member.epochs or program.epochs for member in wave.members]) <= wave.state["epoch"].numpy()
    done |= wave.state["diverged"].cpu().numpy()
    done |= _search_ended(program, wave).all(dim=1).numpy()
    return np.flatnonzero(done).tolist()


def _search_ended(program: Program, wave: Wave) -> Tensor:
    """Say (M, S), on the host, which sets of stopping rows have chosen an epoch for good, by the program's patience."""
    epoch, best_epoch, losses = wave.state["epoch"][:, None], wave.state["best_epoch"], wave.state["losses"][:, :, 1:]
    ended = torch.zeros_like(best_epoch, dtype=torch.bool)
    if program.patience == "cycle":
        for before, end in pairwise(cycle_ends(program.schedule, program.epochs)):
            ended |= (epoch >= end) & (losses[:, end - 1] > losses[:, before - 1])
    elif program.patience is not None:
        ended |= epoch - best_epoch >= program.patience
    return ended


def harvest(wave: Wave, rows: list[int], *, truncated: bool = False) -> dict[int, Trained]:
    """Return what members at these positions end with, by their place in the list that was asked for."""
    best, state, layers = wave.part("best"), wave.state, owners(wave.trained)
    results = {}
    for row in rows:
        seat, epochs = wave.seats[row], int(state["epoch"][row])
        kept = [
            Kept(unstack(best, (row, number), seat.shapes), int(chosen))
            for number, chosen in enumerate(state["best_epoch"][row])
        ]
        results[seat.place] = Trained(
            tuple(kept),
            state["losses"][row, :epochs].numpy().copy(),
            bool(state["diverged"][row]),
            truncated,
            dict(zip(layers, np.moveaxis(state["layers"][row, :epochs].numpy().copy(), 1, 0), strict=True)),
        )
    return results
