"""What each member's learning rate, decay and dropout are in each step of an epoch; worked out ahead, on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core import optimiser, schedule
from pipeline.core.batches import Epoch
from pipeline.core.members import Member, Program


def step_rates(
    program: Program, members: Sequence[Member], plan: Epoch, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the optimiser's rate, eps and decay (steps, M) of an epoch, schedules and bias correction included."""
    taken, progress = _progress(program, plan, epoch)
    lr = np.array([m.lr for m in members]) * schedule.factor(program.schedule, progress, program.warmup)
    decay = np.array([m.weight_decay for m in members]) * schedule.factor(program.decay_schedule, progress)
    return optimiser.epoch_rates(program.optimiser, lr, decay, taken + 1, program.beta, program.eps)


def dropped_bytes(program: Program, members: Sequence[Member], plan: Epoch, epoch: int) -> np.ndarray | None:
    """Return dropout rates (steps, M) in 1/256, or None if no member drops anything."""
    rate = np.array([m.dropout for m in members])
    if not rate.any() or not program.architecture.hidden:
        return None
    _, progress = _progress(program, plan, epoch)
    return np.minimum(np.round(256 * rate * schedule.factor(program.dropout_schedule, progress)), 255)


def _progress(program: Program, plan: Epoch, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many steps each member has taken before each step (steps, M), and the share of all its steps."""
    per_epoch = (plan.counts > 0).sum(axis=0)
    taken = epoch * per_epoch + np.arange(len(plan.counts))[:, None]
    return taken, np.minimum(taken / (program.epochs * per_epoch), 1.0)
