"""AdamW, Adam with coupled L2, and SGD on stacked parameters, every member with its own rates.

Written by hand because torch.optim knows one learning rate a tensor, and here a tensor holds M members. What depends
on the step alone (bias correction, schedules) is worked out ahead of the epoch for all members, so that a step is a
handful of in-place operations on whole tensors. Sources: Kingma and Ba 2015; Loshchilov and Hutter 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Optimiser = Literal["adamw", "adam", "sgd"]
Stacked = dict[str, Tensor]


@dataclass(frozen=True)
class Factors:
    """Per parameter and member (M, 1, 1): how its learning rate and its decay differ from the member's own."""

    rate: Stacked
    decay: Stacked


@dataclass(frozen=True)
class Rates:
    """What one epoch's steps use, (steps, M) each: rate (bias correction included), eps, and decay a step."""

    rate: Tensor
    eps: Tensor
    decay: Tensor

    def at(self, step: int) -> Rates:
        """Return the (M,) values of one step."""
        return Rates(self.rate[step], self.eps[step], self.decay[step])


def epoch_rates(
    kind: Optimiser, lr: np.ndarray, weight_decay: np.ndarray, step: np.ndarray, beta: tuple[float, float], eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rate, eps and decay (steps, M) from scheduled lr and weight decay and each member's own step count.

    Adam's bias corrections are folded into rate and eps: lr sqrt(c2) / c1 and eps sqrt(c2).
    decay is lr times weight decay for AdamW (decoupled), and the weight decay itself where it joins the gradient.
    """
    if kind == "sgd":
        return lr, np.zeros_like(lr), weight_decay
    first, second = 1 - beta[0] ** step, np.sqrt(1 - beta[1] ** step)
    return lr * second / first, eps * second, lr * weight_decay if kind == "adamw" else weight_decay


@torch.no_grad()
def update(
    kind: Optimiser,
    parameters: Stacked,
    gradients: Stacked,
    moments: tuple[Stacked, Stacked],
    rates: Rates,
    factors: Factors,
    beta: tuple[float, float],
    n_active: int,
) -> None:
    """Take one step for the first `n_active` members, in place; rates hold this step's (M,) values."""
    rate, eps, decay = (_column(values, n_active) for values in (rates.rate, rates.eps, rates.decay))
    for name, gradient in gradients.items():
        parameter = parameters[name][:n_active]
        step_rate, step_decay = rate * factors.rate[name][:n_active], decay * factors.decay[name][:n_active]
        if kind == "adamw":
            parameter.mul_(1 - step_decay)
        else:
            gradient = torch.addcmul(gradient, parameter, step_decay)
        if kind == "sgd":
            parameter.addcmul_(gradient, step_rate, value=-1)
        else:
            first, second = (moment[name][:n_active] for moment in moments)
            first.lerp_(gradient, 1 - beta[0])
            second.mul_(beta[1]).addcmul_(gradient, gradient, value=1 - beta[1])
            direction = second.sqrt().add_(eps)
            torch.div(first, direction, out=direction)
            parameter.addcmul_(direction, step_rate, value=-1)


def _column(values: Tensor, n_active: int) -> Tensor:
    return values[:n_active].reshape(-1, 1, 1)
