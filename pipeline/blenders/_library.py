"""The library of out-of-fold predictions, and blends of it that no row's own label has touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.apart import rows_apart
from pipeline.blenders._blend import Blend, Blends, calibrate
from pipeline.blenders._blender import Blender
from pipeline.blenders._combination import Combination
from pipeline.blenders._decision import fit_decision
from pipeline.blenders._isotonic import Curves, fit_curves
from pipeline.blenders._ranks import fit_quantiles
from pipeline.blenders._seen import Seen
from pipeline.blenders._shift import fit_shift
from pipeline.blenders._temperature import fit_temperature, temper
from pipeline.errors import ConfigError
from pipeline.metrics import rmse
from pipeline.nested.rounds import meetings, rounds
from pipeline.seeds import derive
from pipeline.types import CrossFit, Folds, Metric


@dataclass(frozen=True)
class Library:
    """The candidates' predictions side by side, in the space in which they are averaged.

    oof (n_repeats, n_train, n_entries, n_outputs), NaN where no fold validates the row; test (n_test,
    n_entries, n_outputs); apart (n_models, n_rows_apart, n_entries, n_outputs), see CrossFit, of entries that do not
    know it what they predict together; target (n_train,) values or class codes, (n_train, n_targets) of several, each
    of which is blended by itself; metric of what is averaged. logs: the
    arrays hold log(1 + value), in which RMSLE is a plain RMSE. isotonic: a blend's probabilities follow curves, too.
    nested (n_repeats * n_rounds, n_train, n_entries, n_outputs): what the models of pairs of folds predict, round by
    round (pipeline/nested), or None; NaN for rows whose fold rests. Entries without such say nothing there: 0, or all
    classes alike; a nested blender may not use them.
    """

    names: tuple[str, ...]
    oof: np.ndarray
    test: np.ndarray
    target: np.ndarray
    metric: Metric
    folds: Folds
    logs: bool
    apart: np.ndarray
    isotonic: bool = False
    nested: np.ndarray | None = None

    @property
    def of_classes(self) -> bool:
        """Whether the predictions are probabilities."""
        return self.oof.shape[3] > 1 and self.target.ndim == 1

    @property
    def targets(self) -> list[Library]:
        """A library for each of several targets; this one alone where there is one."""
        if self.target.ndim == 1:
            return [self]
        return [self._of_target(place) for place in range(self.target.shape[1])]

    def _of_target(self, place: int) -> Library:
        own = slice(place, place + 1)
        parts = {name: getattr(self, name)[..., own] for name in ("oof", "test", "apart")}
        nested = None if self.nested is None else self.nested[..., own]
        return replace(self, target=self.target[:, place], nested=nested, **parts)

    @cached_property
    def parts(self) -> np.ndarray:
        """(n_repeats, n_train): a row's fold; -1 where uncovered."""
        return self.folds.valid_fold

    @property
    def together(self) -> np.ndarray:
        """(n_rows_apart, n_entries, n_outputs): what is submitted of the rows that `apart` is about."""
        return self.test[rows_apart(len(self.test))]

    def only(self, name: str) -> Library:
        """Return a library of one entry, which is what an experiment without the others would have."""
        place = [self.names.index(name)]
        oof, test, apart = self.oof[:, :, place], self.test[:, place], self.apart[:, :, place]
        return replace(self, names=(name,), oof=oof, test=test, apart=apart, nested=None)

    def fit(self, blender: Blender, seed: int) -> Blend | Blends:
        """Fit a blend, one for each target, on all rows that any repeat covers."""
        found = tuple(own._fit_whole(blender, seed) for own in self.targets)
        return found[0] if self.target.ndim == 1 else Blends(found)

    def _fit_whole(self, blender: Blender, seed: int) -> Blend:
        """Fit a blend of one target; a row's part is that of the first repeat that covers it."""
        first = (self.parts >= 0).argmax(axis=0)
        return next(self._blends(blender, *self._see(self.parts[first, np.arange(len(first))]), seed))

    def cross_fit(self, blenders: Sequence[Blender], seed: int, advance: Callable[[], None]) -> list[np.ndarray]:
        """Return cross-fitted values (n_repeats, n_train, n_outputs), NaN where uncovered.

        One for each blender, after it one for each set of entries that it is also fitted without.
        """
        found = [own._cross_fit(blenders, seed, advance) for own in self.targets]
        return [np.concatenate(parts, axis=2) for parts in zip(*found, strict=True)]

    def _cross_fit(self, blenders: Sequence[Blender], seed: int, advance: Callable[[], None]) -> list[np.ndarray]:
        """Return the same for one target.

        The rows of each part of a repeat are blended as fitted on the rows of its other parts, in every repeat: a row
        that is judged is seen in none. A nested blender is fitted on those of the repeat alone, as models predict them
        that have not seen it either. All that a blender chooses is chosen for each part anew. advance: called once a
        fit.
        """
        n_repeats, n_rows, _, n_outputs = self.oof.shape
        blended = [np.full((1 + len(b.left_out), n_repeats, n_rows, n_outputs), np.nan) for b in blenders]
        views = {False: self._see_others, True: self._see_nested}
        for repeat, number, rows in self._judged():
            part_seed = derive(seed, repeat, number)
            for nested in sorted({blender.nested for blender in blenders}):
                seen, base = views[nested](repeat, number)
                held = calibrate(self.oof[repeat, rows], base.temperatures, base.bounds)
                for blender, values in zip(blenders, blended, strict=True):
                    if blender.nested == nested:
                        for place, blend in enumerate(self._blends(blender, seen, base, part_seed)):
                            values[place, repeat, rows] = blend.of_calibrated(held)
                            advance()
        return [own for values in blended for own in values]

    @property
    def n_parts(self) -> int:
        """How many times `cross_fit` fits each blender."""
        return len(list(self._judged())) * len(self.targets)

    def _judged(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield every repeat and part with its rows."""
        for repeat, part in enumerate(self.parts):
            for number in range(part.max() + 1):
                yield repeat, number, np.flatnonzero(part == number)

    def _see_others(self, repeat: int, number: int) -> tuple[Seen, Blend]:
        """Return what may be seen where a part of a repeat is judged: the rows of its others, in every repeat."""
        return self._see(np.where(self.parts[repeat] == number, -1, self.parts[repeat]))

    def _see_nested(self, repeat: int, number: int) -> tuple[Seen, Blend]:
        """Return the rows of a repeat's other folds as the models predict them that have seen no label of the part.

        These are the models of pairs: of the row's own fold, and of the one that is judged.
        """
        if self.nested is None:
            raise ValueError("a nested blender is judged on nested predictions, but the library has none")
        part, n_folds = self.parts[repeat], self.folds.n_folds
        oof = np.full(self.oof.shape[1:], np.nan)
        for other, n_round in meetings(n_folds, number):
            oof[part == other] = self.nested[repeat * len(rounds(n_folds)) + n_round, part == other]
        rows = np.flatnonzero((part >= 0) & (part != number))
        return self._calibrated(oof[rows], rows, part[rows])

    def _see(self, part: np.ndarray) -> tuple[Seen, Blend]:
        """Return the rows whose part (n_train,) is not -1, in every repeat that covers them."""
        repeats, rows = np.nonzero(self.folds.covered & (part >= 0))
        return self._calibrated(self.oof[repeats, rows], rows, part[rows])

    def _calibrated(self, oof: np.ndarray, rows: np.ndarray, part: np.ndarray) -> tuple[Seen, Blend]:
        """Return rows with calibrated predictions, and equal weights that know how that is done.

        A value beyond all targets seen is extrapolated, mostly by a linear model, and mostly wrong: it is cut to their
        range (House Prices, sixteen entries, equal weights: RMSLE 0.1147, uncut 0.1150); not in time, where a trend may
        lead beyond it.
        """
        n_entries, target = len(self.names), self.target[rows]
        temperatures, bounds = np.ones(n_entries), None
        if self.of_classes:
            temperatures = np.array([fit_temperature(entry, target) for entry in np.moveaxis(oof, 1, 0)])
        elif self.folds.kind != "time":
            bounds = float(target.min()), float(target.max())
        base = Blend(np.full(n_entries, 1 / n_entries), temperatures, logs=self.logs, bounds=bounds)
        return Seen.of(calibrate(oof, temperatures, bounds), target, self.metric, part, rows), base

    def _blends(self, blender: Blender, seen: Seen, base: Blend, seed: int) -> Iterator[Blend]:
        """Yield what a blender fits, then what it fits without each set; what weighs the same is finished once."""
        base = replace(base, quantiles=fit_quantiles(seen.oof) if blender.averages_ranks else None)
        finished: dict[tuple[bytes, bytes], Blend] = {}
        for found in blender.fits(seen, seed):
            if found.key not in finished:
                finished[found.key] = self._finished(found, seen, base)
            yield finished[found.key]

    def _finished(self, found: Combination, seen: Seen, base: Blend) -> Blend:
        blend = replace(base, weights=found.weights, offset=found.offset)
        if not self.of_classes:
            return replace(blend, shift=fit_shift(blend.of_calibrated(seen.oof), seen.target, self.metric))
        shares = blend.average(seen.oof)
        last = fit_temperature(shares, seen.target)
        tempered = temper(shares, last)
        curves = fit_curves(tempered, seen.target) if self.isotonic else Curves()
        decision = fit_decision(curves.apply(tempered), seen.target, self.metric)
        return replace(blend, last_temperature=last, curves=curves, decision=decision)


def build_library(
    entries: Mapping[str, CrossFit],
    target: np.ndarray,
    metric: Metric,
    folds: Folds,
    nested: Mapping[str, CrossFit] | None = None,
) -> Library:
    """Put every entry that is not a reference beside the others; nothing to blend is a ConfigError.

    nested: what models of pairs of folds predict, of some of the entries or more, if anything was nested. For rmsle
    log(1 + value) is averaged, which is what the metric compares; elsewhere the predictions as they are.
    """
    candidates = {name: entry for name, entry in entries.items() if not entry.reference}
    if not candidates:
        raise ConfigError(
            f"there is nothing to blend: found {len(entries)} entries, none of them a candidate",
            hint="add a [models.<name>] section to the experiment",
        )
    oof = np.stack([entry.oof for entry in candidates.values()], axis=2)
    test = np.stack([entry.test for entry in candidates.values()], axis=1)
    n_models = max((len(e.apart) for e in candidates.values() if e.apart is not None), default=1)
    apart = np.stack([_apart(entry, n_models) for entry in candidates.values()], axis=2)
    pairs = _nested(candidates, nested) if nested else None
    logs = metric.name == "rmsle"
    if logs:
        oof, test, apart = map(in_logs, (oof, test, apart))
        pairs = None if pairs is None else in_logs(pairs)
        target, metric = np.log1p(target), Metric.from_module(rmse)
    return Library(tuple(candidates), oof, test, target, metric, folds, logs, apart, nested=pairs)


def _nested(candidates: Mapping[str, CrossFit], nested: Mapping[str, CrossFit]) -> np.ndarray:
    some = next(iter(nested.values())).oof
    nothing = np.full_like(some, 0.0 if some.shape[2] == 1 else 1.0 / some.shape[2])
    return np.stack([nested[name].oof if name in nested else nothing for name in candidates], axis=2)


def _apart(entry: CrossFit, n_models: int) -> np.ndarray:
    if entry.apart is not None and len(entry.apart) == n_models:
        return entry.apart.astype(np.float64)
    return np.repeat(entry.test[None, rows_apart(len(entry.test))], n_models, axis=0)


def in_logs(values: np.ndarray) -> np.ndarray:
    """Return log(1 + value); RMSLE counts a negative value as 0."""
    return np.asarray(np.log1p(np.maximum(values, 0.0)))
