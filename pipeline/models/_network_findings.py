"""What the diagnosis says of one entry's networks, in lines for the log, the report and MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch

from pipeline.core import diagnosis, schedule
from pipeline.core.losses import loss_of
from pipeline.core.members import Program, Trained
from pipeline.core.monitor import MEASURES
from pipeline.models._network_fold import Fold, Key
from pipeline.types import CrossFit, Table


def findings(
    program: Program, members: Sequence[Trained], entry: CrossFit, data: Mapping[Key, Fold], table: Table
) -> tuple[str, ...]:
    """Return one line a finding, from the curves of all members and the mean errors of the entry's folds."""
    epochs = max(len(member.losses) for member in members)
    losses = np.full((len(members), epochs, 2), np.nan)
    for curve, member in zip(losses, members, strict=True):
        curve[: len(member.losses)] = member.losses[:, :2]
    rates = schedule.factor(program.schedule, np.arange(epochs) / program.epochs, program.warmup)
    if entry.stop_on == "inner":  # pairs have such losses, and keep the weights from before they rose
        losses[..., 1] = np.nan
    fates = np.array([member.diverged for member in members])
    found = chain(
        diagnosis.read_fates(fates),
        diagnosis.read_curves(losses[..., 0], losses[..., 1], rates, silent_loss(program, data, table)),
        diagnosis.read_layers(*layers(members)),
        diagnosis.read_errors(
            float(entry.train_errors.mean()), float(entry.fold_errors.mean()), constant_error(data, table)
        ),
    )
    return tuple(str(finding) for finding in found)


def silent_loss(program: Program, data: Mapping[Key, Fold], table: Table) -> float:
    """Return the mean training loss of networks whose outputs are all 0."""
    row_loss, smoothing = loss_of(program.loss, program.level), torch.zeros(1)
    targets = [fold.learnt(table.target[fold.rows])[None] for fold in data.values()]
    outputs = [torch.zeros(1, target.shape[1], program.architecture.n_outputs) for target in targets]
    losses = [row_loss(output, target, smoothing).mean() for output, target in zip(outputs, targets, strict=True)]
    return float(torch.stack(losses).mean())


def layers(members: Sequence[Trained]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the layers' names, their gradients' norms relative to their weights', and their shares of dead units.

    Both (epochs of all members, layers), NaN where a member has no such layer.
    """
    names = list(dict.fromkeys(name for member in members for name in member.layers))
    measured = []
    for member in members:
        unknown = np.full((len(member.losses), len(MEASURES)), np.nan)
        measured.append(np.stack([member.layers.get(name, unknown) for name in names], axis=1))
    gradient, weight, dead = np.moveaxis(np.concatenate(measured).astype(np.float64), -1, 0)
    known = (weight > 0) & np.isfinite(weight)  # both are infinite just before a network diverges
    return names, np.divide(gradient, weight, out=np.full_like(weight, np.nan), where=known), dead


def constant_error(data: Mapping[Key, Fold], table: Table) -> float:
    """Return the mean training error of the best constant: the mean in the learnt space, or the class shares."""
    return float(np.mean([_constant_error(fold, table) for fold in data.values()]))


def _constant_error(fold: Fold, table: Table) -> float:
    target = table.target[fold.rows]
    if fold.target is None:
        constant = np.bincount(target, minlength=table.task.n_outputs) / len(target)
    else:
        constant = fold.target.inverse(fold.target.forward(target).mean(axis=0).reshape(1, -1))[0]
    return table.task.error(target, np.tile(constant, (len(target), 1)))
