"""AdamW, Adam with coupled L2, and SGD on stacked parameters, every member with its own rates.

torch.optim knows one learning rate a tensor, and here a tensor holds M members. Large networks on a CPU are updated
by torch's own fused kernels, which pass over the memory once, neighbours with equal rates by one call; small ones, and
all on a GPU, together, by a handful of in-place operations on whole tensors. Sources: Kingma and Ba 2015; Loshchilov
and Hutter 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Optimiser = Literal["adamw", "adam", "sgd"]
Stacked = dict[str, Tensor]
Factors = dict[str, tuple[float, float]]  # by parameter: what multiplies the member's learning rate, and its decay
Update = Callable[[Stacked, int, int], None]  # gradients, step of the epoch, number of active members

KERNEL_PARAMETERS = 8192  # of one member, from which calling kernels is the faster way on a CPU


@dataclass(frozen=True)
class Settings:
    """What all members share; beta and eps are Adam's."""

    kind: Optimiser
    beta: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8


@dataclass(frozen=True)
class Rates:
    """Learning rate, weight decay, and the members' own step numbers (from 1) for an epoch's steps, (steps, M) each."""

    lr: np.ndarray
    decay: np.ndarray
    number: np.ndarray


def updater(
    settings: Settings, parameters: Stacked, moments: tuple[Stacked, Stacked], factors: Sequence[Factors], rates: Rates
) -> Update:
    """Return what takes an epoch's steps, in place: called with gradients, step, and how many members take it."""
    n_parameters = sum(tensor[0].numel() for tensor in parameters.values())
    on_cpu = all(tensor.device.type == "cpu" for tensor in parameters.values())
    if settings.kind != "sgd" and on_cpu and n_parameters >= KERNEL_PARAMETERS:
        return _by_kernels(settings, parameters, moments, factors, rates)
    return _together(settings, parameters, moments, factors, rates)


def _by_kernels(
    settings: Settings, parameters: Stacked, moments: tuple[Stacked, Stacked], factors: Sequence[Factors], rates: Rates
) -> Update:
    """Adam and AdamW by torch's fused CPU kernels: a call for each run of members with equal rates.

    A kernel takes one learning rate, so parameters whose factors differ have calls of their own.
    """
    kernel = torch._fused_adamw_ if settings.kind == "adamw" else torch._fused_adam_
    kept: dict[tuple[int, int], list[_Group]] = {}
    apart = _apart(rates, [factors.index(own) for own in factors])
    lr, decay, numbers = rates.lr.tolist(), rates.decay.tolist(), torch.from_numpy(rates.number.astype(np.float32))

    @torch.no_grad()
    def update(gradients: Stacked, step: int, n_active: int) -> None:
        bounds = [0, *(np.flatnonzero(apart[step, : n_active - 1]) + 1).tolist(), n_active]
        for first, last in pairwise(bounds):
            if (first, last) not in kept:
                stacks = ({name: part[first:last] for name, part in own.items()} for own in (parameters, *moments))
                decays = bool(rates.decay[:, first].any())
                kept[first, last] = _groups(settings.kind, factors[first], *stacks, decays=decays)
            number = numbers[step, first]
            for group in kept[first, last]:
                whole = [gradients[name] for name in group.names]
                kernel(
                    group.parameters,
                    whole if last - first == n_active else [gradient[first:last] for gradient in whole],
                    group.first,
                    group.second,
                    [],
                    [number] * len(group.names),
                    lr=lr[step][first] * group.lr_factor,
                    weight_decay=decay[step][first] * group.decay_factor,
                    beta1=settings.beta[0],
                    beta2=settings.beta[1],
                    eps=settings.eps,
                    amsgrad=False,
                    maximize=False,
                )

    return update


def _apart(rates: Rates, alike: Sequence[int]) -> np.ndarray:
    """Say (steps, M - 1) where a member and the next one differ in their rates or their parameters' factors.

    alike: a number for every member, equal for those whose parameters have equal factors.
    """
    parts = rates.lr, rates.decay, rates.number, np.broadcast_to(alike, rates.lr.shape)
    return np.any([part[:, 1:] != part[:, :-1] for part in parts], axis=0)


@dataclass(frozen=True)
class _Group:
    """A run's parameters that have the same factors, and what belongs to them."""

    lr_factor: float
    decay_factor: float  # as the kernel counts: AdamW's multiplies the decay by the parameter's own rate
    names: list[str]
    parameters: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]


def _groups(kind: Optimiser, own: Factors, *stacks: Stacked, decays: bool) -> list[_Group]:
    """Group parameters by their factors; those of the decay do not matter where nothing decays."""
    seen = {name: (lr_factor, decay_factor if decays else 0.0) for name, (lr_factor, decay_factor) in own.items()}
    groups = []
    for lr_factor, decay_factor in dict.fromkeys(seen.values()):
        names = [name for name in seen if seen[name] == (lr_factor, decay_factor)]
        scaled = decay_factor / lr_factor if decay_factor and kind == "adamw" else decay_factor
        groups.append(_Group(lr_factor, scaled, names, *([part[name] for name in names] for part in stacks)))
    return groups


def _together(
    settings: Settings, parameters: Stacked, moments: tuple[Stacked, Stacked], factors: Sequence[Factors], rates: Rates
) -> Update:
    """All members by operations on whole tensors; what depends on the step alone is worked out here, for the epoch.

    Adam's bias corrections are folded into rate and eps: lr sqrt(c2) / c1 and eps sqrt(c2). decay is lr times
    weight decay for AdamW (decoupled), and the weight decay itself where it joins the gradient.
    """
    like = next(iter(parameters.values()))

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(like.dtype).to(like.device, non_blocking=True)

    correction = [np.sqrt(1 - settings.beta[1] ** rates.number), 1 - settings.beta[0] ** rates.number]
    rate = put(rates.lr if settings.kind == "sgd" else rates.lr * correction[0] / correction[1])
    eps = put(settings.eps * correction[0])
    decay = put(rates.lr * rates.decay if settings.kind == "adamw" else rates.decay)
    own = {name: put(np.array([member[name] for member in factors])) for name in parameters}

    @torch.no_grad()
    def update(gradients: Stacked, step: int, n_active: int) -> None:
        for name, gradient in gradients.items():
            parameter, axes = parameters[name][:n_active], (-1, *[1] * (gradient.ndim - 1))
            factor = own[name][:n_active]
            step_rate = (rate[step, :n_active] * factor[:, 0]).reshape(axes)
            step_decay = decay[step, :n_active] * factor[:, 1]
            if settings.kind == "adamw":
                parameter.mul_((1 - step_decay).reshape(axes))
            else:
                gradient = torch.addcmul(gradient, parameter, step_decay.reshape(axes))
            if settings.kind == "sgd":
                parameter.addcmul_(gradient, step_rate, value=-1)
            else:
                first, second = (moment[name][:n_active] for moment in moments)
                first.lerp_(gradient, 1 - settings.beta[0])
                second.mul_(settings.beta[1]).addcmul_(gradient, gradient, value=1 - settings.beta[1])
                direction = second.sqrt().add_(eps[step, :n_active].reshape(axes))
                torch.div(first, direction, out=direction)
                parameter.addcmul_(direction, step_rate, value=-1)

    return update
