"""TabM: k members inside one network that share its weights (Gorishniy, Kotelnikov and Babenko 2024).

Every linear layer has one weight matrix for all k members, and for each of them a factor an input, a factor an output
and a bias of its own (BatchEnsemble, Wen, Tran and Ba 2020). Activations have an axis for them, (..., batch, k, units);
as in layers.py, every tensor may carry a leading axis of fused members before that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter


class SharedLinear(nn.Module):
    """A linear layer that k members share: (x * factor_in) W * factor_out + bias.

    It takes its input width from the first batch it sees; factors are 1 until they are initialised.
    """

    def __init__(self, width: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.width = width
        self.weight = UninitializedParameter()
        self.factor_in = UninitializedParameter()
        self.factor_out = nn.Parameter(torch.ones(k, width))
        self.bias = nn.Parameter(torch.zeros(k, width))

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, UninitializedParameter):
            self._materialise(x)
        scaled = x * self.factor_in.unsqueeze(-3)
        shared = torch.matmul(scaled.flatten(-3, -2), self.weight).unflatten(-2, (-1, self.k))
        return torch.addcmul(self.bias.unsqueeze(-3), shared, self.factor_out.unsqueeze(-3))

    def _materialise(self, x: Tensor) -> None:
        self.weight.materialize((x.shape[-1], self.width), dtype=x.dtype)
        nn.init.zeros_(self.weight)
        self.factor_in.materialize((self.k, x.shape[-1]), dtype=x.dtype)
        nn.init.ones_(self.factor_in)


class Heads(nn.Module):
    """A linear layer for each of k members, nothing shared: weight (k * in, out), bias (k, out)."""

    def __init__(self, width: int, k: int) -> None:
        super().__init__()
        self.k = k
        self.width = width
        self.weight = UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(k, width))

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, UninitializedParameter):
            self.weight.materialize((self.k * x.shape[-1], self.width), dtype=x.dtype)
            nn.init.zeros_(self.weight)
        own = torch.matmul(x.transpose(-3, -2), self.weight.unflatten(-2, (self.k, -1)))
        return own.transpose(-3, -2) + self.bias.unsqueeze(-3)


def averaged(output: Tensor, *, logits: bool) -> Tensor:
    """Return the mean (..., batch, outputs) of k predictions: of values, or of probabilities, as their logarithm."""
    if not logits:
        return output.mean(dim=-2)
    return torch.log_softmax(output, dim=-1).logsumexp(dim=-2) - math.log(output.shape[-2])
