"""Norms equal torch's own, for one network and for stacked ones whose batches are padded."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from pipeline.core.blocks import tensors
from pipeline.core.norm import BatchNorm, LayerNorm

WIDTH = 4


def rows(seed: int, n: int) -> Tensor:
    return 3 + 2 * torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def like_torchs(ours: BatchNorm | LayerNorm, theirs: nn.Module) -> None:
    ours.gain.data, ours.shift.data = torch.rand_like(ours.gain) + 0.5, torch.randn_like(ours.shift)
    theirs.weight.data, theirs.bias.data = ours.gain.data[0], ours.shift.data[0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_batch_norm_equals_torchs_in_training_and_in_prediction(sizes: list[int]) -> None:
    ours, theirs = BatchNorm(WIDTH).double(), nn.BatchNorm1d(WIDTH).double()
    like_torchs(ours, theirs)
    for seed, n in enumerate(sizes):
        torch.testing.assert_close(ours(rows(seed, n)), theirs(rows(seed, n)))
    torch.testing.assert_close(ours.variance[0], theirs.running_var)
    torch.testing.assert_close(ours.eval()(rows(9, 3)), theirs.eval()(rows(9, 3)))


def test_layer_norm_equals_torchs() -> None:
    ours, theirs = LayerNorm(WIDTH).double(), nn.LayerNorm(WIDTH).double()
    like_torchs(ours, theirs)
    torch.testing.assert_close(ours(rows(0, 5)), theirs(rows(0, 5)))


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
def test_stacked_members_of_unequal_batches_get_what_each_gets_alone(kind: type) -> None:
    sizes = [7, 4, 1]
    norms = [kind(WIDTH).double() for _ in sizes]
    stacked = {name: torch.stack([tensors(norm)[name].detach() for norm in norms]) for name in tensors(norms[0])}
    x, share = torch.zeros(3, 7, WIDTH, dtype=torch.float64), torch.zeros(3, 7, dtype=torch.float64)
    for member, n in enumerate(sizes):
        x[member, :n], share[member, :n] = rows(member, n), 1 / n
        x[member, n:] = 1e3
    together = functional_call(norms[0], stacked, (x, share))
    for member, (norm, n) in enumerate(zip(norms, sizes, strict=True)):
        torch.testing.assert_close(together[member, :n], norm(rows(member, n)))
        for name, buffer in norm.named_buffers():
            torch.testing.assert_close(stacked[name][member], buffer)


def test_a_batch_of_one_row_leaves_running_statistics_finite() -> None:
    norm = BatchNorm(WIDTH)
    norm(torch.ones(1, WIDTH))
    assert norm.variance.isfinite().all()


def test_a_last_batch_of_one_row_leaves_the_running_statistics() -> None:
    norm = BatchNorm(WIDTH).double()
    norm(rows(0, 50))
    mean, variance = norm.mean.clone(), norm.variance.clone()
    norm(rows(1, 1))
    torch.testing.assert_close((norm.mean, norm.variance), (mean, variance))
