"""What a network's recipe comes down to on a table, and the rows that its networks are trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pipeline.core.members import Member, Program, Trained
from pipeline.models._network_fold import Key
from pipeline.transforms.recipe import Encode, Target
from pipeline.types import StopOn

Part = Literal["train", "inner", "pairs"]
Parts = dict[tuple[Key, int], Trained]  # by fold, or pair of folds, and number of the seed


@dataclass(frozen=True)
class Plan:
    """What a recipe comes down to on a given table; plans with equal `shared` train as one program."""

    program: Program
    lr: float
    weight_decay: float
    n_seeds: int
    encode: Encode
    target: Target
    stop_on: StopOn | Literal["pairs"]
    dropout: float = 0.0
    label_smoothing: float = 0.0
    l1: float = 0.0
    clip: float | None = None
    overshoot: float | None = None

    @property
    def shared(self) -> tuple[Program, Encode, Target, str, float | None]:
        return self.program, self.encode, self.target, self.stop_on, self.overshoot

    @property
    def parts(self) -> tuple[Part, ...]:
        """The rows of a fold that it is trained on, one after the other."""
        if self.stop_on == "pairs":
            return ("pairs",)
        return ("inner", "train") if self.stop_on == "inner" else ("train",)

    @property
    def marked(self) -> StopOn:
        """What chose the epochs, as entries say it: of a pair it is rows that the fold may train on."""
        return "inner" if self.stop_on == "pairs" else self.stop_on

    def member(self, view: int, seed: int, epochs: int | None) -> Member:
        """Return one network of this plan."""
        clip = math.inf if self.clip is None else self.clip
        decay, smoothing = self.weight_decay, self.label_smoothing
        return Member(view, seed, self.lr, decay, self.dropout, smoothing, epochs, self.l1, clip)


Plans = dict[str, Plan]
