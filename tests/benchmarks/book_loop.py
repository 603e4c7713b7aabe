"""The book's loop over one network of a recipe: torch's own data loader, optimiser and random numbers, nothing stacked.

The network, its initial weights, its schedules and its own rates are those of the recipe, so that a search by this loop
is over the same networks; what a user of Dive into Deep Learning would write is the loop.
"""

from __future__ import annotations

from itertools import count

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from pipeline.core import schedule
from pipeline.core.blocks import Network, build, tensors
from pipeline.core.init import initialise, rate_factors
from pipeline.core.members import EncodedRows, Member, Program


def train(program: Program, member: Member, rows: EncodedRows, valid: EncodedRows) -> dict[str, Tensor]:
    """Train a regression network with the squared loss; both errors after every epoch; return its last weights.

    valid: rows whose error is looked at after every epoch, as in the book; it changes nothing.
    """
    torch.manual_seed(member.seed)
    learnt, held = _tensors(rows), _tensors(valid)
    net = build(program.architecture, rows.width, rows.codes.shape[1])
    initialise(net, program.init, member.seed, *learnt[:2])
    factors = rate_factors(net, program.parametrisation)
    groups = [{"params": [own], "factors": factors[name]} for name, own in net.named_parameters()]
    optimiser = torch.optim.AdamW(groups, betas=program.beta)
    loader = DataLoader(TensorDataset(*learnt), program.batch_size, shuffle=True)
    steps = count()
    for _ in range(program.epochs):
        for dense, codes, target in loader:
            share = np.array(next(steps) / (program.epochs * len(loader)))
            _set_rates(optimiser, program, member, share)
            rate = member.dropout * float(schedule.factor(program.dropout_schedule, share))
            masks = [functional.dropout(torch.ones(len(dense), n), rate) for n in program.architecture.masked_units]
            optimiser.zero_grad()
            functional.mse_loss(net(dense, codes, masks), target).backward()
            optimiser.step()
        _error(net, *learnt)
        _error(net, *held)
    return {name: tensor.detach() for name, tensor in tensors(net).items()}


def _set_rates(optimiser: torch.optim.Optimizer, program: Program, member: Member, share: np.ndarray) -> None:
    lr = member.lr * float(schedule.factor(program.schedule, share, program.warmup))
    decay = member.weight_decay * float(schedule.factor(program.decay_schedule, share))
    for group in optimiser.param_groups:
        lr_factor, decay_factor = group["factors"]
        group["lr"] = lr * lr_factor
        group["weight_decay"] = decay * decay_factor / lr_factor  # torch multiplies it by the parameter's own rate


def _tensors(rows: EncodedRows) -> tuple[Tensor, Tensor, Tensor]:
    return rows.columns(slice(len(rows))), rows.codes, rows.target


@torch.no_grad()
def _error(net: Network, dense: Tensor, codes: Tensor, target: Tensor) -> float:
    net.eval()
    error = (net(dense, codes) - target).square().mean().sqrt().item()
    net.train()
    return error
