"""Cross-fit a model that knows only how to learn rows and to predict rows: a loop over recipes and folds.

What such a plug-in gives is a `Kind`; the rest (stopping, the target's transform, what is kept) is the same for all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from pipeline.apart import keep_apart
from pipeline.entries import UNWEIGHED
from pipeline.files import read_json, write_json
from pipeline.log import Log
from pipeline.models import _targets
from pipeline.models._inner import chosen
from pipeline.models._refusals import refused
from pipeline.models._unfit import unfit
from pipeline.models._unseen import of_unseen, to_shares
from pipeline.seeds import derive
from pipeline.spread import Spread, Unit
from pipeline.targets import alone
from pipeline.transforms.target import TargetTransform, fit_target
from pipeline.types import CrossFit, Fitted, Folds, Rung, Table, Task

Key = tuple[int, int]  # repeat, fold
Made = TypeVar("Made")

LATE = "not begun: time was up"


@dataclass(frozen=True)
class LabelledRows:
    """X (n, d): float64 and category columns. y (n,): class codes, or the target on the scale that is learnt.

    weight (n,): what each row counts, 1 on average; None where all count the same.
    """

    X: pd.DataFrame
    y: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Lesson:
    """What one fit is given.

    stop: rows that choose the number of rounds, or judge settings, if any. rounds, setting: what they chose; they may
    have chosen another recipe, too.
    """

    recipe: Any
    task: Task
    train: LabelledRows
    stop: LabelledRows | None
    seed: int
    rounds: int | None = None
    setting: Any = None


@dataclass(frozen=True)
class Learnt:
    """A library's model, how many rounds (trees) it has, and its loss on the stopping rows where there are any."""

    model: Any
    rounds: float = math.nan
    loss: float = math.nan


@dataclass(frozen=True)
class Kind:
    """A library: its package's name, and four verbs; two more where a setting is chosen inside the fold.

    predict, of a model, X and the number of outputs, returns values (n,), probabilities (n, n_classes), or, of two
    classes, that of the second (n,). settings: of a recipe, what there is to choose from; judge: of a lesson, the loss
    of each of them, summed over the stopping rows. weighs: rows' weights are taken into account.
    """

    package: str
    learn: Callable[[Lesson], Learnt]
    predict: Callable[[Any, pd.DataFrame, int], np.ndarray]
    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]
    settings: Callable[[Any], Sequence[Any]] | None = None
    judge: Callable[[Lesson], np.ndarray] | None = None
    weighs: bool = True


@dataclass(frozen=True)
class FoldFit:
    """One fold's models, one a seed, with what they need to predict new rows: columns, levels, the target's transform.

    Their predictions are averaged: of classes as probabilities, of values before the target's transform is undone.
    unseen (n_classes,): the least probability of each class that the fold's rows lack, 0 of others.
    """

    kind: Kind
    models: tuple[Any, ...]
    levels: Mapping[str, list[str] | None]
    target: TargetTransform | None
    n_outputs: int
    unseen: tuple[float, ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, 1) or probabilities (n, n_classes)."""
        if len(rows) == 0:  # libraries refuse an empty table
            return self._predict(pd.DataFrame({name: [math.nan] for name in self.levels}))[:0]
        return self._predict(rows)

    def _predict(self, rows: pd.DataFrame) -> np.ndarray:
        typed = {
            name: rows[name].astype("float64" if levels is None else pd.CategoricalDtype(levels))
            for name, levels in self.levels.items()
        }
        X = _numbered(pd.DataFrame(typed))
        each = [np.asarray(self.kind.predict(own, X, self.n_outputs), dtype=np.float64) for own in self.models]
        found = np.mean(each, axis=0)
        if self.target is not None:
            return self.target.inverse(found)[:, None]
        found = np.column_stack([1 - found, found]) if found.ndim == 1 else found
        return to_shares(found, self.unseen)

    def save(self, folder: Path) -> None:
        """Write columns.json, and the models in their library's own format, the second and later in folders."""
        target = self.target.to_dict() if self.target else None
        columns = {"levels": list(self.levels.items()), "target": target, "n_outputs": self.n_outputs}
        write_json(folder / "columns.json", columns | {"n_seeds": len(self.models), "unseen": list(self.unseen)})
        for own, place in zip(self.models, _places(folder, len(self.models)), strict=True):
            place.mkdir(exist_ok=True)
            self.kind.write(own, place)


def load(kind: Kind, folder: Path) -> Fitted:
    """Read what `FoldFit.save` wrote, of one target or of several."""
    return _targets.load(folder, partial(_load, kind))


