"""Embeddings of numbers: each numeric column becomes a vector before the first layer mixes columns.

A number that enters as one input can only bend the network's output where hidden units happen to bend; a vector of
its bins, or of waves of it, lets the first layer bend anywhere. Sources: Gorishniy, Rubachev and Babenko 2022 (package
rtdl_num_embeddings); PBLD: Holzmueller, Grinsztajn and Steinwart 2024. As in layers.py, every tensor may carry a
leading member axis: x (..., batch, columns) gives (..., batch, columns * width).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

Numeric = Literal["none", "piecewise", "periodic", "periodic_lite", "pbld"]

MOST_RANKED = 2**24 - 1  # rows: torch.quantile takes no more
NARROWEST = 1e-6  # of a column's range: what lies closer together is one edge, or a bin would be all slope


class Piecewise(nn.Module):
    """Piecewise-linear embedding, version B: a linear function of x, plus a trained vector for each bin of x.

    A bin's vector is multiplied by how much of the bin lies below x: 1 for bins passed, 0 for bins ahead, a share for
    the bin that x lies in. Beyond the fitted rows the outermost bins go on for their own width and no farther.
    """

    rise: Tensor
    start: Tensor
    top: Tensor

    def __init__(self, n_columns: int, width: int, n_bins: int) -> None:
        super().__init__()
        self.n_bins = n_bins
        self.weight = nn.Parameter(torch.zeros(n_columns * n_bins, width))
        self.direction = nn.Parameter(torch.zeros(n_columns, width))
        self.bias = nn.Parameter(torch.zeros(n_columns, width))
        for name in ("rise", "start", "top"):
            self.register_buffer(name, torch.zeros(n_columns, n_bins))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.unflatten(-2, (-1, self.n_bins))
        straight = torch.addcmul(self.bias.unsqueeze(-3), x.unsqueeze(-1), self.direction.unsqueeze(-3))
        return (_by_column(self.shares(x), weight) + straight).flatten(-2)

    def shares(self, x: Tensor) -> Tensor:
        """Return how much of each bin lies below x: (..., batch, columns) gives (..., batch, columns, bins)."""
        shares = torch.addcmul(self.start.unsqueeze(-3), x.unsqueeze(-1), self.rise.unsqueeze(-3))
        lowest = torch.zeros_like(self.top)
        lowest[..., 0] = -1
        return shares.clamp(lowest.unsqueeze(-3), self.top.unsqueeze(-3))

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take the bins' edges from quantiles of rows x (n, columns); equal quantiles make fewer bins.

        rise and start: a bin's share of x is start + rise * x, limited to top. Bins that a column has not are 0.
        """
        ranks = torch.linspace(0, 1, self.n_bins + 1, dtype=x.dtype)
        for column, values in enumerate(x[:: -(-len(x) // MOST_RANKED)].T):
            edges = torch.quantile(values, ranks)
            apart = edges.diff() > NARROWEST * (edges[-1] - edges[0])
            edges = torch.cat([edges[:1], edges[1:][apart]])
            widths = edges.diff()
            n_bins = len(widths)
            self.rise[column, :n_bins] = 1 / widths
            self.start[column, :n_bins] = -edges[:-1] / widths
            self.top[column, :n_bins] = 1
            self.top[column, n_bins - 1] = 2


class Periodic(nn.Module):
    """Cosines and sines of x at trained frequencies, a linear layer a column (`lite`: one for all), ReLU: "PLR"."""

    def __init__(self, n_columns: int, width: int, n_frequencies: int, *, lite: bool) -> None:
        super().__init__()
        self.layers = 1 if lite else n_columns
        self.frequency = nn.Parameter(torch.zeros(n_columns, n_frequencies))
        self.weight = nn.Parameter(torch.zeros(self.layers * 2 * n_frequencies, width))
        self.bias = nn.Parameter(torch.zeros(self.layers, width))

    def forward(self, x: Tensor) -> Tensor:
        turns = x.unsqueeze(-1) * (2 * math.pi * self.frequency).unsqueeze(-3)
        waves = torch.cat([turns.cos(), turns.sin()], dim=-1)
        if self.layers == 1:
            vectors = torch.matmul(waves, self.weight.unsqueeze(-3))
        else:
            vectors = _by_column(waves, self.weight.unflatten(-2, (self.layers, -1)))
        return (vectors + self.bias.unsqueeze(-3)).relu().flatten(-2)


class Pbld(nn.Module):
    """Periodic, bias, linear, dense: cosines of x at trained frequencies and phases, a linear layer, and x itself.

    Each number comes last in its column's vector.
    """

    def __init__(self, n_columns: int, width: int, n_frequencies: int) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.zeros(n_columns, n_frequencies))
        self.phase = nn.Parameter(torch.zeros(n_columns, n_frequencies))
        self.weight = nn.Parameter(torch.zeros(n_columns * n_frequencies, width - 1))
        self.bias = nn.Parameter(torch.zeros(n_columns, width - 1))

    def forward(self, x: Tensor) -> Tensor:
        turns = (2 * math.pi * self.frequency).unsqueeze(-3)
        waves = torch.addcmul(self.phase.unsqueeze(-3), x.unsqueeze(-1), turns).cos()
        vectors = _by_column(waves, self.weight.unflatten(-2, (-1, self.frequency.shape[-1])))
        return torch.cat([vectors + self.bias.unsqueeze(-3), x.unsqueeze(-1)], dim=-1).flatten(-2)


def _by_column(parts: Tensor, weight: Tensor) -> Tensor:
    """Multiply each column's parts (..., batch, columns, parts) with its own matrix (..., columns, parts, width)."""
    return torch.einsum("...bcp,...cpw->...bcw", parts, weight)
