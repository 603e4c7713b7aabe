"""What each member's learning rate, decay and dropout are in each step of an epoch; worked out ahead, on the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core import schedule
from pipeline.core.batches import Epoch
from pipeline.core.members import Member, Program
from pipeline.core.optimiser import Rates


def step_rates(program: Program, members: Sequence[Member], plan: Epoch, behind: np.ndarray) -> Rates:
    """Return learning rates and weight decays of an epoch, schedules included; behind: epochs done by each member."""
    taken, progress = _progress(program, plan, behind)
    lr = np.array([m.lr for m in members]) * schedule.factor(program.schedule, progress, program.warmup)
    decay = np.array([m.weight_decay for m in members]) * schedule.factor(program.decay_schedule, progress)
    return Rates(lr, decay, taken + 1)


def dropped_bytes(program: Program, members: Sequence[Member], plan: Epoch, behind: np.ndarray) -> np.ndarray | None:
    """Return dropout rates (steps, M) in 1/256, as bytes, or None if no member drops anything."""
    rate = np.array([m.dropout for m in members])
    if not rate.any() or not program.architecture.hidden:
        return None
    _, progress = _progress(program, plan, behind)
    share = rate * schedule.factor(program.dropout_schedule, progress)
    return np.minimum(np.round(256 * share), 255).astype(np.uint8)


def _progress(program: Program, plan: Epoch, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many steps each member has taken before each step (steps, M), and the share of all its steps."""
    per_epoch = (plan.counts > 0).sum(axis=0)
    taken = behind * per_epoch + np.arange(len(plan.counts))[:, None]
    return taken, np.minimum(taken / (program.epochs * per_epoch), 1.0)
