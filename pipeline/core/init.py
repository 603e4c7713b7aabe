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
from pipeline.core.ensemble import Heads, SharedLinear
from pipeline.core.layers import Embedding, Linear
from pipeline.core.numeric import Pbld, Periodic, Piecewise

Init = Literal["normal", "constant", "xavier", "he", "lecun", "torch", "spread"]
Parametrisation = Literal["standard", "ntk"]

SPREAD_ROWS = 1024

FLAT = 1e-6
"""A unit whose output strays by less over the rows sees nothing of them: its weights stay as they were drawn."""

STANDARD_DEVIATIONS: dict[str, Callable[[int, int], float]] = {
    "normal": lambda fan_in, fan_out: 0.01,  # noqa: ARG005 (the book's plain choice knows no sizes)
    "xavier": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "he": lambda fan_in, fan_out: math.sqrt(2 / fan_in),  # noqa: ARG005
    "lecun": lambda fan_in, fan_out: math.sqrt(1 / fan_in),  # noqa: ARG005
}


def initialiser(name: Init, generator: torch.Generator) -> Callable[[nn.Module], None]:
    """Return a function for `net.apply` that fills every layer it meets.

    "constant" sets weights to zero, from which only a linear model learns; "torch" is nn.Linear's own default, uniform
    weights and biases up to 1 / sqrt(fan_in); all others draw normal weights and set biases to zero. Embeddings have
    their own start. "spread" looks at rows: `initialise` does that.
    """
    if name not in (known := ("constant", "torch", *STANDARD_DEVIATIONS)):
        raise ValueError(f"init is {name!r}; without rows to look at there are {', '.join(known)}")

    @torch.no_grad()
    def fill(module: nn.Module) -> None:
        if isinstance(module, Embedding):
            module.table.normal_(std=1.0, generator=generator)
        elif isinstance(module, Piecewise):
            _uniform((module.direction, module.bias), module.direction.shape[1], generator)
        elif isinstance(module, Periodic):
            _uniform((module.weight, module.bias), module.weight.shape[0] // module.layers, generator)
        elif isinstance(module, Pbld):
            _uniform((module.weight, module.bias), module.frequency.shape[1], generator)
            module.phase.uniform_(-math.pi, math.pi, generator=generator)
        elif isinstance(module, Linear | SharedLinear | Heads):
            _fill(module, name, generator)

    return fill


def _uniform(parameters: tuple[Tensor, ...], fan_in: int, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(max(fan_in, 1))
    for parameter in parameters:
        parameter.uniform_(-bound, bound, generator=generator)


def _fill(layer: Linear | SharedLinear | Heads, name: Init, generator: torch.Generator) -> None:
    """Fill weight and bias; members that share a weight start with the same bias (TabM, appendix)."""
    fan_in, fan_out = max(fan_in_of(layer), 1), layer.weight.shape[1]  # no column may be left to learn from
    layer.bias.zero_()
    if name == "constant":
        layer.weight.zero_()
    elif name == "torch":
        bias = layer.bias[:1] if isinstance(layer, SharedLinear) else layer.bias
        _uniform((layer.weight, bias), fan_in, generator)
        layer.bias.copy_(bias.clone().expand_as(layer.bias))
    else:
        layer.weight.normal_(std=STANDARD_DEVIATIONS[name](fan_in, fan_out), generator=generator)


def fan_in_of(layer: nn.Module) -> int:
    """Return how many inputs each unit of a linear layer adds up."""
    return layer.get_parameter("weight").shape[0] // (layer.k if isinstance(layer, Heads) else 1)


def initialise(net: Network, name: Init, seed: int, dense: Tensor, codes: Tensor) -> None:
    """Fill a network from its own seed; bins and "spread" also look at the rows it will learn from.

    Bins are the same for every seed. "spread" is not for networks with members inside.
    """
    generator = torch.Generator().manual_seed(seed)
    net.apply(initialiser("lecun" if name == "spread" else name, generator))
    _start_numeric(net, dense, generator)
    if net.architecture.k and net.architecture.hidden:
        _tell_apart(net, codes.shape[1], generator)
    if name == "spread":
        some = _of_all_parts(len(dense))
        spread(net, dense[some], codes[some], generator)


def rows_seen(net: Network, n_rows: int) -> slice:
    """Return which of so many rows `initialise` looks at: a few, or all where it puts bins on quantiles."""
    return slice(None) if isinstance(net.numeric, Piecewise) else _of_all_parts(n_rows)


def _of_all_parts(n_rows: int) -> slice:
    """Return at most SPREAD_ROWS of the rows, evenly: a table may be sorted, by time or else."""
    return slice(None, None, max(1, -(-n_rows // SPREAD_ROWS)))


@torch.no_grad()
def _start_numeric(net: Network, dense: Tensor, generator: torch.Generator) -> None:
    """Put bins on quantiles of the rows; draw frequencies, never farther out than three deviations."""
    if isinstance(net.numeric, Piecewise):
        net.numeric.fit(dense[:, : net.architecture.n_numeric])
    elif net.numeric is not None:
        sigma = net.architecture.sigma
        nn.init.trunc_normal_(net.numeric.frequency, 0.0, sigma, -3 * sigma, 3 * sigma, generator=generator)


@torch.no_grad()
def _tell_apart(net: Network, n_codes: int, generator: torch.Generator) -> None:
    """Draw the first layer's input factors, one a column and member: all else starts alike in members that share it.

    Random signs, or normal where numbers become vectors (TabM, section 3.3 and its package's rule); the inputs that
    come from one embedding share a factor. One-hot columns have one each; in the package those of a category share it.
    """
    first, wanted = net.hidden[0].linear, net.architecture
    assert isinstance(first, SharedLinear)
    widths = [wanted.embedding] * n_codes if net.embedding is not None else []
    widths += [wanted.numeric_width] * wanted.n_numeric if net.numeric is not None else []
    widths += [1] * (first.weight.shape[0] - sum(widths))
    shape = wanted.k, len(widths)
    if net.numeric is None:
        drawn = torch.randint(2, shape, generator=generator) * 2 - 1
    else:
        drawn = torch.randn(shape, generator=generator)
    first.factor_in.copy_(drawn.repeat_interleave(torch.tensor(widths, dtype=torch.int64), dim=1))


@torch.no_grad()
def spread(net: Network, dense: Tensor, codes: Tensor, generator: torch.Generator) -> None:
    """Fit weights and biases to the rows, layer by layer as one forward pass reaches them, as RealMLP does.

    Every unit's output gets standard deviation 1, and its bias puts the kink at a random convex combination
    of five rows' outputs ("he+5": Steinwart 2019; Holzmueller et al. 2024, appendix A).
    """
    fitted = set[nn.Module]()

    def fit(layer: Linear, inputs: tuple[Tensor]) -> None:
        if layer not in fitted:  # tied blocks reach theirs again
            fitted.add(layer)
            _spread_layer(layer, inputs[0], generator)

    net.eval()  # so that a batch norm neither changes the rows nor learns from them
    layers = {net.head, *(block.linear for block in net.hidden)}
    handles = [layer.register_forward_pre_hook(fit) for layer in layers]
    net(dense, codes)
    for handle in handles:
        handle.remove()
    net.train()


def _spread_layer(layer: Linear, inputs: Tensor, generator: torch.Generator) -> None:
    strays = (inputs @ layer.weight).std(dim=0, correction=0)
    layer.weight.div_(torch.where(strays > FLAT, strays, 1.0))
    outputs = inputs @ layer.weight
    rows = torch.randint(len(outputs), (5, outputs.shape[1]), generator=generator)
    shares = torch.empty(5, outputs.shape[1], dtype=outputs.dtype).exponential_(generator=generator)
    layer.bias.copy_(-(outputs.gather(0, rows) * shares / shares.sum(0)).sum(0))


NEVER_DECAYED = ("bias", "phase", "gain", "shift")


def rate_factors(net: Network, parametrisation: Parametrisation) -> dict[str, tuple[float, float]]:
    """Return for every parameter that is trained the factors of its learning rate and of its decay."""
    factors = _realmlp_factors if parametrisation == "ntk" else _standard_factors
    return {name: factors(net, name) for name, parameter in net.named_parameters() if parameter.requires_grad}


def _standard_factors(net: Network, name: str) -> tuple[float, float]:  # noqa: ARG001
    """Decay what multiplies: weights, and the factors of TabM; never biases, norms, tables and frequencies."""
    return 1.0, float(name.rpartition(".")[2] in ("weight", "factor_in", "factor_out"))


def _realmlp_factors(net: Network, name: str) -> tuple[float, float]:
    """One learning rate fits all widths; what learns slowly also decays slowly, and all but biases and norms decays.

    After pytabkit's optimiser, whose decay of a weight doesn't shrink with the width either. There the factor counts
    twice (36 for the scaling layer, 0.01 for shares and embeddings of numbers, whose biases and phases decay as well);
    here it counts once.
    """
    layer, _, part = name.rpartition(".")
    own = 0.1 if layer == "numeric" else {"bias": 0.1, "share": 0.1, "factor": 6.0}.get(part, 1.0)
    width = max(fan_in_of(net.get_submodule(layer)), 1) if part == "weight" and layer != "numeric" else 1
    return own * width**-0.5, 0.0 if part in NEVER_DECAYED else own
