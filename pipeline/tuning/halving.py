"""Successive halving: a trial that is not among the best part of what came before it is given up early.

The rule is that of asynchronous successive halving without promotion (Li et al. 2020, "A system for massively parallel
hyperparameter tuning"): at each rung a trial goes on if it is among the best 1/reduction of all trials seen there.
"Seen" means the latest of earlier waves here: no order within a wave decides, and a first wave passes all early rungs.
Among all trials ever seen nearly every later one is of the best, since a sampler learns: on House Prices 60 of 200 went
to the end where 1 in 27 was planned. At the end of the first repeat, which a wave reaches as one, a first wave is
compared to itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipeline.models import _optional
from pipeline.types import Rung

FIRST_REPEAT = 1.0
"""The share of a training that stands for the end of all of it on the folds of the first repeat."""
RECENT = 20
"""Trials, the latest seen at a rung, to which the next wave is compared there."""


def shares_of(model: Any, wanted: str | Sequence[float], n_repeats: int) -> list[float]:
    """Return the shares of a training at which trials are compared; "auto" are those that the model declares.

    With several repeats of the folds, "auto" is the end of the first. A model without RUNGS knows no other.
    """
    own = _optional.rungs_of(model)
    if isinstance(wanted, str):
        return [FIRST_REPEAT] if n_repeats > 1 else list(own or ())
    return [share for share in wanted if own is not None or share == FIRST_REPEAT]


@dataclass(frozen=True)
class Course:
    """What a trial takes from rung to rung, and from the last one to its end, as parts of a whole training.

    first_repeat: the last rung is the end of the first repeat, where a first wave is compared to itself.
    """

    steps: tuple[float, ...]
    first_repeat: bool = False

    @property
    def uncut(self) -> float:
        """What a trial takes that is never given up."""
        return round(sum(self.steps), 9)  # parts of one training add up to it

    def cost(self, reduction: int) -> float:
        """Return the part of a whole training that a trial takes, if 1/reduction of those at a rung go on."""
        return sum(step / reduction**n for n, step in enumerate(self.steps))

    def first_cost(self, trials: int, reduction: int) -> float:
        """Return how many whole trainings a first wave of so many trials takes, but for a default that goes on, too."""
        lost = trials - trials // reduction if self.first_repeat and trials >= reduction else 0
        return trials * self.uncut - lost * self.steps[-1]


def course_of(model: Any, wanted: str | Sequence[float], n_repeats: int) -> Course:
    """Return what trials of a model take."""
    shares = shares_of(model, wanted, n_repeats)
    ends_first = shares[-1:] == [FIRST_REPEAT]
    ends = [*(shares[:-1] if ends_first else shares), 1.0]
    steps = ends if _optional.begins_anew(model) else [end - begin for begin, end in pairwise([0.0, *ends])]
    if ends_first:
        return Course((*(step / n_repeats for step in steps), 1 - 1 / n_repeats), first_repeat=True)
    return Course(tuple(steps))


def rungs_for(shares: Sequence[float], seen: Sequence[Sequence[float]], reduction: int) -> tuple[Rung, ...]:
    """Return a rung for each share of the training.

    seen: of every earlier trial, in their order, its errors at the rungs it reached.
    """
    return tuple(
        Rung(share, limit_of([errors[place] for errors in seen if len(errors) > place][-RECENT:], reduction))
        for place, share in enumerate(shares)
    )


def wave_of(place: int, size: int, reduction: int) -> range:
    """Return the places of the wave that a trial belongs to: the first is small, since none came before it.

    It has 2 x reduction trials, of which the best 2 set the first limits; later ones double, up to `size`.
    """
    begin, width = 0, first_wave(size, reduction)
    while place >= begin + width:
        begin, width = begin + width, min(size, 2 * width)
    return range(begin, begin + width)


def first_wave(size: int, reduction: int) -> int:
    """Return how many trials there are to compare later ones to."""
    return min(size, 2 * reduction)


def n_trials(n_whole: float, wave: int, course: Course, reduction: int) -> int:
    """Return how many trials take as long as so many whole ones."""
    first = first_wave(wave, reduction)
    left = n_whole - course.first_cost(first, reduction)
    if left < 0:
        return max(0, int(n_whole / course.uncut))
    return first + int(left / course.cost(reduction))


def n_whole(trials: int, wave: int, course: Course, reduction: int) -> float:
    """Return how many whole trials take as long as so many of which some are given up."""
    first = first_wave(wave, reduction)
    if trials < first:
        return trials * course.uncut
    return course.first_cost(first, reduction) + (trials - first) * course.cost(reduction)


def limit_of(errors: Sequence[float], reduction: int) -> float:
    """Return the error that the best 1/reduction of these have at most; without so many there is no limit."""
    errors = [error for error in errors if math.isfinite(error)]
    n_kept = len(errors) // reduction
    return sorted(errors)[n_kept - 1] if n_kept else math.inf
