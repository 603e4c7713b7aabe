"""Greedy ensemble selection with replacement: add, step by step, the entry that helps the metric most.

Source: Caruana, Niculescu-Mizil, Crew and Ksikes 2004, "Ensemble selection from libraries of models", bagging of the
library included. To select from those alone that are best by themselves (Caruana, Munson and Niculescu-Mizil 2006,
"Getting the most out of ensemble selection") was worse on held-out rows: of 120 random models the best 50 by .34 ± .13
%, the best ten by .97 ± .33 % (1,500 rows each of four data sets, ten draws in all).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.blenders._objective import candidate_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.blenders._combination import Combination
    from pipeline.blenders._objective import Errors
    from pipeline.blenders._seen import Seen

ROUNDING = 1e-12
"""Share of an error within which two are equal."""

SMALLEST_BAG = 5
"""Entries in a bag, where there are so many; a bag of one would be given its weight unseen."""


class Options(BaseModel):
    """How long to select, and how much to guard against selecting by luck.

    Bagging and 25 steps were a little better, out of fold, than 10 to 100 steps alone on House Prices (RMSLE
    0.1153 against 0.1157 with twelve of AutoGluon's models), and no worse elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(25, ge=1, description="selections in one bag; the weights are multiples of 1 / steps or coarser")
    bags: int = Field(10, ge=1, description="selections from random parts of the library, whose weights are averaged")
    bag_share: float = Field(0.5, gt=0.0, le=1.0, description="share of the entries in a bag, where there are several")
    max_rows: int = Field(20_000, ge=100, description="rows that a metric without a closed form is computed on")


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:
    """Return weights (n_entries,), at least 0 and summing to 1.

    Where the metric is undefined on the rows (AUC of one class), the weights are equal within each bag.
    """
    return fit_without(seen, [], seed=seed, options=options)[0].weights


def fit_without(seen: Seen, left_out: Sequence[np.ndarray], *, seed: int, options: Options) -> list[Combination]:
    """Return what is fitted on all entries, then on all but each of some sets of positions, by the same bags."""
    from pipeline.blenders._combination import Combination

    rng = np.random.default_rng(seed)
    errors = candidate_errors(seen, max_rows=options.max_rows, rng=rng)
    bags = _bags(seen.oof.shape[1], errors, options, rng)
    changed = ([bag.without(left, errors, options.steps) for bag in bags] for left in left_out)
    return [Combination(_average(own)) for own in (bags, *changed)]


@dataclass(frozen=True)
class Bag:
    """A part of the library, and what is selected from it.

    order (n_entries,): all positions, those of the bag first. size: how many are in it. steps: the entry that each
    step of the selection added, and the error with it; none where the metric is undefined.
    """

    order: np.ndarray
    size: int
    steps: list[tuple[int, float]]

    @property
    def share(self) -> np.ndarray:
        """How often each entry is in the best prefix of the selection, as parts of 1."""
        best, lowest = 0, np.inf
        for length, (_, error) in enumerate(self.steps, start=1):
            if error < lowest and not math.isclose(error, lowest, rel_tol=ROUNDING):
                best, lowest = length, error
        taken = [entry for entry, _ in self.steps[:best]] or self.order[: self.size]
        return np.asarray(np.bincount(taken, minlength=len(self.order)) / len(taken))

    def without(self, left: np.ndarray, errors: Errors, n_steps: int) -> Bag:
        """Return it without some entries: itself where none of them was taken, else selected anew from that step on.

        Where too few are left, others take their place, and all steps are made anew.
        """
        taken = [place for place, (entry, _) in enumerate(self.steps) if entry in left]
        gone = int(np.isin(self.order[: self.size], left).sum())
        if not taken and (self.steps or not gone):
            return self
        order = self.order[~np.isin(self.order, left)]
        size = max(self.size - gone, min(SMALLEST_BAG, len(order)))
        begun = self.steps[: taken[0]] if taken and size == self.size - gone else []
        return Bag(np.append(order, left), size, _select(errors, order[:size], len(self.order), n_steps, begun))


def _bags(n_entries: int, errors: Errors, options: Options, rng: np.random.Generator) -> list[Bag]:
    """Draw bags, and select from each."""
    size = n_entries if options.bags == 1 else min(max(round(options.bag_share * n_entries), SMALLEST_BAG), n_entries)
    bags = []
    for _ in range(options.bags):
        order = rng.permutation(n_entries)
        bags.append(Bag(order, size, _select(errors, order[:size], n_entries, options.steps, [])))
    return bags


def _select(
    errors: Errors, bag: np.ndarray, n_entries: int, n_steps: int, begun: Sequence[tuple[int, float]]
) -> list[tuple[int, float]]:
    """Return the steps of a selection from some entries (positions) that has begun with these steps."""
    steps = list(begun)
    counts = np.bincount([entry for entry, _ in steps], minlength=n_entries)
    allowed = np.full(n_entries, False)
    allowed[bag] = True
    while len(steps) < n_steps:
        candidates = np.full(n_entries, np.inf)
        candidates[allowed] = np.nan_to_num(errors(counts, allowed), nan=np.inf)
        chosen = _lowest(candidates, counts)
        if not np.isfinite(candidates[chosen]):
            return []
        counts[chosen] += 1
        steps.append((chosen, float(candidates[chosen])))
    return steps


def _average(bags: Sequence[Bag]) -> np.ndarray:
    """Return the mean (n_entries,) of what the bags weigh."""
    weights = np.mean([bag.share for bag in bags], axis=0)
    return np.asarray(weights / weights.sum())


def _lowest(candidates: np.ndarray, counts: np.ndarray) -> int:
    """Return the candidate of lowest error; of equals one that was chosen before, then the first."""
    lowest = candidates.min()
    tied = candidates <= lowest + ROUNDING * abs(lowest)
    if (tied & (counts > 0)).any():
        tied &= counts > 0
    return int(np.flatnonzero(tied)[0])