def _load(kind: Kind, folder: Path) -> FoldFit:
    stored = read_json(folder / "columns.json")
    target = TargetTransform.from_dict(stored["target"]) if stored["target"] else None
    models = tuple(kind.read(place) for place in _places(folder, stored["n_seeds"]))
    return FoldFit(kind, models, dict(stored["levels"]), target, stored["n_outputs"], tuple(stored["unseen"]))


def _places(folder: Path, n_seeds: int) -> list[Path]:
    return [folder if number == 0 else folder / f"seed-{number}" for number in range(n_seeds)]


@dataclass(frozen=True)
class Case:
    """What is to be fitted: every recipe on every fold, but for those that are given up at a rung."""

    kind: Kind
    recipes: Mapping[str, Any]
    table: Table
    folds: Folds
    seed: int
    rungs: tuple[Rung, ...] = ()


@dataclass(frozen=True)
class Part:
    """One fold's model, None where it was let go, and what it predicts: valid (n_valid, n_outputs), test likewise."""

    fit: Fitted | None
    rounds: float
    valid: np.ndarray
    test: np.ndarray
    error: float
    seconds: float


def cross_fit(case: Case, log: Log, spread: Spread) -> dict[str, CrossFit]:
    """Fit every recipe on every fold; once time is up the recipes that are left are not begun, and none is left half.

    A fold that fails is the end of its recipe. At a rung the recipes are fitted `shortened`, and judged by all folds;
    those that go on begin anew, so that they end as they would have without rungs.
    """
    going, failed = dict(case.recipes), dict[str, str]()
    shown: dict[str, tuple[float, ...]] = dict.fromkeys(case.recipes, ())
    for rung in case.rungs:
        short = {name: recipe.shortened(rung.share) for name, recipe in going.items()}
        errors, why = _on_every_fold(
            _judge_fold, replace(case, recipes=short), f"{rung.share:.0%} of a fit", log, spread
        )
        failed |= why
        shown |= {name: (*shown[name], float(np.mean(list(own.values())))) for name, own in errors.items()}
        going = {name: going[name] for name in errors if shown[name][-1] <= rung.limit}
    parts, why = _on_every_fold(_fit_fold, replace(case, recipes=going), "fit", log, spread)
    failed |= why
    entries = {name: _entry(case, name, own) for name, own in parts.items()}
    entries |= {name: _unfit(case, name, failed.get(name)) for name in case.recipes if name not in entries}
    return {name: replace(entries[name], rungs=shown[name]) for name in case.recipes}


def _on_every_fold(
    function: Unit, case: Case, doing: str, log: Log, spread: Spread
) -> tuple[dict[str, dict[Key, Any]], dict[str, str]]:
    """Return what a function makes of each recipe's folds, and of recipes of which it made nothing, why."""
    made: dict[str, dict[Key, Any]] = {name: {} for name in case.recipes}
    failed: dict[str, str] = {}
    if not made:
        return {}, {}

    def units() -> Iterator[tuple[str, Key]]:
        for number, name in enumerate(case.recipes):
            if number and log.late():
                failed[name] = LATE
            yield from ((name, key) for key in case.folds if name not in failed)

    text = ", ".join(case.recipes) if len(case.recipes) < 4 else f"{len(case.recipes)} recipes"
    with log.progress(f"{text}: {doing}", len(case.recipes) * case.folds.n_repeats * case.folds.n_folds) as bar:
        for name, key, found in spread(function, case, units(), log):
            bar.advance(1)
            if isinstance(found, str):
                failed.setdefault(name, found)
            else:
                made[name][key] = found
    return {name: own for name, own in made.items() if name not in failed}, failed


def _fit_fold(case: Case, unit: tuple[str, Key], log: Log) -> tuple[str, Key, Part | str]:  # noqa: ARG001 - says nothing
    """Fit one recipe on one fold and predict; where that fails, say why."""
    return *unit, _tried(_part, case, *unit)


def _judge_fold(case: Case, unit: tuple[str, Key], log: Log) -> tuple[str, Key, float | str]:  # noqa: ARG001
    """Fit one recipe on one fold and return its error; where that fails, say why."""
    return *unit, _tried(_error, case, *unit)


def _tried(make: Callable[[Case, str, Key], Made | str], case: Case, name: str, key: Key) -> Made | str:
    try:
        return make(case, name, key)
    except Exception as mistake:
        if not refused(case.kind.package, mistake):
            raise
        return f"{case.kind.package}: {str(mistake).splitlines()[0]}"


