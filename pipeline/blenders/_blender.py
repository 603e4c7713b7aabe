"""A blender plug-in as an experiment wants it, and what it fits with all entries and without some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, cast

import numpy as np

from pipeline.blenders._combination import Combination
from pipeline.blenders._seen import Seen


@dataclass(frozen=True)
class Blender:
    """A plug-in with its validated options. among: positions of the entries that it may use, None for all.

    left_out: sets of positions; what it would be without each of them is wanted as well.
    """

    module: ModuleType
    options: Any
    among: np.ndarray | None = None
    left_out: Sequence[np.ndarray] = ()

    @property
    def averages_ranks(self) -> bool:
        """Whether its weights are meant for ranks."""
        return getattr(self.module, "AVERAGES", "values") == "ranks"

    @property
    def nested(self) -> bool:
        """Whether it is judged on predictions whose models have seen no label of the rows that judge it."""
        return getattr(self.options, "nested", False)

    def names(self, names: Sequence[str]) -> list[str]:
        """Return those of the library's names that it may use."""
        return list(names) if self.among is None else [names[place] for place in self.among]

    def fit(self, seen: Seen, seed: int) -> Combination:
        """Return what is fitted with all entries that it may use; others have weight 0."""
        return replace(self, left_out=()).fits(seen, seed)[0]

    def fits(self, seen: Seen, seed: int) -> list[Combination]:
        """Return the same, then what is fitted without each set.

        By the plug-in's `fit_without`, if it has one, which need not fit for each set what is the same for all.
        """
        n_entries = seen.oof.shape[1]
        among = np.arange(n_entries) if self.among is None else self.among
        left_out = [np.flatnonzero(np.isin(among, left)) for left in self.left_out]
        found = self._fits(seen if self.among is None else seen.only(among), left_out, seed)
        return [own.placed(among, n_entries) for own in found]

    def _fits(self, seen: Seen, left_out: Sequence[np.ndarray], seed: int) -> list[Combination]:
        if hasattr(self.module, "fit_without"):
            return cast("list[Combination]", self.module.fit_without(seen, left_out, seed=seed, options=self.options))
        n_entries = seen.oof.shape[1]
        kept = [np.delete(np.arange(n_entries), left) for left in left_out]
        others = [self._fit(seen.only(entries), seed).placed(entries, n_entries) for entries in kept]
        return [self._fit(seen, seed), *others]

    def _fit(self, seen: Seen, seed: int) -> Combination:
        if hasattr(self.module, "fit_combination"):
            return cast("Combination", self.module.fit_combination(seen, seed=seed, options=self.options))
        return Combination(np.asarray(self.module.fit_weights(seen, seed=seed, options=self.options)))
