"""What happens in every layer of every member, measured in the first step of an epoch, when all members are active."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from pipeline.core.blocks import Network
from pipeline.core.optimiser import Stacked

MEASURES = ("gradient_norm", "weight_norm", "dead_share")


def owners(names: Iterable[str]) -> list[str]:
    """Return the layers that parameters of these names belong to, in their order."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


class Watch:
    """Look at one step: made before it, asked after it.

    Measures a member and layer: gradient_norm and weight_norm, the lengths of the gradient and of the parameters;
    dead_share, of a hidden block's units, those that gave the same value for all rows of the batch (NaN for other
    layers).
    """

    def __init__(self, net: Network) -> None:
        self._dead: dict[str, Tensor] = {}
        self._hooks = [
            block.dropout.register_forward_pre_hook(self._look(f"blocks.{number}."))
            for number, block in enumerate(net.hidden)
        ]

    def _look(self, start: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            units = inputs[0].detach()
            same = units.amax(dim=1) == units.amin(dim=1)
            share = same.flatten(1).float().mean(dim=1)
            self._dead[start] = share if units.shape[1] > 1 else torch.full_like(share, torch.nan)  # of one row: all

        return look

    @torch.no_grad()
    def measure(self, gradients: Stacked, trained: Stacked) -> Tensor:
        """Return (M, layers, measures), on the device; trained: the parameters by the names of their gradients."""
        for hook in self._hooks:
            hook.remove()
        columns = []
        for layer in owners(trained):
            own = [name for name in trained if name.rpartition(".")[0] == layer]
            norms = [_norm(part, own) for part in (gradients, trained)]
            unknown = torch.full_like(norms[0], torch.nan)
            dead = next((share for start, share in self._dead.items() if f"{layer}.".startswith(start)), unknown)
            columns.append(torch.stack([*norms, dead], dim=1))
        return torch.stack(columns, dim=1)


def _norm(part: Stacked, names: list[str]) -> Tensor:
    own = [torch.linalg.vector_norm(part[name].flatten(1), dim=1) for name in names]
    return torch.linalg.vector_norm(torch.stack(own), dim=0)
