"""Layers: sizes come from data, and stacked members compute what each computes alone."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.activations import ACTIVATIONS, Parametric, mish, scaled_sigmoid
from pipeline.core.layers import Centre, Dropout, Embedding, Linear, Standardise


def test_centre_leaves_mean_zero() -> None:
    x = torch.randn(64, 5) + 3
    assert Centre()(x).mean(dim=0).abs().max() < 1e-6


def test_linear_takes_its_width_from_the_first_batch() -> None:
    layer = Linear(3)
    assert layer(torch.randn(4, 7)).shape == (4, 3)
    assert layer.weight.shape == (7, 3)


def test_linear_is_x_w_plus_b() -> None:
    layer = Linear(2)
    layer(torch.zeros(1, 2))
    layer.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer.bias.data = torch.tensor([[10.0, 20.0]])
    assert layer(torch.tensor([[1.0, 1.0]])).tolist() == [[14.0, 26.0]]


def test_stacked_weights_give_each_members_output() -> None:
    x, weight, bias = torch.randn(3, 5, 4), torch.randn(3, 4, 2), torch.randn(3, 1, 2)
    layer = Linear(2)
    layer(x[0])
    together = torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))
    for member in range(3):
        torch.testing.assert_close(together[member], x[member] @ weight[member] + bias[member])


def test_scaling_factor_multiplies_its_column() -> None:
    layer = Linear(1, scaling=True)
    layer(torch.zeros(1, 2))
    layer.weight.data.fill_(1.0)
    layer.factor.data = torch.tensor([[2.0], [0.0]])
    assert layer(torch.tensor([[3.0, 100.0]])).item() == 6.0


def test_standardise_is_saved_but_not_trained() -> None:
    layer = Standardise(torch.tensor([1.0]), torch.tensor([2.0]))
    assert layer(torch.tensor([[5.0]])).item() == 2.0
    assert set(layer.state_dict()) == {"mean", "scale"}
    assert not list(layer.parameters())


def test_embedding_of_stacked_members_reads_each_members_table() -> None:
    layer = Embedding(4, 3)
    table, codes = torch.randn(2, 4, 3), torch.tensor([[[0, 2]], [[1, 3]]])
    out = torch.func.functional_call(layer, {"table": table}, (codes,))
    torch.testing.assert_close(out[1, 0], torch.cat([table[1, 1], table[1, 3]]))


def test_dropout_is_off_when_predicting_and_keeps_the_mean_when_training() -> None:
    layer, x = Dropout(0.5), torch.ones(10_000)
    torch.manual_seed(0)
    assert layer.train()(x).mean().item() == pytest.approx(1.0, abs=0.05)
    assert (layer(x) == 0).any()
    assert (layer.eval()(x) == x).all()


def test_dropout_uses_the_mask_it_is_given() -> None:
    assert Dropout(0.9)(torch.ones(3), torch.tensor([0.0, 2.0, 0.0])).tolist() == [0.0, 2.0, 0.0]


def test_mish_equals_torchs_in_value_and_gradient() -> None:
    x = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    theirs = torch.nn.functional.mish(x)
    ours = mish(x)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    gradients = [torch.autograd.grad(out.sum(), x)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=1e-12)


def test_scaled_sigmoid_is_close_to_x_around_zero() -> None:
    x = torch.linspace(-0.2, 0.2, 9)
    assert (scaled_sigmoid(x) - x).abs().max() < 0.002


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_shape_and_stay_finite(name: str) -> None:
    out = ACTIVATIONS[name](torch.tensor([[-1e4, 0.0, 1e4]]))
    assert out.shape == (1, 3)
    assert out.isfinite().all()


def test_a_parametric_activation_starts_whole_and_can_turn_itself_off() -> None:
    layer, x = Parametric("relu", 3), torch.tensor([[-1.0, 2.0, -3.0]])
    assert layer(x).tolist() == [[0.0, 2.0, 0.0]]
    layer.share.data = torch.tensor([[0.0, 1.0, 0.5]])
    assert layer(x).tolist() == [[-1.0, 2.0, -1.5]]
