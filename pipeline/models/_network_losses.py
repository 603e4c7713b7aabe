"""What a network's loss means for the task: does it suit, how many outputs it needs, what they say of classes."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from pipeline.core.losses import Loss, ordinal_probabilities
from pipeline.errors import ConfigError
from pipeline.types import Task

OF_CLASSES = ("cross_entropy", "ordinal")


def loss_for(name: str, task: Task) -> Loss:
    """Return the loss called `name`; "auto" is squared for values and cross entropy for classes."""
    regression = task.kind == "regression"
    if name == "auto":
        return "squared" if regression else "cross_entropy"
    if regression == (name in OF_CLASSES):
        raise ConfigError(f"loss '{name}' does not suit a {task.kind} task", hint='leave loss = "auto"')
    return cast("Loss", name)


def outputs_for(name: str, task: Task) -> int:
    """Return how many outputs the loss needs: for ordered classes a step between neighbours, not a logit each."""
    return task.n_outputs - 1 if name == "ordinal" else task.n_outputs


def probabilities(loss: Loss, output: Tensor) -> Tensor:
    """Return the probabilities (..., classes) that outputs of classes stand for."""
    return ordinal_probabilities(output) if loss == "ordinal" else torch.softmax(output, dim=-1)
