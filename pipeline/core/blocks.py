"""Networks built from a description: plain, residual and tied blocks, and reading their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

import torch
from torch import Tensor, nn

from pipeline.core.activations import ACTIVATIONS, Activation
from pipeline.core.layers import Dropout, Embedding, Linear


@dataclass(frozen=True)
class Architecture:
    """What a network looks like; the width of its input is taken from the data.

    hidden: widths of the hidden layers, none for a linear model. residual: add a block's input to its
    output where both have the same width. tied: hidden layers after the first share their parameters
    (they must have the same width). scaling: a trained factor a column before the first layer.
    embedding: width of a categorical level's vector; n_levels: levels of all categorical columns together.
    """

    n_outputs: int
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    residual: bool = False
    tied: bool = False
    scaling: bool = False
    embedding: int = 0
    n_levels: int = 0


class Block(nn.Module):
    """Linear, activation, dropout; `residual` adds the input where the widths allow it."""

    def __init__(self, width: int, activation: Activation, *, residual: bool = False, scaling: bool = False) -> None:
        super().__init__()
        self.linear = Linear(width, scaling=scaling)
        self.activation = ACTIVATIONS[activation]
        self.dropout = Dropout()
        self.residual = residual

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        out = self.dropout(self.activation(self.linear(x)), keep)
        return x + out if self.residual and x.shape[-1] == out.shape[-1] else out


class Network(nn.Module):
    """Embedding, hidden blocks, and a linear head, as an `Architecture` says.

    forward: dense (..., batch, d), codes (..., batch, c) or None, and one dropout mask a hidden block
    (none when predicting); returns (..., batch, n_outputs).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        wanted = architecture
        self.embedding = Embedding(wanted.n_levels, wanted.embedding) if wanted.n_levels and wanted.embedding else None
        self.blocks = nn.ModuleList(_blocks(wanted))
        self.head = Linear(wanted.n_outputs, scaling=wanted.scaling and not wanted.hidden)

    def forward(self, dense: Tensor, codes: Tensor | None = None, keep: Sequence[Tensor] = ()) -> Tensor:
        x = dense
        if self.embedding is not None and codes is not None:
            x = torch.cat([self.embedding(codes), dense], dim=-1)
        for number, block in enumerate(self.blocks):
            x = block(x, keep[number] if keep else None)
        return self.head(x)


def _blocks(wanted: Architecture) -> Iterable[Block]:
    shared: Block | None = None
    for depth, width in enumerate(wanted.hidden):
        block = shared or Block(
            width, wanted.activation, residual=wanted.residual, scaling=wanted.scaling and depth == 0
        )
        if wanted.tied and depth > 0:
            shared = block
        yield block


def build(architecture: Architecture, n_dense: int, n_codes: int = 0, dtype: torch.dtype = torch.float32) -> Network:
    """Return a network whose sizes are set, by showing it one row; its weights are zero until initialised."""
    net = Network(architecture).to(dtype)
    with torch.no_grad():
        net(torch.zeros(1, n_dense, dtype=dtype), torch.zeros(1, n_codes, dtype=torch.int64))
    return net


def freeze(net: nn.Module, *patterns: str) -> list[str]:
    """Stop training the parameters whose names match a pattern such as "blocks.0.*"; return their names."""
    names = [name for name, _ in net.named_parameters() if any(fnmatch(name, pattern) for pattern in patterns)]
    if not names:
        raise ValueError(f"no parameter matches {patterns}; there are {[n for n, _ in net.named_parameters()]}")
    for name in names:
        net.get_parameter(name).requires_grad_(False)
    return names


def summary(net: nn.Module) -> str:
    """Return one line a parameter: its name, shape, count and whether it is frozen; the total comes last."""
    lines = [
        f"{name}  {tuple(p.shape)}  {p.numel()}{'' if p.requires_grad else '  frozen'}"
        for name, p in net.named_parameters()
    ]
    return "\n".join([*lines, f"total  {sum(p.numel() for p in net.parameters())}"])
