"""Embeddings of numbers: each does what its paper says, for one network and for stacked ones."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.core import numeric
from pipeline.core.blocks import Architecture, build, tensors
from pipeline.core.init import initialise
from pipeline.core.numeric import Pbld, Periodic, Piecewise

N_COLUMNS, WIDTH, PARTS = 3, 5, 4
KINDS = ["piecewise", "periodic", "periodic_lite", "pbld"]


def rows(seed: int = 0, n: int = 40) -> Tensor:
    x = torch.randn(n, N_COLUMNS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x[:, 1] = (x[:, 1] > 0) + (x[:, 1] > 1).double()  # few values: some quantiles are equal
    return x


def layer_of(kind: str, seed: int = 0) -> nn.Module:
    """One embedding with random parameters, those that start at 0 included."""
    wanted = Architecture(1, numeric=kind, numeric_width=WIDTH, numeric_parts=PARTS, n_numeric=N_COLUMNS, sigma=0.5)
    net = build(wanted, N_COLUMNS, dtype=torch.float64)
    initialise(net, "lecun", seed, rows(seed), torch.zeros(40, 0, dtype=torch.int64))
    for parameter in net.numeric.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return net.numeric


def bins_below(edges: list[float], x: float) -> list[float]:
    """The encoding as the paper defines it, a bin at a time; the outer bins go on for their own width."""
    shares = []
    for position, (left, right) in enumerate(pairwise(edges)):
        lowest = -1 if position == 0 else 0
        highest = 2 if position == len(edges) - 2 else 1
        shares.append(min(max((x - left) / (right - left), lowest), highest))
    return shares


@pytest.mark.parametrize("seed", range(3))
def test_piecewise_weighs_each_bin_by_how_much_of_it_lies_below(seed: int) -> None:
    layer, x = layer_of("piecewise", seed), rows(seed)
    new = torch.cat([rows(seed + 10, 10), torch.full((1, N_COLUMNS), 9.0), torch.full((1, N_COLUMNS), -9.0)])
    out = layer(new).detach()
    weight = layer.weight.detach().reshape(N_COLUMNS, PARTS, WIDTH)
    for column in range(N_COLUMNS):
        edges = np.unique(np.quantile(x[:, column].numpy(), np.linspace(0, 1, PARTS + 1))).tolist()
        for row in range(len(new)):
            value = float(new[row, column])
            shares = bins_below(edges, value)
            wanted = sum(share * weight[column, number] for number, share in enumerate(shares))
            wanted = wanted + value * layer.direction[column] + layer.bias[column]
            torch.testing.assert_close(out[row, column * WIDTH : (column + 1) * WIDTH], wanted.detach())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=30, unique=True), st.integers(1, 9))
def test_bins_cover_what_was_fitted_without_gap(values: list[float], n_bins: int) -> None:
    """The bins' widths, weighed by their shares of x, add up to x less the lowest value."""
    x = torch.tensor(values, dtype=torch.float64).unsqueeze(1)
    layer = Piecewise(1, 1, n_bins).double()
    layer.fit(x)
    shares = layer.shares(x)[:, 0]
    used = layer.rise[0] > 0
    below = (shares[:, used] / layer.rise[0, used]).sum(dim=1)
    torch.testing.assert_close(below, x[:, 0] - x.min(), rtol=1e-6, atol=1e-4)


def test_piecewise_starts_as_a_linear_embedding() -> None:
    wanted = Architecture(1, numeric="piecewise", numeric_width=WIDTH, numeric_parts=PARTS, n_numeric=N_COLUMNS)
    net = build(wanted, N_COLUMNS, dtype=torch.float64)
    initialise(net, "lecun", 0, rows(), torch.zeros(40, 0, dtype=torch.int64))
    assert (net.numeric.weight == 0).all()
    assert net.numeric.direction.abs().max() > 0


