"""What a network's loss means for its outputs: how many it needs, what they say of classes."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.core.losses import Loss, ordinal_probabilities
from pipeline.types import Task


def outputs_for(name: str, task: Task) -> int:
    """Return how many outputs the loss needs: for ordered classes a step between neighbours, not a logit each."""
    return task.n_outputs - 1 if name == "ordinal" else task.n_outputs


def probabilities(loss: Loss, output: Tensor) -> Tensor:
    """Return the probabilities (..., classes) that outputs of classes stand for."""
    return ordinal_probabilities(output) if loss == "ordinal" else torch.softmax(output, dim=-1)
