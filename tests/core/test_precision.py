"""Products of rounded numbers: training goes the same way, and what is kept and judged is exact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_networks import PROGRAM, assert_same_bits, largest_difference, views_of

from pipeline.core.fused import train
from pipeline.core.members import Member
from pipeline.metrics import rmse
from pipeline.models import linear, mlp, realmlp, tabm
from pipeline.types import Metric, Task

ROUNDED = replace(PROGRAM, epochs=20, precision="bfloat16")
MEMBERS = [Member(view, view, lr=0.02, dropout=0.1) for view in range(2)]


def test_rounded_products_lead_to_nearly_the_same_network() -> None:
    views = views_of([(200, 6), (150, 6)], torch.float32)
    exact, rounded = train(replace(ROUNDED, precision="full"), MEMBERS, views), train(ROUNDED, MEMBERS, views)
    for one, other in zip(exact, rounded, strict=True):
        assert largest_difference(one.state, other.state) > 0
        assert other.losses[-1] == pytest.approx(one.losses[-1], rel=0.1)
        assert {tensor.dtype for tensor in other.state.values()} == {torch.float32}


def test_the_same_bits_come_out_twice() -> None:
    views = views_of([(60, 6), (50, 6)], torch.float32)
    assert_same_bits(train(ROUNDED, MEMBERS, views), train(ROUNDED, MEMBERS, views))


def test_a_trained_share_of_the_activation_takes_rounded_numbers() -> None:
    architecture = replace(PROGRAM.architecture, activation="mish", parametric=True)
    rounded = replace(ROUNDED, architecture=architecture, epochs=1)
    for member in train(rounded, MEMBERS, views_of([(60, 6), (50, 6)], torch.float32)):
        assert not member.diverged
        share = member.state["blocks.0.activation.share"]
        assert share.dtype == torch.float32
        assert (share != 1).any()


@pytest.mark.parametrize("model", [linear, mlp, realmlp, tabm])
def test_every_network_model_passes_it_on(model: object) -> None:
    task = Task("regression", Metric.from_module(rmse))
    recipe = model.Recipe(precision="bfloat16")  # type: ignore[attr-defined]
    assert model.resolve(recipe, task, 100).program.precision == "bfloat16"  # type: ignore[attr-defined]
