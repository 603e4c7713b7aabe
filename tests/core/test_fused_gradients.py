"""Clipping and L1 equal those of a plain loop, and the monitor sees what happens in the layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from small_networks import NETWORK, SIZES, largest_difference, rows_of
from torch import nn

from pipeline.core.blocks import Network, build
from pipeline.core.fused import train
from pipeline.core.init import initialise
from pipeline.core.members import Member, Program, View
from pipeline.core.monitor import MEASURES, owners

NAMES = list(dict(build(NETWORK, 6).named_parameters()))


def plain_start(member: Member, n_columns: int, program: Program) -> Network:
    net = build(program.architecture, n_columns, dtype=torch.float64)
    initialise(net, program.init, member.seed, torch.zeros(1, n_columns), torch.zeros(1, 0))
    return net


def plain_loop(member: Member, view: View, program: Program) -> tuple[Network, list[float]]:
    """Train with all rows as one batch; return the network and the gradient's length before clipping, by epoch."""
    rows, lengths = view.train, []
    net = plain_start(member, rows.dense.shape[1], program)
    weights = [parameter for name, parameter in net.named_parameters() if name.endswith("weight")]
    steps = torch.optim.Adam(net.parameters(), lr=member.lr)
    for _ in range(program.epochs):
        steps.zero_grad()
        penalty = member.l1 * sum(weight.abs().sum() for weight in weights)
        ((net(rows.dense) - rows.target).square().mean() + penalty).backward()
        lengths.append(float(nn.utils.clip_grad_norm_(net.parameters(), member.clip)))
        steps.step()
    return net, lengths


WHOLE = Program(replace(NETWORK, scaling=False), "squared", 5, 100, init="xavier", optimiser="adam")


def test_clipping_and_l1_are_each_members_own() -> None:
    views = [View(rows_of(n, n, d)) for n, d in SIZES[:3]]
    members = [
        Member(0, 1, lr=0.01, clip=0.5),
        Member(1, 2, lr=0.02, l1=0.05),
        Member(2, 3, lr=0.01),
        Member(0, 4, lr=0.03, clip=0.1, l1=0.01),
    ]
    for member, found in zip(members, train(WHOLE, members, views), strict=True):
        net, lengths = plain_loop(member, views[member.view], WHOLE)
        assert largest_difference(found.state, dict(net.named_parameters())) < 1e-9
        assert max(lengths) > member.clip or member.clip == np.inf


def test_l1_leaves_biases_alone_and_makes_weights_small() -> None:
    views = [View(rows_of(1, 80))]
    program = replace(WHOLE, epochs=200)
    free, held = train(program, [Member(0, 1, lr=0.02), Member(0, 1, lr=0.02, l1=0.05)], views)
    assert held.state["blocks.0.linear.weight"].abs().sum() < 0.5 * free.state["blocks.0.linear.weight"].abs().sum()
    assert held.state["head.bias"].abs().sum() > 1e-3


def test_the_monitor_measures_what_a_plain_loop_measures() -> None:
    views = [View(rows_of(n, n, d)) for n, d in SIZES[:2]]
    members = [Member(0, 1, lr=0.01), Member(1, 2, lr=0.02)]
    for member, found in zip(members, train(WHOLE, members, views), strict=True):
        assert list(found.layers) == ["blocks.0.linear", "blocks.1.linear", "head"] == owners(found.state)
        _, lengths = plain_loop(member, views[member.view], WHOLE)
        gradient_norm, weight_norm, dead_share = np.stack(list(found.layers.values()), axis=-1).swapaxes(0, 1)
        np.testing.assert_allclose(np.sqrt((gradient_norm**2).sum(axis=1)), lengths, rtol=1e-5)
        assert (weight_norm > 0).all()
        np.testing.assert_array_equal(dead_share, [[0, 0, np.nan]] * 5)


def test_the_monitor_sees_dead_units() -> None:
    views = [View(rows_of(1, 60, dtype=torch.float32))]
    program = replace(WHOLE, architecture=replace(WHOLE.architecture, activation="relu"), optimiser="sgd")
    calm, dying = train(program, [Member(0, 1, lr=1e-4), Member(0, 1, lr=3.0, clip=5.0)], views)
    dead_share = MEASURES.index("dead_share")
    silent = [max(member.layers[f"blocks.{n}.linear"][-1, dead_share] for n in (0, 1)) for member in (calm, dying)]
    assert silent[0] < 0.5 < silent[1]


def test_a_gradient_of_zero_is_not_divided_by() -> None:
    rows = rows_of(1, 20)
    still = View(replace(rows, target=torch.zeros(20, 1, dtype=torch.float64)))
    program = replace(WHOLE, architecture=replace(NETWORK, hidden=(), scaling=False), init="constant")
    (member,) = train(program, [Member(0, 1, clip=1.0)], [still])
    assert not member.diverged
    assert not any(tensor.any() for tensor in member.state.values())
