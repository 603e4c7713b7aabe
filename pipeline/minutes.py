"""Minutes are planned: what models and searches take, and how much of each recipe fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from pipeline.entries import TUNED
from pipeline.sharing import Claim, affordable, eased, rounded, share_out
from pipeline.tuning.halving import Course, course_of, first_wave, n_trials, n_whole

TUNING_SHARE = 1.0
"""Weight of tuning one model, beside the SHARE that each model's plug-in declares for training."""


@dataclass(frozen=True)
class Work:
    """A model to be trained: plug-in, recipe, the size of the table and of the work, and its weight beside others.

    passes: how often it is cross-fitted, twice where the first labels test rows for the second, and on pairs of folds
    where it is nested. refits: how often it is fitted once more on all rows, which is priced as one fold that trains on
    fewer.
    """

    plugin: Any
    recipe: Any
    size: Mapping[str, int]
    weight: float
    passes: float = 1.0
    refits: float = 0

    @property
    def seconds(self) -> float:
        """What its fits take."""
        return self._times * self._seconds(self.size["n_fits"])

    @property
    def _times(self) -> float:
        """How many cross-fits take as long as all of its fits."""
        return self.passes + self.refits * self._seconds(1) / max(self._seconds(self.size["n_fits"]), 1e-9)

    def _seconds(self, n_fits: int) -> float:
        return float(self.plugin.seconds(self.recipe, **{**self.size, "n_fits": n_fits}))

    @property
    def claim(self) -> Claim:
        """What it has a claim to."""
        return Claim(self.weight, min(self.within(0.0).seconds, self.seconds), self.seconds)

    def within(self, seconds: float) -> Work:
        """Return it with as much of its recipe as so many seconds allow."""
        if self.seconds <= seconds:
            return self
        return replace(self, recipe=self.plugin.affordable(self.recipe, seconds / 60 / self._times, **self.size))


@dataclass(frozen=True)
class Tuning:
    """A model to be tuned: the work around whose recipe trials are made, and how (the experiment's section tune)."""

    work: Work
    tune: Mapping[str, Any]
    repeats: int

    def around(self, work: Work) -> Tuning:
        """Return the same around another recipe."""
        return replace(self, work=work)

    @property
    def claim(self) -> Claim:
        """What it has a claim to: all trials, the test of the best one, and the fit of what was found."""
        return Claim(TUNING_SHARE, 0.0, self.seconds(self.tune["trials"]))

    def seconds(self, trials: int) -> float:
        """Return what so many trials and all that follows on them take."""
        if not trials:
            return 0.0
        return n_whole(trials, *self._rungs) * self._seconds_a_trial + self._seconds_afterwards

    def trials(self, seconds: float) -> int:
        """Return how many trials are made; those that are given up at a rung leave their time to others."""
        if self.claim.wanted <= seconds:
            return int(self.tune["trials"])
        whole = (seconds - self._seconds_afterwards) / self._seconds_a_trial
        found = min(n_trials(whole, *self._rungs), self.tune["trials"])
        return int(found) if found >= self.fewest else 0

    @property
    def fewest(self) -> int:
        """Trials that are made at least, or none: a first wave, since the first of it is nearly the default."""
        return min(first_wave(self.tune["wave"], self.tune["reduction"]), self.tune["trials"])

    @property
    def least(self) -> float:
        """What the least of the model and the fewest trials around it take together."""
        work = self.work.within(0.0)
        return work.seconds + self.around(work).seconds(self.fewest)

    @property
    def _rungs(self) -> tuple[int, Course, int]:
        course = course_of(self.work.plugin, self.tune["rungs"], self.tune["repeats"])
        return self.tune["wave"], course, self.tune["reduction"]

    @property
    def _seconds_a_trial(self) -> float:
        return replace(self._once, recipe=self.work.plugin.for_tuning(self.work.recipe)).seconds

    @property
    def _seconds_afterwards(self) -> float:
        """What the test takes, of the default and of what was found on fresh folds, and then the fit of one of them."""
        return 2 * self._once.seconds + self.work.seconds

    @property
    def _once(self) -> Work:
        """The work of one cross-fit on folds like those of the search."""
        n_fits = self.work.size["n_fits"] // self.repeats * self.tune["repeats"]
        return replace(self.work, size={**self.work.size, "n_fits": n_fits}, passes=1, refits=0)


