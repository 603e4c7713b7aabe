"""Normalisation of hidden units; as in layers.py, every tensor may carry a leading member axis."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["none", "batch", "layer"]

MOMENTUM = 0.1
EPS = 1e-5


class BatchNorm(nn.Module):
    """Give each unit mean 0 and variance 1 over a batch, then a trained gain and shift (Ioffe and Szegedy 2015).

    When predicting, running means of the batches' statistics stand in for the batch: buffers, saved and not trained.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, width))
        self.shift = nn.Parameter(torch.zeros(1, width))
        self.register_buffer("mean", torch.zeros(1, width))
        self.register_buffer("variance", torch.ones(1, width))

    def forward(self, x: Tensor, share: Tensor | None = None) -> Tensor:
        """Normalise x (..., batch, width); share (..., batch): each row's part of the mean, 0 where it only pads."""
        if not self.training:
            return (x - self.mean) * (self.variance + EPS).rsqrt() * self.gain + self.shift
        share = torch.full_like(x[..., :1], 1 / x.shape[-2]) if share is None else share.unsqueeze(-1)
        mean = (x * share).sum(dim=-2, keepdim=True)
        variance = ((x - mean).square() * share).sum(dim=-2, keepdim=True)
        self._remember(mean.detach(), variance.detach(), share)
        return (x - mean) * (variance + EPS).rsqrt() * self.gain + self.shift

    def _remember(self, mean: Tensor, variance: Tensor, share: Tensor) -> None:
        """Move the running statistics towards a batch's; the variance without bias, where there are rows for it."""
        n_rows = 1 / share.amax(dim=-2, keepdim=True)
        momentum = MOMENTUM * (n_rows > 1.5).to(mean.dtype)  # a last batch of one row has no variance to tell
        self.mean.lerp_(mean, momentum)
        self.variance.lerp_(variance * n_rows / (n_rows - 1).clamp_min(0.5), momentum)


class LayerNorm(nn.Module):
    """Give each row mean 0 and variance 1 over its units, then a trained gain and shift (Ba, Kiros and Hinton 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, width))
        self.shift = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor, share: Tensor | None = None) -> Tensor:
        """Normalise x (..., batch, width); `share` is the batch norm's and not looked at."""
        del share
        return nn.functional.layer_norm(x, x.shape[-1:], eps=EPS) * self.gain + self.shift
