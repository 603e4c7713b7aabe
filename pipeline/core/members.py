"""What the fused trainer is given and what it gives back: members, the rows they see, and their trained weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pipeline.core.blocks import Architecture
from pipeline.core.choices import refuse_unknown
from pipeline.core.init import Init, Parametrisation
from pipeline.core.losses import Loss
from pipeline.core.optimiser import Optimiser
from pipeline.core.precision import Precision
from pipeline.core.schedule import Schedule
from pipeline.core.sheet import Excerpt


@dataclass(frozen=True)
class EncodedRows:
    """Encoded rows: dense (n, d) floats, codes (n, c) int64, target (n, k) floats or (n,) class codes.

    weight (n,): what each row's loss counts, 1 on average; None where all count the same. excerpt: where the rows are
    on a sheet that folds share; then `dense` holds only the columns that are not on it.
    """

    dense: Tensor
    codes: Tensor
    target: Tensor
    weight: Tensor | None = None
    excerpt: Excerpt | None = None

    def __len__(self) -> int:
        return len(self.dense)

    @property
    def parts(self) -> list[Tensor]:
        """All that there is of the rows but what a sheet has, in the order of the fields."""
        return [self.dense, self.codes, self.target, *([] if self.weight is None else [self.weight])]

    def map(self, change: Callable[[Tensor], Tensor]) -> EncodedRows:
        """Return rows of what becomes of each part; they are on no sheet."""
        weight = None if self.weight is None else change(self.weight)
        return EncodedRows(change(self.dense), change(self.codes), change(self.target), weight)

    @property
    def width(self) -> int:
        """Number of dense columns, those on a sheet included."""
        return self.dense.shape[1] if self.excerpt is None else self.excerpt.reading.columns.shape[-1]

    def columns(self, rows: slice) -> Tensor:
        """Return all dense columns of some of the rows."""
        return self.dense[rows] if self.excerpt is None else self.excerpt.columns(rows, self.dense[rows])


@dataclass(frozen=True)
class View:
    """Rows of one fold, or of a cut of it, in their own encoding: to learn from, and to choose the epoch by, if any.

    stops: sets of rows that each choose an epoch, so that a network is kept once for each; all views have as many.
    n_levels: levels of all categorical columns together. n_numeric: the first dense columns, which a network may embed.
    """

    train: EncodedRows
    stops: tuple[EncodedRows, ...] = ()
    n_levels: int = 0
    n_numeric: int = 0

    @property
    def all_rows(self) -> tuple[EncodedRows, ...]:
        """The rows to learn from, then those that stop."""
        return self.train, *self.stops

    def __post_init__(self) -> None:
        for rows in self.all_rows:
            if len({len(part) for part in rows.parts}) > 1:
                shapes = ", ".join(str(tuple(part.shape)) for part in rows.parts)
                raise ValueError(
                    f"dense, codes, target and weight must have as many rows each; their shapes are {shapes}"
                )
            if rows.codes.numel() and not 0 <= rows.codes.min() <= rows.codes.max() < self.n_levels:
                found = f"{int(rows.codes.min())} to {int(rows.codes.max())}"
                raise ValueError(f"codes are {found}; with n_levels={self.n_levels} they must be from 0 to below it")


@dataclass(frozen=True)
class Member:
    """One network to train: which view it sees, its seed, and the hyperparameters that are its own.

    epochs: how many of the program's epochs it trains (all of them when None); its schedules follow the
    program's length nevertheless. dropout is rounded to 1/256. l1: factor of the absolute weights' sum that joins
    the loss (biases exempt). clip: the largest norm of its whole gradient; a longer one is shortened to it.
    """

    view: int
    seed: int
    lr: float = 1e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    epochs: int | None = None
    l1: float = 0.0
    clip: float = math.inf


@dataclass(frozen=True)
class Program:
    """What all members of one fused run share.

    parametrisation: "standard" uses each member's lr for all its parameters and decays weights; "ntk" divides it by
    the root of a weight's fan-in and multiplies it by 0.1 for biases and by 6 for the scaling layer, which makes one
    lr fit all widths, and decays all but biases (Jacot et al. 2018; factors from RealMLP, Holzmueller et al. 2024).
    patience: epochs without a better stopping loss after which a member ends (None: never), or "cycle": it ends with
    the first cycle of its schedule whose end is worse than the end of the one before. Of several sets of stopping rows
    each ends its own search, and the last one the member.
    level: the quantile that the loss "quantile" aims at. precision: of the products in training; what judges is exact.
    """

    architecture: Architecture
    loss: Loss
    epochs: int
    batch_size: int
    init: Init = "lecun"
    parametrisation: Parametrisation = "standard"
    optimiser: Optimiser = "adamw"
    beta: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: Schedule = "constant"
    warmup: float = 0.0
    decay_schedule: Schedule = "constant"
    dropout_schedule: Schedule = "constant"
    patience: int | Literal["cycle"] | None = None
    level: float = 0.5
    precision: Precision = "full"

    def __post_init__(self) -> None:
        refuse_unknown(self)


@dataclass(frozen=True)
class Kept:
    """The best weights by one set of stopping rows, as the state dict of a plain network; epoch: how many they saw."""

    state: dict[str, Tensor] = field(repr=False)
    epoch: int


@dataclass(frozen=True)
class Trained:
    """A trained member: what it kept, by each set of stopping rows, and how it went.

    kept: of a member without stopping rows its last weights. losses (epochs, 1 + sets): training loss and that of each
    set of stopping rows after each epoch; (epochs, 2) with NaN where there are none. diverged: a loss or weight became
    NaN or infinite; weights without stopping rows are those of the last epoch before. truncated: training was stopped
    from outside before its end; with epoch 0 it had not begun, and the weights are the initial ones. layers: by the
    layer's name (epochs, 3), what was measured in it (see monitor.py). rungs: the mean errors of its group at the rungs
    that it had to pass; left: the last of them was above the limit, and the group went no further.
    """

    kept: tuple[Kept, ...]
    losses: np.ndarray = field(repr=False)
    diverged: bool
    truncated: bool = False
    layers: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    rungs: tuple[float, ...] = ()
    left: bool = False

    @property
    def state(self) -> dict[str, Tensor]:
        """The weights that the first set of stopping rows chose."""
        return self.kept[0].state

    @property
    def epoch(self) -> int:
        """How many epochs those have seen."""
        return self.kept[0].epoch


def refuse_misfits(program: Program, members: Sequence[Member], views: Sequence[View]) -> None:
    """Raise ValueError where targets do not fit the loss, or a member what it is to train on and how long.

    A target (n,) beside outputs (n, 1) would be compared with all of them, each with each, and no error said so.
    """
    n_outputs, coded = program.architecture.n_outputs, program.loss in ("cross_entropy", "ordinal")
    wanted = "class codes (n,)" if coded else f"numbers (n, {n_outputs})"
    for target in (rows.target for view in views for rows in view.all_rows):
        shape = (len(target),) if coded else (len(target), n_outputs)
        if tuple(target.shape) != shape or target.is_floating_point() == coded:
            found = f"{target.dtype} {tuple(target.shape)}"
            raise ValueError(f"the loss {program.loss!r} needs {wanted} as target, one for each output; found {found}")
    for member in members:
        if not (0 <= member.view < len(views) and 0 <= member.dropout < 1):
            raise ValueError(f"view must be below {len(views)} and dropout from 0 to below 1; found {member}")
        if (member.epochs or 1) > program.epochs:
            raise ValueError(f"a member may train {program.epochs} epochs, the program's; found {member}")


def stack(parts: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    """Stack tensors into one, each padded at its ends with zeros to the same shape."""
    out = parts[0].new_zeros((len(parts), *shape))
    for row, part in zip(out, parts, strict=True):
        row[tuple(slice(size) for size in part.shape)] = part
    return out


def unstack(
    stacked: dict[str, Tensor], member: int | tuple[int, ...], shapes: dict[str, torch.Size]
) -> dict[str, Tensor]:
    """Cut one member, by its place on the first axis or axes, out of stacked parameters, without the padding."""
    return {
        name: tensor[member][tuple(slice(size) for size in shapes[name])].detach().cpu().clone()
        for name, tensor in stacked.items()
    }
