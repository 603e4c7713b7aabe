"""Initial weights, by name: `net.apply(initialiser("he", generator))`; parts may get their own: `net.head.apply(...)`.

The variances are those under which a signal keeps its size through depth: Xavier (Glorot and Bengio 2010) as a
compromise between forward and backward, He (He et al. 2015) for ReLU, which halves it, LeCun (1998) for SELU and Mish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.core.blocks import Network
from pipeline.core.layers import Embedding, Linear

Init = Literal["normal", "constant", "xavier", "he", "lecun", "torch", "spread"]
Parametrisation = Literal["standard", "ntk"]

SPREAD_ROWS = 1024

STANDARD_DEVIATIONS: dict[str, Callable[[int, int], float]] = {
    "normal": lambda fan_in, fan_out: 0.01,  # noqa: ARG005 (the book's plain choice knows no sizes)
    "xavier": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: math.sqrt(2 / fan_in),  # noqa: ARG005
    "lecun": lambda fan_in, fan_out: math.sqrt(1 / fan_in),  # noqa: ARG005
}


def initialiser(name: Init, generator: torch.Generator, value: float = 0.0) -> Callable[[nn.Module], None]:
    """Return a function for `net.apply` that fills every Linear and Embedding it meets.

    "constant" sets weights to `value`; "torch" is nn.Linear's own default, uniform weights and biases up
    to 1 / sqrt(fan_in); all others draw normal weights and set biases to zero.
    """

    def fill(module: nn.Module) -> None:
        if isinstance(module, Embedding):
            module.table.data.normal_(std=1.0, generator=generator)
        elif isinstance(module, Linear):
            _fill(module, name, generator, value)

    return fill


@torch.no_grad()
def _fill(layer: Linear, name: Init, generator: torch.Generator, value: float) -> None:
    fan_in, fan_out = max(layer.weight.shape[0], 1), layer.weight.shape[1]  # no column may be left to learn from
    layer.bias.zero_()
    if name == "constant":
        layer.weight.fill_(value)
    elif name == "torch":
        bound = 1 / math.sqrt(fan_in)
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    else:
        layer.weight.normal_(std=STANDARD_DEVIATIONS[name](fan_in, fan_out), generator=generator)


def initialise(net: Network, name: Init, seed: int, dense: Tensor, codes: Tensor) -> None:
    """Fill a network from its own seed; "spread" also looks at the rows it will learn from."""
    generator = torch.Generator().manual_seed(seed)
    if name == "spread":
        net.apply(initialiser("lecun", generator))
        spread(net, dense[:SPREAD_ROWS], codes[:SPREAD_ROWS], generator)
    else:
        net.apply(initialiser(name, generator))


@torch.no_grad()
def spread(net: Network, dense: Tensor, codes: Tensor, generator: torch.Generator) -> None:
    """Fit weights and biases to the rows, layer by layer from the input, as RealMLP does.

    Every unit's output gets standard deviation 1, and its bias puts the kink at a random convex combination
    of five rows' outputs ("he+5": Steinwart 2019; Holzmueller et al. 2024, appendix A).
    """
    for layer in (*dict.fromkeys(block.linear for block in net.blocks), net.head):
        inputs = _inputs_of(net, layer, dense, codes)
        layer.weight /= (inputs @ layer.weight).std(dim=0, correction=0).clamp_min(1e-6)
        outputs = inputs @ layer.weight
        rows = torch.randint(len(outputs), (5, outputs.shape[1]), generator=generator)
        shares = torch.empty(5, outputs.shape[1], dtype=outputs.dtype).exponential_(generator=generator)
        layer.bias.copy_(-(outputs.gather(0, rows) * shares / shares.sum(0)).sum(0))


def _inputs_of(net: Network, layer: Linear, dense: Tensor, codes: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(dense, codes)
    handle.remove()
    return seen[0]


def rate_factors(net: Network, parametrisation: Parametrisation) -> dict[str, tuple[float, float]]:
    """Return for every trained parameter the factors of its learning rate and of its decay (biases have none)."""
    factors = {}
    for name, parameter in net.named_parameters():
        part = name.rpartition(".")[2]
        decay = 1.0 if part == "weight" else 0.0
        if not parameter.requires_grad:
            factors[name] = (0.0, 0.0)
        elif parametrisation == "standard":
            factors[name] = (1.0, decay)
        else:
            own = {"weight": max(parameter.shape[0], 1) ** -0.5, "bias": 0.1, "factor": 6.0}
            factors[name] = (own.get(part, 1.0), decay)
    return factors
