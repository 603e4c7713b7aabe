"""Networks from a description; parameters by name; ties and freezing."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.blocks import Architecture, build, freeze, row_units, summary
from pipeline.core.init import initialise
from pipeline.core.layers import Linear


def net_of(**settings: object) -> torch.nn.Module:
    net = build(Architecture(n_outputs=2, **settings), 4)
    initialise(net, "xavier", 0, torch.randn(8, 4), torch.zeros(8, 0, dtype=torch.int64))
    return net


def test_a_linear_model_has_no_hidden_layers() -> None:
    assert [name for name, _ in net_of().named_parameters()] == ["head.weight", "head.bias"]


def test_parameters_are_reached_by_name_through_nesting() -> None:
    net = net_of(hidden=(8, 6))
    assert net.get_parameter("blocks.1.linear.weight").shape == (8, 6)


def test_a_residual_block_adds_its_input() -> None:
    x = torch.randn(3, 4)
    plain, residual = net_of(hidden=(4,)), net_of(hidden=(4,), residual=True)
    torch.testing.assert_close(residual.blocks[0](x), x + plain.blocks[0](x))


def test_a_residual_block_of_another_width_is_plain() -> None:
    assert net_of(hidden=(7,), residual=True)(torch.randn(3, 4)).shape == (3, 2)


def test_tied_layers_share_parameters_and_their_gradients_add_up() -> None:
    tied = net_of(hidden=(5, 5, 5), tied=True)
    assert tied.blocks[1] is tied.blocks[2]
    loose = net_of(hidden=(5, 5, 5))
    loose.load_state_dict(tied.state_dict())
    x = torch.randn(6, 4)
    for net in (tied, loose):
        net(x).sum().backward()
    parts = [loose.blocks[n].linear.weight.grad for n in (1, 2)]
    torch.testing.assert_close(tied.blocks[1].linear.weight.grad, parts[0] + parts[1])


def test_embedding_comes_before_the_dense_columns() -> None:
    net = build(Architecture(n_outputs=1, hidden=(3,), embedding=2, n_levels=5), 4, n_codes=2)
    assert net.get_parameter("blocks.0.linear.weight").shape == (2 * 2 + 4, 3)
    assert net(torch.randn(6, 4), torch.zeros(6, 2, dtype=torch.int64)).shape == (6, 1)


def test_frozen_parameters_get_no_gradient() -> None:
    net = net_of(hidden=(5,))
    assert freeze(net, "blocks.0.*") == ["blocks.0.linear.weight", "blocks.0.linear.bias"]
    net(torch.randn(3, 4)).sum().backward()
    assert net.blocks[0].linear.weight.grad is None
    assert net.head.weight.grad is not None


def test_freezing_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no parameter matches"):
        freeze(net_of(), "blocks.*")


def test_summary_counts_every_parameter() -> None:
    net = net_of(hidden=(5,))
    freeze(net, "head.bias")
    lines = summary(net).splitlines()
    assert lines[-1] == f"total  {4 * 5 + 5 + 5 * 2 + 2}"
    assert lines[-2].endswith("frozen")


@pytest.mark.parametrize("wrong", [{"activation": "elu"}, {"norm": "group"}, {"numeric": "plr"}])
def test_another_word_than_those_that_there_are_is_refused(wrong: dict[str, str]) -> None:
    (name, word), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is '{word}'; there are "):
        Architecture(n_outputs=1, hidden=(8,), **wrong)


@pytest.mark.parametrize("hidden", [(8, 8, 4), (4, 8, 8)])
def test_tied_layers_of_several_widths_are_refused(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be equally wide"):
        Architecture(n_outputs=1, hidden=hidden, tied=True)


def test_a_printed_network_shows_its_sizes() -> None:
    assert "Linear(4 -> 5)" in repr(net_of(hidden=(5,)))
    assert repr(Linear(3)) == "Linear(? -> 3)"


def test_memory_is_planned_for_what_members_inside_and_bins_make_of_a_row() -> None:
    assert row_units(build(Architecture(2, hidden=(5, 3)), 6)) == 6 + 5 + 3 + 2
    assert row_units(build(Architecture(2, hidden=(5, 3), k=4), 6)) == 4 * (6 + 5 + 3 + 2)
    bins = Architecture(2, hidden=(5,), numeric="piecewise", numeric_width=4, numeric_parts=16, n_numeric=3)
    assert row_units(build(bins, 6)) == 2 * 3 * 16 + (3 * 4 + 3) + 5 + 2


def test_only_the_first_layer_scales_columns() -> None:
    for hidden, place in (((), "head"), ((4,), "blocks.0.linear"), ((4, 4), "blocks.0.linear")):
        net = build(Architecture(1, hidden=hidden, scaling=True), 3)
        assert [name for name, _ in net.named_parameters() if name.endswith("factor")] == [f"{place}.factor"]