def test_of_more_rows_than_can_be_ranked_every_so_many_th_makes_the_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "MOST_RANKED", 10)
    rows = torch.linspace(0, 1, 25).unsqueeze(1)
    some, own = Piecewise(1, 1, 4), Piecewise(1, 1, 4)
    some.fit(rows)
    own.fit(rows[::3])
    torch.testing.assert_close(dict(some.named_buffers()), dict(own.named_buffers()), rtol=0, atol=0)
    assert some.top.sum() == 5


def test_two_rows_that_nearly_agree_do_not_make_a_bin_of_no_width() -> None:
    layer = Piecewise(1, 1, 4)
    layer.fit(torch.tensor([[0.0], [1.0], [1.0000001], [2.0]]))
    assert layer.rise.max() < 100


@pytest.mark.parametrize("lite", [False, True])
def test_periodic_is_a_linear_layer_of_waves(lite: bool) -> None:
    layer, x = layer_of("periodic_lite" if lite else "periodic"), rows(1)
    weight = layer.weight.reshape(-1, 2 * PARTS, WIDTH)
    for column in range(N_COLUMNS):
        turns = 2 * math.pi * x[:, column : column + 1] * layer.frequency[column]
        waves, own = torch.cat([turns.cos(), turns.sin()], dim=1), 0 if lite else column
        wanted = torch.relu(waves @ weight[own] + layer.bias[own])
        torch.testing.assert_close(layer(x)[:, column * WIDTH : (column + 1) * WIDTH], wanted)


def test_pbld_is_a_linear_layer_of_cosines_beside_the_number_itself() -> None:
    layer, x = layer_of("pbld"), rows(1)
    weight, found = layer.weight.reshape(N_COLUMNS, PARTS, WIDTH - 1), layer(x).unflatten(1, (N_COLUMNS, WIDTH))
    for column in range(N_COLUMNS):
        waves = torch.cos(2 * math.pi * x[:, column : column + 1] * layer.frequency[column] + layer.phase[column])
        wanted = waves @ weight[column] + layer.bias[column]
        torch.testing.assert_close(found[:, column, :-1], wanted)
    torch.testing.assert_close(found[:, :, -1], x)


@pytest.mark.parametrize("kind", KINDS)
def test_stacked_members_get_what_each_gets_alone(kind: str) -> None:
    layers = [layer_of(kind, seed) for seed in range(3)]
    stacked = {name: torch.stack([tensors(layer)[name] for layer in layers]) for name in tensors(layers[0])}
    x = torch.stack([rows(seed + 5) for seed in range(3)])
    together = functional_call(layers[0], stacked, (x,))
    for member, layer in enumerate(layers):
        torch.testing.assert_close(together[member], layer(x[member]))


@pytest.mark.parametrize("sigma", [0.01, 1.0])
def test_frequencies_start_with_the_deviation_that_is_asked_for(sigma: float) -> None:
    wanted = Architecture(1, numeric="pbld", numeric_width=3, numeric_parts=200, n_numeric=N_COLUMNS, sigma=sigma)
    net = build(wanted, N_COLUMNS, dtype=torch.float64)
    initialise(net, "lecun", 0, rows(), torch.zeros(40, 0, dtype=torch.int64))
    assert net.numeric.frequency.std().item() == pytest.approx(sigma, rel=0.1)
    assert net.numeric.frequency.abs().max() <= 3 * sigma
    assert net.numeric.phase.abs().max() <= math.pi


def test_only_the_leading_columns_are_embedded() -> None:
    wanted = Architecture(1, numeric="pbld", numeric_width=4, numeric_parts=2, n_numeric=2, embedding=3, n_levels=5)
    net = build(wanted, 6, n_codes=1)
    dense, codes = torch.randn(7, 6), torch.zeros(7, 1, dtype=torch.int64)
    seen = net.inputs(dense, codes)
    assert seen.shape == (7, 3 + 2 * 4 + 4)
    assert torch.equal(seen[:, -4:], dense[:, 2:])


@pytest.mark.parametrize("layer", [Periodic(2, 3, 4, lite=False), Pbld(2, 3, 4), Piecewise(2, 3, 4)])
def test_only_bins_are_not_trained(layer: nn.Module) -> None:
    assert bool(dict(layer.named_buffers())) == isinstance(layer, Piecewise)