def _part(case: Case, name: str, key: Key) -> Part | str:
    began, table, valid = time.perf_counter(), case.table, case.folds.valid_rows(*key)
    fit, rounds = _fit(case.kind, case.recipes[name], table, case.folds, key, derive(case.seed, "fold", *key))
    held, test = fit.predict(table.train.iloc[valid]), fit.predict(table.test)
    if not (np.isfinite(held).all() and np.isfinite(test).all()):
        return _unsound(key)
    error = table.task.error(table.target[valid], held)
    kept = fit if len(table.test) else None  # or the models of a whole wave of trials would fill the memory
    return Part(kept, rounds, held, test, error, time.perf_counter() - began)


def _error(case: Case, name: str, key: Key) -> float | str:
    table, valid = case.table, case.folds.valid_rows(*key)
    fit, _ = _fit(case.kind, case.recipes[name], table, case.folds, key, derive(case.seed, "fold", *key))
    held = fit.predict(table.train.iloc[valid])
    return table.task.error(table.target[valid], held) if np.isfinite(held).all() else _unsound(key)


def _unsound(key: Key) -> str:
    return f"repeat {key[0]}, fold {key[1]} predicts NaN or infinity"


def _entry(case: Case, name: str, parts: Mapping[Key, Part]) -> CrossFit:
    """Put the folds of one recipe together."""
    table, folds = case.table, case.folds
    oof = np.full((folds.n_repeats, len(table.train), table.task.n_outputs), np.nan)
    errors, unknown, rounds = (np.full((folds.n_repeats, folds.n_folds), np.nan) for _ in range(3))
    for key, part in parts.items():
        oof[key[0], folds.valid_rows(*key)] = part.valid
        errors[key], rounds[key] = part.error, part.rounds
    tests = [part.test for part in parts.values()]
    return CrossFit(
        oof,
        np.mean(tests, axis=0),
        errors,
        unknown,  # errors of the rows that were learnt from: nobody asks for them
        rounds,
        case.recipes[name].stop_on,
        seconds=sum(part.seconds for part in parts.values()),
        apart=keep_apart(tests),
        fitted={key: part.fit for key, part in parts.items() if part.fit is not None},
        findings=() if case.kind.weighs or table.weight is None else (UNWEIGHED,),
    )


def _fit(kind: Kind, recipe: Any, table: Table, folds: Folds, key: tuple[int, int], seed: int) -> tuple[Fitted, float]:
    """Fit one fold, a model for each target."""
    fits, rounds = zip(*(_fit_one(kind, recipe, own, folds, key, seed) for own in alone(table)), strict=True)
    return _targets.side_by_side(fits), float(np.mean(rounds))


def _fit_one(kind: Kind, recipe: Any, table: Table, folds: Folds, key: Key, seed: int) -> tuple[FoldFit, float]:
    """Fit one fold on all of its training rows, with what some of them have chosen where recipe.stop_on says so."""
    rows, table = folds.train_rows(*key), table if kind.weighs else replace(table, weight=None)
    target = fit_target(recipe.target, table.target[rows], table.task) if table.task.kind == "regression" else None

    def lesson(train: np.ndarray, stop: np.ndarray | None = None) -> Lesson:
        held = None if stop is None else _rows(table, stop, target)
        return Lesson(recipe, table.task, _rows(table, train, target), held, seed)

    last = lesson(rows, folds.valid_rows(*key) if recipe.stop_on == "fold" else None)
    if recipe.stop_on == "inner":
        last = replace(last, **chosen(kind, recipe, lesson, folds, key))
    seeds = [seed, *(derive(seed, "seed", number) for number in range(1, recipe.n_seeds))]
    learnt = [kind.learn(replace(last, seed=own)) for own in seeds]
    unseen = of_unseen(last.train.y, last.train.weight, len(table.task.classes))
    fit = FoldFit(kind, tuple(own.model for own in learnt), _levels(table), target, table.task.n_outputs, unseen)
    return fit, float(np.mean([own.rounds for own in learnt]))


def _rows(table: Table, rows: np.ndarray, target: TargetTransform | None) -> LabelledRows:
    y = table.target[rows] if target is None else target.forward(table.target[rows])
    return LabelledRows(_numbered(table.train.iloc[rows]), y, table.weights(rows))


def _numbered(X: pd.DataFrame) -> pd.DataFrame:
    """Name columns by their places: libraries refuse some names, as those with brackets."""
    return X.set_axis([str(place) for place in range(X.shape[1])], axis=1)


def _levels(table: Table) -> dict[str, list[str] | None]:
    categorical = set(table.categorical)
    return {str(name): list(table.train[name].cat.categories) if name in categorical else None for name in table.train}


def _unfit(case: Case, name: str, why: str | None) -> CrossFit:
    """Return an entry without predictions; why: what failed, None of a recipe that was given up at a rung."""
    how = {"given_up": why is None, "truncated": LATE if why == LATE else ""}
    return unfit(case.table, case.folds, case.recipes[name].stop_on, why or "given up at a rung", **how)
