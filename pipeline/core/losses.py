"""Losses a row, for predictions of one network or of many: (..., batch, k) against targets, giving (..., batch)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["squared", "absolute", "huber", "quantile", "cross_entropy", "ordinal"]


def squared(output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:  # noqa: ARG001
    """Return the squared error, averaged over outputs."""
    return (output - target).square().mean(-1)


def absolute(output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:  # noqa: ARG001
    """Return the absolute error, averaged over outputs."""
    return (output - target).abs().mean(-1)


def huber(output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:  # noqa: ARG001
    """Return Huber's loss with its corner at 1 (one standard deviation of a standardised target)."""
    return functional.huber_loss(output, target, reduction="none").mean(-1)


def cross_entropy(output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:
    """Return the cross entropy of logits (..., batch, classes) and codes (..., batch), from log-sum-exp.

    smoothing: (members,) share of the target that is spread over all classes, each member its own.
    """
    log_probability = torch.log_softmax(output, dim=-1)
    right = log_probability.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    share = smoothing.unsqueeze(-1)
    return -(1 - share) * right - share * log_probability.mean(-1)


def quantile(output: Tensor, target: Tensor, smoothing: Tensor, level: float = 0.5) -> Tensor:  # noqa: ARG001
    """Return the pinball loss, whose minimum is the quantile `level` of the target (Koenker and Bassett 1978)."""
    error = target - output
    return torch.maximum(level * error, (level - 1) * error).mean(-1)


def ordinal(output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:  # noqa: ARG001
    """Return the loss of ordered classes: each output is the logit of going beyond one class once it is reached.

    output (..., batch, classes - 1), target (..., batch) codes in their order. A row counts for the steps it reached
    (CORN: Shi, Cao and Raschka 2021), whose products `ordinal_probabilities` turns into those of classes.
    """
    steps = torch.arange(output.shape[-1], device=output.device)
    reached, beyond = target.unsqueeze(-1) >= steps, target.unsqueeze(-1) > steps
    losses = functional.binary_cross_entropy_with_logits(output, beyond.to(output.dtype), reduction="none")
    return (losses * reached).sum(-1)


def ordinal_probabilities(output: Tensor) -> Tensor:
    """Return probabilities (..., classes) from the logits (..., classes - 1) that `ordinal` trains."""
    beyond = torch.sigmoid(output).cumprod(dim=-1)
    edge = beyond[..., :1]
    ladder = torch.cat([torch.ones_like(edge), beyond, torch.zeros_like(edge)], dim=-1)
    return ladder[..., :-1] - ladder[..., 1:]


RowLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def row_losses(loss: RowLoss, output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:
    """Return each row's loss (members, batch); k predictions of a row, (members, batch, k, outputs), each have theirs
    and the mean is returned."""
    if output.ndim == 3:
        return loss(output, target, smoothing)
    k = output.shape[2]
    losses = loss(output.flatten(1, 2), target.repeat_interleave(k, dim=1), smoothing)
    return losses.unflatten(1, (-1, k)).mean(dim=2)


LOSSES: dict[str, RowLoss] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
    "quantile": quantile,
    "cross_entropy": cross_entropy,
    "ordinal": ordinal,
}


def loss_of(name: Loss, level: float) -> RowLoss:
    """Return a loss by name; `level` is the quantile that "quantile" aims at."""
    return partial(quantile, level=level) if name == "quantile" else LOSSES[name]