def plan_of(
    seconds: float, works: Mapping[str, Work], tunings: Mapping[str, Tuning] = MappingProxyType({})
) -> tuple[dict[str, Work], dict[str, int]]:
    """Share so many seconds out: return every model's work, and the trials of those that are tuned.

    A model that is left out has none. Who needs more than its share to begin comes first, then who wants least for its
    weight: what one leaves of its share, or takes beyond it, the others have more or less. What is left in the end goes
    to those that were cut, then to those that were left out, then to trials. tunings: of those that are tuned. One that
    could not begin with all the time there is has no share, and its model none that is sure.
    """
    never = {name: 0 for name, tuning in tunings.items() if tuning.least > seconds}
    tunings = {name: tuning for name, tuning in tunings.items() if name not in never}
    claims = {name: eased(work.claim, seconds) for name, work in works.items()}
    claims |= {name + TUNED: tuning.claim for name, tuning in tunings.items()}
    left = {name: claims[name] for name in affordable(seconds, claims, must=[*tunings, *(n + TUNED for n in tunings)])}
    plan: dict[str, Work] = {}
    trials: dict[str, int] = never
    shares = share_out(seconds, left)

    def turn(name: str) -> tuple[bool, bool, float]:
        claim = claims[name]
        return name not in works, shares[name] >= claim.least, claim.wanted / max(claim.weight, 1e-9)

    for name in sorted(left, key=turn):
        share = share_out(seconds, left)[name]
        if name in works:
            plan[name] = works[name].within(rounded(claims[name], share))
            seconds -= plan[name].seconds
        else:
            model = name.removesuffix(TUNED)
            tuning = tunings[model].around(plan[model])
            trials[model] = tuning.trials(share)
            seconds -= tuning.seconds(trials[model])
        del left[name]
    seconds = _enlarge(plan, works, tunings, trials, seconds)
    seconds = _enlarge(plan, works, tunings, trials, _take_in(plan, works, seconds))
    for name in tunings:
        tuning = tunings[name].around(plan[name])
        spent = tuning.seconds(trials[name])
        trials[name] = max(trials[name], tuning.trials(spent + seconds))
        seconds -= tuning.seconds(trials[name]) - spent
    return plan, trials


def _take_in(plan: dict[str, Work], works: Mapping[str, Work], seconds: float) -> float:
    """Add the least of what was left out to the plan as far as it fits; return the seconds that are left then."""
    out = [name for name in works if name not in plan]
    for name in sorted(out, key=lambda name: works[name].claim.least / max(works[name].weight, 1e-9)):
        if works[name].claim.least <= seconds:
            plan[name] = works[name].within(works[name].claim.least)
            seconds -= plan[name].seconds
    return seconds


def _enlarge(
    plan: dict[str, Work],
    works: Mapping[str, Work],
    tunings: Mapping[str, Tuning],
    trials: Mapping[str, int],
    seconds: float,
) -> float:
    """Give what is left to whom the plan has cut, those of most weight first; return the seconds that are left then.

    The trials of those that are tuned take longer with a larger recipe, too.
    """
    for name in sorted(plan, key=lambda name: -works[name].weight):
        more = works[name].within(plan[name].seconds + max(seconds, 0.0))
        dearer = more.seconds - plan[name].seconds
        if name in tunings:
            small, large = (tunings[name].around(work).seconds(trials[name]) for work in (plan[name], more))
            dearer += large - small
        # the same seconds, divided and multiplied, may be too few for the same
        if more.seconds > plan[name].seconds and dearer <= max(seconds, 0.0):
            seconds -= dearer
            plan[name] = more
    return seconds
