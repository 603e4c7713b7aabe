"""What all plans of networks are fitted on: a table, its folds, and what these have in common once encoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.models import _network_pairs as paired
from pipeline.models._network_fold import Cut, Encoding, Fold, Key, encode_folds
from pipeline.models._network_plan import Part, Plan
from pipeline.seeds import derive
from pipeline.types import Folds, Rung, Table


@dataclass(frozen=True)
class Case:
    """What all plans are fitted on; progress: a folder for what a killed run goes on from, if there is one.

    encoded: folds that groups of plans have in common. at_once: groups that train side by side, each in `threads`.
    """

    table: Table
    folds: Folds
    seed: int
    progress: Path | None
    rungs: tuple[Rung, ...] = ()
    encoded: dict[tuple, dict[Key, Fold]] = field(default_factory=dict)
    at_once: int = 1
    threads: int = 1

    def encode(self, plan: Plan, part: Part) -> dict[Key, Fold]:
        """Fit a plan's encoding in every fold, on its training rows or the inner ones of them, or in pairs of folds."""
        n_different = self.n_different(plan, part)
        how = (part, Encoding(plan.encode, plan.target, plan.overshoot), n_different)
        if how not in self.encoded:
            keys = [key for number in range(n_different) for key in self.keys(part, number)]
            self.encoded[how] = encode_folds(how[1], self.table, {key: self._cut(part, key) for key in keys})
        return self.encoded[how]

    def n_different(self, plan: Plan, part: Part) -> int:
        """Return how many numbers of networks have rows of their own: the others learn from those of one before."""
        return paired.n_different(self.folds, plan.n_seeds) if part == "pairs" else 1

    def keys(self, part: Part, number: int) -> list[Key]:
        """Return what the networks of this number are of: the folds, or pairs of them."""
        return paired.pairs(self.folds, number) if part == "pairs" else list(self.folds)

    def _cut(self, part: Part, key: Key) -> Cut:
        if part == "pairs":
            return paired.cut(self.folds, key, self.seed)
        rows = self.folds.train_rows if part == "train" else self.folds.inner_rows
        return Cut(rows(*key), self.folds.valid_rows(*key), derive(self.seed, "encode", *key))

    def stops(self, plan: Plan, part: Part, key: Key) -> list[np.ndarray]:
        """Return the sets of rows that choose an epoch; of a pair first those that choose for its first fold."""
        if part == "pairs":
            return paired.stops(self.folds, key)
        if part == "inner":
            return [self.folds.stop_rows(*key)]
        return [self.folds.valid_rows(*key)] if plan.stop_on == "fold" else []

    def forget(self, part: Part) -> None:
        """Drop encodings that are done with: each is as large as the table, or more."""
        for how in [how for how in self.encoded if how[0] == part]:
            del self.encoded[how]
