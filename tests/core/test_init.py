"""Initial weights keep a signal's size through depth, and depend on the seed alone."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.blocks import Architecture, Network, build, freeze
from pipeline.core.init import initialise, initialiser, rate_factors

NO_CODES = torch.zeros(512, 0, dtype=torch.int64)


def deep(activation: str, init: str) -> tuple[Network, torch.Tensor]:
    x = torch.randn(512, 200, generator=torch.Generator().manual_seed(1))
    net = build(Architecture(n_outputs=1, hidden=(200,) * 10, activation=activation), 200)
    initialise(net, init, 0, x, NO_CODES)
    return net, x


def second_moment_after(net: Network, x: torch.Tensor) -> float:
    for block in net.blocks:
        x = block(x)
    return x.detach().square().mean().item()


def test_he_keeps_a_relu_networks_signal() -> None:
    assert 0.3 < second_moment_after(*deep("relu", "he")) < 3


def test_plain_small_weights_lose_it() -> None:
    assert second_moment_after(*deep("relu", "normal")) < 1e-6


def test_xavier_keeps_gradients_of_a_tanh_like_network() -> None:
    net, x = deep("scaled_sigmoid", "xavier")
    net(x).sum().backward()
    sizes = [block.linear.weight.grad.square().mean().item() for block in net.blocks]
    assert 0.05 < sizes[0] / sizes[-1] < 20


def test_spread_gives_every_unit_deviation_one() -> None:
    net, x = deep("silu", "spread")
    first = net.blocks[0].linear
    torch.testing.assert_close((x @ first.weight).std(0, correction=0), torch.ones(200), atol=1e-4, rtol=1e-4)
    assert first.bias.abs().max() > 0


@pytest.mark.parametrize("name", ["normal", "xavier", "he", "lecun", "torch", "spread"])
def test_seed_decides(name: str) -> None:
    x, codes = torch.randn(20, 3), torch.zeros(20, 0, dtype=torch.int64)
    nets = [build(Architecture(n_outputs=1, hidden=(4,)), 3) for _ in range(3)]
    for net, seed in zip(nets, (0, 0, 1), strict=True):
        initialise(net, name, seed, x, codes)
    weights = [net.head.weight for net in nets]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_parts_may_get_their_own_init() -> None:
    net = build(Architecture(n_outputs=1, hidden=(4,)), 3)
    net.apply(initialiser("xavier", torch.Generator().manual_seed(0)))
    net.head.apply(initialiser("constant", torch.Generator()))
    assert (net.head.weight == 0).all()
    assert net.blocks[0].linear.weight.std() > 0


def test_biases_are_never_decayed_and_ntk_divides_by_the_root_of_the_width() -> None:
    net = build(Architecture(n_outputs=1, hidden=(4,), scaling=True), 9)
    factors = rate_factors(net, "ntk")
    assert factors["blocks.0.linear.weight"] == (pytest.approx(1 / 3), 1.0)
    assert factors["blocks.0.linear.bias"] == (0.1, 0.0)
    assert factors["blocks.0.linear.factor"] == (6.0, 6.0)
    assert {name for name, (_, decay) in rate_factors(net, "standard").items() if decay} == {
        "blocks.0.linear.weight",
        "head.weight",
    }
    assert {rate for rate, _ in rate_factors(net, "standard").values()} == {1.0}


@pytest.mark.parametrize("name", ["normal", "constant", "xavier", "he", "lecun", "torch", "spread"])
def test_a_fold_in_which_no_column_varies_leaves_the_biases(name: str) -> None:
    net = build(Architecture(n_outputs=1, hidden=(4,), scaling=True), 0)
    initialise(net, name, 0, torch.zeros(5, 0), torch.zeros(5, 0, dtype=torch.int64))
    assert net(torch.zeros(5, 0)).isfinite().all()
    assert rate_factors(net, "ntk")["blocks.0.linear.weight"] == (1.0, 1.0)


def test_what_is_frozen_has_no_rate_and_embeddings_of_numbers_learn_slowly() -> None:
    wanted = Architecture(n_outputs=1, hidden=(4,), numeric="pbld", n_numeric=2, parametric=True, norm="batch")
    net = build(wanted, 3)
    freeze(net, "blocks.0.linear.*")
    factors = rate_factors(net, "ntk")
    assert not any(name.startswith("blocks.0.linear") for name in factors)
    assert {rate for name, (rate, _) in factors.items() if name.startswith("numeric")} == {0.1}
    decays = {name: decay for name, (_, decay) in factors.items() if decay}
    assert decays == {
        "numeric.frequency": 0.1,
        "numeric.weight": 0.1,
        "blocks.0.activation.share": 0.1,
        "head.weight": 1.0,
    }


@pytest.mark.parametrize("n_rows", [2000, 5000])
def test_spread_looks_at_all_parts_of_a_sorted_table(n_rows: int) -> None:
    """The first thousand rows of a table in time may hold one value each, by which nothing can be scaled."""
    x = (torch.arange(n_rows)[:, None] > torch.tensor([0.6, 0.7, 0.8]) * n_rows).float()
    codes = torch.zeros(n_rows, 0, dtype=torch.int64)
    net = build(Architecture(n_outputs=1, hidden=(50,)), 3)
    initialise(net, "spread", 0, x, codes)
    weight = net.blocks[0].linear.weight
    torch.testing.assert_close((x @ weight).std(0, correction=0), torch.ones(50), atol=0.02, rtol=0.02)


def test_what_no_row_tells_apart_keeps_the_size_it_was_drawn_with() -> None:
    net = build(Architecture(n_outputs=1, hidden=(50,)), 3)
    initialise(net, "spread", 0, torch.ones(100, 3), torch.zeros(100, 0, dtype=torch.int64))
    assert net.blocks[0].linear.weight.abs().max() < 10


def test_the_heads_of_members_start_by_the_inputs_that_each_adds_up() -> None:
    net = build(Architecture(n_outputs=50, hidden=(100,), k=8), 3)
    initialise(net, "lecun", 0, torch.ones(9, 3), torch.zeros(9, 0, dtype=torch.int64))
    assert net.head.weight.std().item() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("numeric", "weight", "fan_in"),
    [("piecewise", "direction", 4), ("periodic", "weight", 16), ("periodic_lite", "weight", 16), ("pbld", "weight", 8)],
)
def test_vectors_of_numbers_start_by_what_each_of_a_columns_adds_up(numeric: str, weight: str, fan_in: int) -> None:
    wanted = Architecture(1, hidden=(4,), numeric=numeric, numeric_width=4, numeric_parts=8, n_numeric=20)
    net, x = build(wanted, 20), torch.randn(50, 20, generator=torch.Generator().manual_seed(0))
    initialise(net, "he", 0, x, torch.zeros(50, 0, dtype=torch.int64))
    assert net.numeric.get_parameter(weight).abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.1)


@pytest.mark.parametrize("name", ["kaiming", "spread"])
def test_an_init_that_needs_rows_or_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"init is '{name}'; without rows to look at there are constant"):
        initialiser(name, torch.Generator())
