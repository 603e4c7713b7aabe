"""What changes gradients before the optimiser sees them, for each member by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.core.members import Member
from pipeline.core.optimiser import Factors, Stacked

TINY = 1e-6  # added to the length, as torch.nn.utils.clip_grad_norm_ does: it may be zero


@torch.no_grad()
def penalise(members: Sequence[Member], factors: Sequence[Factors], weights: Stacked, gradients: Stacked) -> Stacked:
    """Add the slope of every member's L1 penalty; what is exempt from weight decay is exempt from it."""
    changed = {}
    for name, gradient in gradients.items():
        own = [member.l1 * (factor[name][1] > 0) for member, factor in zip(members, factors, strict=True)]
        changed[name] = gradient + _column(own, gradient) * weights[name][: len(gradient)].sign()
    return changed


@torch.no_grad()
def shorten(members: Sequence[Member], gradients: Stacked) -> Stacked:
    """Scale down whole gradients that are longer than their member allows."""
    squares = sum(gradient.square().flatten(1).sum(dim=1) for gradient in gradients.values())
    assert isinstance(squares, Tensor)
    allowed = _column([member.clip for member in members], squares)
    factor = (allowed / (squares.sqrt() + TINY)).clamp(max=1)
    return {name: gradient * factor.reshape(-1, *[1] * (gradient.ndim - 1)) for name, gradient in gradients.items()}


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    """Return the active members' values in a shape that multiplies `like`."""
    active = torch.tensor(values[: len(like)], dtype=like.dtype).to(like.device, non_blocking=True)
    return active.reshape(-1, *[1] * (like.ndim - 1))
