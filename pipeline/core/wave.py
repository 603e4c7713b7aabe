"""The members that train together at the moment, and everything that training them needs and changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.core.blocks import Network, build, tensors
from pipeline.core.init import initialise, rate_factors, rows_seen
from pipeline.core.members import Member, Program, View, stack
from pipeline.core.monitor import MEASURES, owners
from pipeline.core.optimiser import Factors, Stacked

Shapes = dict[str, torch.Size]


@dataclass(frozen=True)
class Seat:
    """A member on the wave: its place in the list that was asked for, and what is known of it ahead."""

    place: int
    member: Member
    n_rows: int
    shapes: Shapes
    factors: Factors


@dataclass(frozen=True)
class Wave:
    """Stacked members, sorted by their number of rows (most first).

    state: tensors whose first axis is the member: "weights/<name>", parameters and buffers; "best/<name>" (M, S, ...),
    those to keep by each of S sets of stopping rows (one if there are none); "first/<name>" and "second/<name>", the
    moments of what is trained; "best_loss" (M, S), the lowest stopping losses, and "diverged"; on the host "epoch", how
    many are done, "best_epoch" (M, S), "losses" (M, epochs, 1 + S), and what was measured in the "layers" (M, epochs,
    layers, measures).
    """

    seats: list[Seat]
    state: dict[str, Tensor]

    def part(self, kind: str) -> Stacked:
        """Return "weights", "best", "first" or "second" by the names of parameters."""
        start = f"{kind}/"
        return {key.removeprefix(start): tensor for key, tensor in self.state.items() if key.startswith(start)}

    @property
    def trained(self) -> Stacked:
        """The weights that have moments."""
        weights = self.part("weights")
        return {name: weights[name] for name in self.part("first")}

    @property
    def members(self) -> list[Member]:
        """The members in the order of their rows in the tensors."""
        return [seat.member for seat in self.seats]


def template(program: Program, views: Sequence[View]) -> Network:
    """Return the network whose forward pass serves all members: as wide as the widest view."""
    widest = max(view.train.width for view in views)
    n_levels = max(view.n_levels for view in views)
    wanted = replace(program.architecture, n_levels=n_levels, n_numeric=views[0].n_numeric)
    train = views[0].train
    return build(wanted, widest, train.codes.shape[1], train.dense.dtype)


def shapes_of(net: Network) -> Shapes:
    """Return the shapes of one network's parameters and buffers."""
    return {name: tensor.shape for name, tensor in tensors(net).items()}


def start(
    program: Program, members: dict[int, Member], views: Sequence[View], shapes: Shapes, device: torch.device
) -> Wave:
    """Initialise every member by itself, from its own seed, then stack them, padded to the template's shapes."""
    nets = [_member_net(program, member, views[member.view]) for member in members.values()]
    parts = [tensors(own) for own in nets]
    seats = [
        Seat(
            place,
            member,
            len(views[member.view].train),
            shapes_of(own),
            rate_factors(own, program.parametrisation),
        )
        for (place, member), own in zip(members.items(), nets, strict=True)
    ]
    weights = {name: stack([part[name].data for part in parts], shape).to(device) for name, shape in shapes.items()}
    return in_order(Wave(seats, _fresh_state(program, weights, seats[0].factors, max(1, len(views[0].stops)))))


def _fresh_state(program: Program, weights: Stacked, trained: Factors, n_kept: int) -> dict[str, Tensor]:
    like = next(iter(weights.values()))
    n = len(like)
    state = {f"weights/{name}": tensor for name, tensor in weights.items()}
    state |= {f"best/{name}": torch.stack([tensor] * n_kept, dim=1) for name, tensor in weights.items()}
    state |= {f"{moment}/{name}": torch.zeros_like(weights[name]) for moment in ("first", "second") for name in trained}
    return state | {
        "best_loss": like.new_full((n, n_kept), torch.inf),
        "diverged": like.new_zeros(n, dtype=torch.bool),
        "epoch": torch.zeros(n, dtype=torch.int64),
        "best_epoch": torch.zeros(n, n_kept, dtype=torch.int64),
        "losses": torch.full((n, program.epochs, 1 + n_kept), torch.nan, dtype=torch.float64),
        "layers": torch.full((n, program.epochs, len(owners(trained)), len(MEASURES)), torch.nan),
    }


def _member_net(program: Program, member: Member, view: View) -> Network:
    rows = view.train
    wanted = replace(program.architecture, n_levels=view.n_levels, n_numeric=view.n_numeric)
    net = build(wanted, rows.width, rows.codes.shape[1], rows.dense.dtype)
    seen = rows_seen(net, len(rows))
    initialise(net, program.init, member.seed, rows.columns(seen), rows.codes[seen])
    return net


def select(wave: Wave, rows: Sequence[int]) -> Wave:
    """Return the wave with only the members at these positions, in this order."""
    at = torch.tensor(rows, dtype=torch.int64)
    state = {key: tensor.index_select(0, at.to(tensor.device)) for key, tensor in wave.state.items()}
    return Wave([wave.seats[row] for row in rows], state)


def unite(wave: Wave, other: Wave) -> Wave:
    """Return both waves' members as one."""
    state = {key: torch.cat([tensor, other.state[key]]) for key, tensor in wave.state.items()}
    return in_order(Wave([*wave.seats, *other.seats], state))


def in_order(wave: Wave) -> Wave:
    """Return the wave sorted by rows; members that are equal in this keep their order."""
    rows = sorted(range(len(wave.seats)), key=lambda row: -wave.seats[row].n_rows)
    return wave if rows == sorted(rows) else select(wave, rows)
