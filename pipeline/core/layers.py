"""Layers whose parameters may carry a leading member axis, so that one forward pass serves one network or many.

A layer is written for one network: weight (in, out), bias (1, out). Stacking M such networks gives weight
(M, in, out) and bias (M, 1, out), and the same forward turns (M, batch, in) into (M, batch, out).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return x W + b in one operation: (batch, in) for one network, (M, batch, in) for M stacked ones.

    For a single output it is written as a sum: on a CPU stacked products with one column are slow, above all backwards.
    """
    if weight.ndim == 2:
        return torch.addmm(bias, x, weight)
    if weight.shape[-1] == 1:
        return (x.unsqueeze(-1) * weight.unsqueeze(1)).sum(dim=2) + bias
    return torch.baddbmm(bias, x, weight)


class Linear(nn.Module):
    """A linear layer that takes its input width from the first batch it sees (zeros until initialised).

    scaling: train one more factor for each input column, 1 at the start: a soft feature selection (RealMLP,
    Holzmueller et al. 2024). It multiplies the weight's rows, which is the same and spares the gradient of x.
    """

    def __init__(self, width: int, *, scaling: bool = False) -> None:
        super().__init__()
        self.width = width
        self.weight = UninitializedParameter()
        self.bias = nn.Parameter(torch.zeros(1, width))
        self.factor = UninitializedParameter() if scaling else None

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.weight, UninitializedParameter):
            self._materialise(x)
        weight = self.weight if self.factor is None else self.factor * self.weight
        return affine(x, weight, self.bias)

    def extra_repr(self) -> str:
        known = not isinstance(self.weight, UninitializedParameter)
        return f"{self.weight.shape[0] if known else '?'} -> {self.width}"

    def _materialise(self, x: Tensor) -> None:
        self.weight.materialize((x.shape[-1], self.width), dtype=x.dtype)
        nn.init.zeros_(self.weight)
        if self.factor is not None:
            self.factor.materialize((x.shape[-1], 1), dtype=x.dtype)
            nn.init.ones_(self.factor)


class Centre(nn.Module):
    """Subtract each column's mean over the batch: a layer without parameters (d2l, section 6.5)."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=-2, keepdim=True)


class Standardise(nn.Module):
    """Shift and scale columns by constants that are saved with the network and never trained."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.reshape(1, -1))
        self.register_buffer("scale", scale.reshape(1, -1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.scale


class Embedding(nn.Module):
    """A trained vector for every level of every categorical column, in one table.

    codes (batch, c) count through the levels of all columns: column j starts where column j - 1 ends.
    Returns (batch, c * width).
    """

    def __init__(self, n_levels: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(n_levels, width))

    def forward(self, codes: Tensor) -> Tensor:
        if self.table.ndim == 2:
            return nn.functional.embedding(codes, self.table).flatten(-2)
        members = torch.arange(self.table.shape[0], device=codes.device).reshape(-1, 1, 1)
        return nn.functional.embedding(codes + members * self.table.shape[1], self.table.flatten(0, 1)).flatten(-2)


class Dropout(nn.Module):
    """Multiply by a mask that is given, so that whoever trains decides where its randomness comes from.

    Without a mask it is the book's dropout: random in training mode, nothing when predicting.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        if keep is not None:
            return x * keep
        return nn.functional.dropout(x, self.rate, self.training)
