"""Networks built from a description: plain, residual and tied blocks, and reading their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import cast

import torch
from torch import Tensor, nn

from pipeline.core.activations import ACTIVATIONS, Activation, Parametric
from pipeline.core.choices import refuse_unknown
from pipeline.core.ensemble import Heads, SharedLinear, averaged
from pipeline.core.layers import Dropout, Embedding, Linear
from pipeline.core.norm import BatchNorm, LayerNorm, Norm
from pipeline.core.numeric import Numeric, Pbld, Periodic, Piecewise

NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": BatchNorm, "layer": LayerNorm}


@dataclass(frozen=True)
class Architecture:
    """What a network looks like; the width of its input is taken from the data.

    hidden: widths of the hidden layers, none for a linear model. parametric: a trained share of the activation
    for each unit. residual: add a block's input to its output where both have the same width. tied: hidden layers
    after the first share their parameters (they must have the same width). scaling: a trained factor a column
    before the first layer. embedding: width of a categorical level's vector; n_levels: levels of all categorical
    columns together. numeric: how the first n_numeric dense columns become vectors of numeric_width, from
    numeric_parts bins or frequencies; sigma: deviation of the initial frequencies. k: members inside the network
    that share its weights (TabM), 0 for none; logits: its outputs are logits, so that probabilities are averaged.
    """

    n_outputs: int
    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    parametric: bool = False
    norm: Norm = "none"
    residual: bool = False
    tied: bool = False
    scaling: bool = False
    embedding: int = 0
    n_levels: int = 0
    numeric: Numeric = "none"
    numeric_width: int = 4
    numeric_parts: int = 16
    sigma: float = 0.1
    n_numeric: int = 0
    k: int = 0
    logits: bool = False

    def __post_init__(self) -> None:
        refuse_unknown(self)
        if self.tied and len(self.hidden) > 2 and len(set(self.hidden)) > 1:
            raise ValueError(f"tied layers share one weight matrix and must be equally wide; hidden is {self.hidden}")
        if self.k and not self.hidden:
            raise ValueError(f"{self.k} members inside a network need a hidden layer to share")

    @property
    def masked_units(self) -> tuple[int, ...]:
        """Units of each hidden block that dropout decides upon for each row."""
        return tuple(width * max(self.k, 1) for width in self.hidden)


class Block(nn.Module):
    """Linear, norm, activation, dropout; `residual` adds the input where the widths allow it."""

    def __init__(self, width: int, wanted: Architecture, *, scaling: bool = False) -> None:
        super().__init__()
        self.linear = SharedLinear(width, wanted.k) if wanted.k else Linear(width, scaling=scaling)
        self.norm = NORMS[wanted.norm](width) if wanted.norm != "none" else None
        self.activation = Parametric(wanted.activation, width) if wanted.parametric else ACTIVATIONS[wanted.activation]
        self.dropout = Dropout()
        self.residual = wanted.residual

    def forward(self, x: Tensor, keep: Tensor | None = None, share: Tensor | None = None) -> Tensor:
        out = self.linear(x)
        if self.norm is not None:
            out = self.norm(out, share)
        out = self.dropout(self.activation(out), keep)
        return x + out if self.residual and x.shape[-1] == out.shape[-1] else out


class Network(nn.Module):
    """Embeddings, hidden blocks, and a linear head, as an `Architecture` says.

    forward: dense (..., batch, d), codes (..., batch, c) or None; in training also one dropout mask a hidden block,
    (..., batch, units), and each row's share of its batch (..., batch), which batch norm counts by. Returns
    (..., batch, n_outputs); with k members inside, in training, the predictions of each: (..., batch, k, n_outputs).
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        wanted = architecture
        self.architecture = wanted
        self.embedding = Embedding(wanted.n_levels, wanted.embedding) if wanted.n_levels and wanted.embedding else None
        self.numeric = _numeric(wanted) if wanted.n_numeric and wanted.numeric != "none" else None
        self.blocks = nn.ModuleList(_blocks(wanted))
        self.head = (
            Heads(wanted.n_outputs, wanted.k)
            if wanted.k
            else Linear(wanted.n_outputs, scaling=wanted.scaling and not wanted.hidden)
        )

    def forward(
        self, dense: Tensor, codes: Tensor | None = None, keep: Sequence[Tensor] = (), share: Tensor | None = None
    ) -> Tensor:
        x, k = self.inputs(dense, codes), self.architecture.k
        if k:
            x = x.unsqueeze(-2).expand(*x.shape[:-1], k, x.shape[-1])
            keep = [mask.unflatten(-1, (k, -1)) for mask in keep]
        for number, block in enumerate(self.hidden):
            x = block(x, keep[number] if keep else None, share)
        output = self.head(x)
        return averaged(output, logits=self.architecture.logits) if k and not self.training else output

    @property
    def hidden(self) -> list[Block]:
        """The hidden blocks in the order of the forward pass; tied ones as often as they are passed."""
        return [cast("Block", block) for block in self.blocks]

    def inputs(self, dense: Tensor, codes: Tensor | None = None) -> Tensor:
        """Return what the first layer sees: vectors of levels, vectors of numbers, and all other columns."""
        n_numeric, parts = self.architecture.n_numeric, []
        if self.embedding is not None and codes is not None:
            parts.append(self.embedding(codes))
        if self.numeric is not None:
            parts.append(self.numeric(dense[..., :n_numeric]))
            dense = dense[..., n_numeric:]
        return torch.cat([*parts, dense], dim=-1) if parts else dense


def _numeric(wanted: Architecture) -> Piecewise | Periodic | Pbld:
    sizes = wanted.n_numeric, wanted.numeric_width, wanted.numeric_parts
    if wanted.numeric == "piecewise":
        return Piecewise(*sizes)
    return Pbld(*sizes) if wanted.numeric == "pbld" else Periodic(*sizes, lite=wanted.numeric == "periodic_lite")


def _blocks(wanted: Architecture) -> Iterable[Block]:
    shared: Block | None = None
    for depth, width in enumerate(wanted.hidden):
        block = shared or Block(width, wanted, scaling=wanted.scaling and depth == 0)
        if wanted.tied and depth > 0:
            shared = block
        yield block


def build(architecture: Architecture, n_dense: int, n_codes: int = 0, dtype: torch.dtype = torch.float32) -> Network:
    """Return a network whose sizes are set, by showing it one row; its weights are zero until initialised."""
    net = Network(architecture).to(dtype).eval()
    with torch.no_grad():
        net(torch.zeros(1, n_dense, dtype=dtype), torch.zeros(1, n_codes, dtype=torch.int64))
    return net.train()


def row_units(net: Network) -> int:
    """Return about how many numbers one row becomes on its way through, all of which training remembers."""
    wanted = net.architecture
    n_inputs = (net.hidden[0].linear if wanted.hidden else net.head).weight.shape[0]
    n_parts = 2 * wanted.n_numeric * wanted.numeric_parts if net.numeric is not None else 0
    return n_parts + max(wanted.k, 1) * (n_inputs + sum(wanted.hidden) + wanted.n_outputs)


def tensors(net: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, tied ones once: what is trained, stacked and saved."""
    return dict(net.named_parameters()) | dict(net.named_buffers())


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
        f"{name}  {tuple(p.shape)}  {p.numel():,}{'' if p.requires_grad else '  frozen'}"
        for name, p in net.named_parameters()
    ]
    return "\n".join([*lines, f"total  {sum(p.numel() for p in net.parameters()):,}"])
