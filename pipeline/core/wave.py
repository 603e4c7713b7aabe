"""The state of one wave of members while they train: everything a checkpoint would have to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipeline.core.blocks import Network, build, tensors
from pipeline.core.init import initialise, rate_factors
from pipeline.core.members import Member, Program, Rows, View, stack
from pipeline.core.optimiser import Factors, Stacked


@dataclass(frozen=True)
class Table:
    """Rows of several views in one table on the device: view v's rows start at `start[v]`, narrower ones are padded."""

    rows: Rows
    start: np.ndarray
    n_rows: np.ndarray


@dataclass(frozen=True)
class Wave:
    """Stacked members, sorted by their number of rows (most first); tensors have the member as first axis.

    places: each member's position in the list that was asked for. weights: parameters and buffers, best: those to
    keep; moments and factors: of what is trained.
    best_loss is the lowest stopping loss, best_epoch when it was reached.
    """

    places: list[int]
    members: list[Member]
    shapes: list[dict[str, torch.Size]]
    weights: Stacked
    best: Stacked
    moments: tuple[Stacked, Stacked]
    factors: Factors
    best_loss: Tensor
    best_epoch: Tensor
    diverged: Tensor


def join(parts: Sequence[Rows], device: torch.device) -> Table:
    """Put the rows of all views into one table."""
    n_rows = np.array([len(part) for part in parts])
    widest = max(part.dense.shape[1] for part in parts)
    dense = torch.cat([torch.nn.functional.pad(part.dense, (0, widest - part.dense.shape[1])) for part in parts])
    rows = Rows(dense, torch.cat([p.codes for p in parts]), torch.cat([p.target for p in parts]))
    rows = Rows(rows.dense.to(device), rows.codes.to(device), rows.target.to(device))
    return Table(rows, np.concatenate([[0], n_rows.cumsum()[:-1]]), n_rows)


def template(program: Program, views: Sequence[View]) -> Network:
    """Return the network whose forward pass serves all members: as wide as the widest view."""
    widest = max(view.train.dense.shape[1] for view in views)
    train = views[0].train
    n_levels = max(view.n_levels for view in views)
    wanted = replace(program.architecture, n_levels=n_levels, n_numeric=views[0].n_numeric)
    return build(wanted, widest, train.codes.shape[1], train.dense.dtype)


def start(program: Program, members: Sequence[Member], views: Sequence[View], device: torch.device) -> Wave:
    """Initialise every member by itself, from its own seed, then stack them."""
    places = sorted(range(len(members)), key=lambda place: -len(views[members[place].view].train))
    members = [members[place] for place in places]
    nets = [_member_net(program, member, views[member.view]) for member in members]
    n, dtype = len(members), views[0].train.dense.dtype
    states = [tensors(net) for net in nets]
    factors = _stack_factors([rate_factors(net, program.parametrisation) for net in nets], dtype, device)
    weights = {name: stack([state[name].data for state in states]).to(device) for name in states[0]}
    trained = {name: weights[name] for name in factors.rate}
    return Wave(
        places,
        members,
        [{name: tensor.shape for name, tensor in state.items()} for state in states],
        weights,
        {name: tensor.clone() for name, tensor in weights.items()},
        (_zeros(trained), _zeros(trained)),
        factors,
        torch.full((n,), torch.inf, dtype=dtype, device=device),
        torch.zeros(n, dtype=torch.int64, device=device),
        torch.zeros(n, dtype=torch.bool, device=device),
    )


def _zeros(like: Stacked) -> Stacked:
    return {name: torch.zeros_like(tensor) for name, tensor in like.items()}


def _member_net(program: Program, member: Member, view: View) -> Network:
    rows = view.train
    wanted = replace(program.architecture, n_levels=view.n_levels, n_numeric=view.n_numeric)
    net = build(wanted, rows.dense.shape[1], rows.codes.shape[1], rows.dense.dtype)
    initialise(net, program.init, member.seed, rows.dense, rows.codes)
    return net


def _stack_factors(each: list[dict[str, tuple[float, float]]], dtype: torch.dtype, device: torch.device) -> Factors:
    rate, decay = (
        {
            name: torch.tensor([part[name][kind] for part in each], dtype=dtype, device=device).reshape(-1, 1, 1)
            for name in each[0]
        }
        for kind in (0, 1)
    )
    return Factors(rate, decay)


def select(wave: Wave, rows: list[int]) -> Wave:
    """Return the wave with only the members at these positions."""
    at = torch.tensor(rows, dtype=torch.int64, device=wave.best_loss.device)

    def pick(stacked: Stacked) -> Stacked:
        return {name: tensor[at] for name, tensor in stacked.items()}

    return Wave(
        [wave.places[row] for row in rows],
        [wave.members[row] for row in rows],
        [wave.shapes[row] for row in rows],
        pick(wave.weights),
        pick(wave.best),
        (pick(wave.moments[0]), pick(wave.moments[1])),
        Factors(pick(wave.factors.rate), pick(wave.factors.decay)),
        wave.best_loss[at],
        wave.best_epoch[at],
        wave.diverged[at],
    )
