"""Losses a row, for predictions of one network or of many: (..., batch, k) against targets, giving (..., batch)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Loss = Literal["squared", "absolute", "huber", "cross_entropy"]


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


def row_losses(name: Loss, output: Tensor, target: Tensor, smoothing: Tensor) -> Tensor:
    """Return each row's loss (members, batch); k predictions of a row, (members, batch, k, outputs), each have theirs
    and the mean is returned."""
    if output.ndim == 3:
        return LOSSES[name](output, target, smoothing)
    k = output.shape[2]
    losses = LOSSES[name](output.flatten(1, 2), target.repeat_interleave(k, dim=1), smoothing)
    return losses.unflatten(1, (-1, k)).mean(dim=2)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
    "cross_entropy": cross_entropy,
}
