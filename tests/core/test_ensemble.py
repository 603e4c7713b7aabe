"""TabM: members inside a network that share its weights equal separate networks, and start apart in one place only."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from pipeline.core.blocks import Architecture, Network, build, tensors
from pipeline.core.ensemble import averaged
from pipeline.core.init import initialise
from pipeline.core.numeric import Numeric

WANTED = Architecture(n_outputs=2, hidden=(6, 5), k=3)
CODES = torch.zeros(20, 0, dtype=torch.int64)


def net_of(seed: int = 0, wanted: Architecture = WANTED, n_columns: int = 4) -> Network:
    net = build(wanted, n_columns, dtype=torch.float64)
    initialise(net, "torch", seed, torch.randn(20, n_columns, dtype=torch.float64), CODES)
    return net


def shaken(net: Network) -> Network:
    for parameter in net.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return net


def member_alone(net: Network, member: int, x: Tensor) -> Tensor:
    """One member by the paper's definition: W scaled by its factors on both sides, its own bias and head."""
    for block in net.blocks:
        layer = block.linear
        weight = layer.factor_in[member][:, None] * layer.weight * layer.factor_out[member]
        x = torch.relu(x @ weight + layer.bias[member])
    n_in = x.shape[1]
    return x @ net.head.weight[member * n_in : (member + 1) * n_in] + net.head.bias[member]


def test_each_member_is_a_network_of_its_own_on_shared_weights() -> None:
    net, x = shaken(net_of()), torch.randn(7, 4, dtype=torch.float64)
    out = net(x)
    assert out.shape == (7, 3, 2)
    for member in range(3):
        torch.testing.assert_close(out[:, member], member_alone(net, member, x))


def test_stacked_networks_give_what_each_gives_alone() -> None:
    nets = [shaken(net_of(seed)) for seed in range(4)]
    stacked = {name: torch.stack([tensors(net)[name] for net in nets]) for name in tensors(nets[0])}
    x = torch.randn(4, 7, 4, dtype=torch.float64)
    masks = [torch.rand(4, 7, units, dtype=torch.float64) for units in WANTED.masked_units]
    together = functional_call(nets[0], stacked, (x, None, masks))
    for number, net in enumerate(nets):
        torch.testing.assert_close(together[number], net(x[number], None, [mask[number] for mask in masks]))


def test_members_drop_units_apart() -> None:
    net, x = net_of(), torch.randn(5, 4, dtype=torch.float64)
    masks = [torch.ones(5, units, dtype=torch.float64) for units in WANTED.masked_units]
    masks[0][:, 6:12] = 0  # all units of the second member
    before, after = net(x), net(x, None, masks)
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])
    assert (after[:, 1] != before[:, 1]).any()


def test_members_start_apart_in_the_first_factor_only() -> None:
    net = net_of()
    assert set(net.blocks[0].linear.factor_in.unique().tolist()) == {-1.0, 1.0}
    net.blocks[0].linear.factor_in.data.fill_(1)
    hidden = net.blocks[0](torch.randn(5, 1, 4, dtype=torch.float64).expand(5, 3, 4))
    torch.testing.assert_close(hidden[:, 0], hidden[:, 1])
    assert (net.head.weight[:5] != net.head.weight[5:10]).all()


@pytest.mark.parametrize("numeric", ["piecewise", "pbld"])
def test_inputs_that_come_from_one_number_start_with_one_factor(numeric: Numeric) -> None:
    wanted = Architecture(1, hidden=(6,), k=8, numeric=numeric, numeric_width=3, numeric_parts=2, n_numeric=2)
    net, x = net_of(wanted=wanted), torch.randn(9, 4, dtype=torch.float64)
    factor = net.blocks[0].linear.factor_in
    assert factor.shape == (8, 2 * 3 + 2)
    for column in range(4):
        changed = x.clone()
        changed[:, column] += 1
        own = (net.inputs(changed) != net.inputs(x)).any(dim=0)
        assert len(factor[:, own].unique()) == 8
    assert len(factor.unique()) == 8 * 4


def test_inputs_that_come_from_one_embedding_start_with_one_factor() -> None:
    net = build(Architecture(1, hidden=(6,), k=16, embedding=3, n_levels=7), 2, 2)
    initialise(net, "lecun", 0, torch.zeros(4, 2), torch.zeros(4, 2, dtype=torch.int64))
    factor = net.blocks[0].linear.factor_in
    first, second = factor[:, :3], factor[:, 3:6]
    assert (first == first[:, :1]).all()
    assert (second == second[:, :1]).all()
    assert len(factor.unique(dim=1).T) == 4


@pytest.mark.parametrize("logits", [False, True])
def test_predictions_are_averaged_as_values_or_as_probabilities(logits: bool) -> None:
    output = torch.randn(6, 4, 3, dtype=torch.float64)
    mean = averaged(output, logits=logits)
    if logits:
        torch.testing.assert_close(mean.softmax(-1), output.softmax(-1).mean(1))
    else:
        torch.testing.assert_close(mean, output.mean(1))


def test_a_network_averages_when_predicting_and_not_in_training() -> None:
    net, x = net_of(), torch.randn(7, 4, dtype=torch.float64)
    assert net.train()(x).shape == (7, 3, 2)
    torch.testing.assert_close(net.eval()(x), net.train()(x).mean(dim=1))


def test_members_without_a_hidden_layer_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden layer"):
        Architecture(n_outputs=1, k=4)
