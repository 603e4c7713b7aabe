"""Rungs: epochs at which groups of members are compared with a limit; a group above it leaves the batch for good.

A limit is a number known before training starts, so that whoever shares the batch, the order of the queue and the
number of devices decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from pipeline.core.members import Trained


@dataclass(frozen=True)
class Rungs:
    """epochs (n,): ascending. limits (n,): the largest mean error with which a group goes on. groups: one a member.

    measure: the error of a member, by its place, with the weights that it has so far.
    """

    epochs: tuple[int, ...]
    limits: tuple[float, ...]
    groups: Sequence[int]
    measure: Callable[[int, Trained], float]

    @property
    def plan(self) -> str:
        """What decides the outcome, for a checkpoint's name."""
        return repr((self.epochs, self.limits, list(self.groups)))


NONE = Rungs((), (), (), lambda _, __: math.nan)


class Reports:
    """The errors that members have shown at their rungs, on all devices."""

    def __init__(self, rungs: Rungs) -> None:
        self.rungs = rungs
        self.errors: dict[int, list[float]] = {}
        self._lock = Lock()

    def due(self, place: int, epoch: float) -> bool:
        """Say whether a member that has done so many epochs has a rung to report."""
        return len(self.errors.get(place, ())) < self._n_reached(epoch)

    def report(self, members: Mapping[int, Trained], *, ended: Collection[int]) -> None:
        """Write down the errors of members that stand at a rung; who has ended shows the same at all later ones."""
        found = {place: self.rungs.measure(place, member) for place, member in members.items()}
        with self._lock:
            for place, error in found.items():
                own = self.errors.setdefault(place, [])
                n_epochs = len(members[place].losses)
                own += [error] * ((len(self.rungs.epochs) if place in ended else self._n_reached(n_epochs)) - len(own))

    def _n_reached(self, n_epochs: float) -> int:
        return sum(epoch <= n_epochs for epoch in self.rungs.epochs)

    def of(self, places: Collection[int]) -> dict[int, list[float]]:
        """Return what these members have reported."""
        with self._lock:
            return {place: list(own) for place, own in self.errors.items() if place in places}

    def restore(self, errors: Mapping[int, list[float]]) -> None:
        """Take what an earlier run had written down."""
        with self._lock:
            self.errors |= {place: list(own) for place, own in errors.items()}

    def left(self) -> set[int]:
        """Return the places of all members whose group has a mean error above a limit."""
        with self._lock:
            lost = {group for group, means in self._means().items() if self._n_passed(means) < len(means)}
        return {place for place, group in enumerate(self.rungs.groups) if group in lost}

    def told(self, members: Sequence[Trained]) -> list[Trained]:
        """Return all members with the mean errors of their groups, up to the rung at which a group left."""
        if not self.rungs.epochs:
            return list(members)
        means, out = self._means(), []
        for member, group in zip(members, self.rungs.groups, strict=True):
            passed = self._n_passed(means[group])
            left = passed < len(means[group])
            out.append(replace(member, rungs=tuple(means[group][: passed + 1]), left=left))
        return out

    def _means(self) -> dict[int, list[float]]:
        """Return each group's mean errors at the rungs that all of its members have reported."""
        members: dict[int, list[list[float]]] = {}
        for place, group in enumerate(self.rungs.groups):
            members.setdefault(group, []).append(self.errors.get(place, []))
        # strict=False: the shortest list ends what all have reported
        return {group: [float(np.mean(rung)) for rung in zip(*lists, strict=False)] for group, lists in members.items()}

    def _n_passed(self, means: Sequence[float]) -> int:
        """Return at how many rungs in a row the mean is not above the limit; NaN is above every limit."""
        within = [mean <= limit for mean, limit in zip(means, self.rungs.limits, strict=False)]
        return within.index(False) if False in within else len(within)
