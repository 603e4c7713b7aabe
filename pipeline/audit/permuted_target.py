"""On a target that is dealt out anew, do split, models and ensemble score at chance?

A fold's chance is what its own predictions score once its rows exchange their targets: without a leak the one is as
good as the other on average, whatever the metric. Where rows are grouped, groups of one size exchange all they have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.audit._deal import deal, movable
from pipeline.audit._finding import LEVEL, Finding, holm
from pipeline.seeds import derive

if TYPE_CHECKING:
    from pipeline.engine.stage import Job
    from pipeline.types import CrossFit, Folds, Metric, Table

READS = ("stages",)
N_PERMUTATIONS = 8
ENOUGH_MOVABLE = 0.5
"""Share of the rows that must be able to change places: else what is learnt is the target as it is."""

N_DEALS = 50
"""Exchanges within each fold, whose mean error is its chance."""


@dataclass(frozen=True)
class Tried:
    """One entry's mean error over folds, its chance and that of a constant, for each permutation (n_permutations,)."""

    error: np.ndarray
    chance: np.ndarray
    constant: np.ndarray

    @property
    def noise(self) -> float:
        """Standard error of the mean gain over chance; NaN where fewer than two permutations could be judged."""
        gain = self.chance - self.error
        return float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("nan")

    def p_value(self) -> float:
        """Return the one-sided p-value of the t-test that the error is below chance: overfitting is no leak."""
        from scipy.stats import t

        gain = float((self.chance - self.error).mean()) if len(self.error) > 1 else 0.0
        if not self.noise > 0:
            return float(gain <= 0)
        return float(t.sf(gain / self.noise, df=len(self.error) - 1))

    def told(self, metric: Metric) -> str:
        score, chance, constant = (metric.as_score(float(e.mean())) for e in (self.error, self.chance, self.constant))
        return f"{metric.name} {score:.4g}, chance {chance:.4g} ± {self.noise:.2g}, a constant {constant:.4g}"


def check(stages: Job) -> list[Finding]:
    """Cross-fit quick variants of all models on permuted targets, blend them, and test their mean gain over chance.

    An alarm counts only if fresh permutations raise it again, so that a clean pipeline fails in 1 of 10,000 audits.
    """
    from pipeline.audit._rehearsal import marked, not_tried, recipes, sample, tabulate

    table, wanted = tabulate(stages, sample(stages)), recipes(stages)
    if movable(table.groups) < ENOUGH_MOVABLE:
        why = (
            "too few groups have others of their size to change places with, so that permuted targets are the real ones"
        )
        return [Finding("note", "not tried", "all models", why), *not_tried(stages)]
    tried = _try(stages, table, wanted, range(N_PERMUTATIONS))
    suspects = _better(tried)
    if suspects:
        again = _try(stages, table, wanted, range(N_PERMUTATIONS, 2 * N_PERMUTATIONS))
        suspects = _better({name: again[name] for name in suspects if name in again})
    about = f"{len(table.train)} rows, {N_PERMUTATIONS} permutations, quick variants of one seed"
    excused = {name for name, recipe in wanted.items() if marked(recipe)}
    excused |= {"ensemble"} if excused else set()
    return _findings(tried, suspects, excused, table.task.metric, about) + not_tried(stages)


def _try(stages: Job, table: Table, wanted: dict[str, Any], numbers: range) -> dict[str, Tried]:
    figures: dict[str, list[tuple[float, float, float]]] = {}
    with stages.log.progress("models on permuted targets", len(numbers)) as bar:
        for number in numbers:
            rng = np.random.default_rng(derive(0, "permuted target", number))
            permuted, folds, entries = rehearse(stages, table, wanted, rng)
            for name, entry in entries.items():
                figure = against_chance(entry, permuted, folds, rng)
                figures.setdefault(name, []).extend([figure] if np.isfinite(figure).all() else [])
            bar.advance()
    return {name: Tried(*np.reshape(own, (-1, 3)).T) for name, own in figures.items()}


def _better(tried: dict[str, Tried]) -> set[str]:
    """Return the entries that are better than chance, at LEVEL for all of them together."""
    if not tried:
        return set()
    better = holm([one.p_value() for one in tried.values()])
    return {name for name, significant in zip(tried, better, strict=True) if significant}


def rehearse(
    stages: Job, table: Table, wanted: dict[str, Any], rng: np.random.Generator
) -> tuple[Table, Folds, dict[str, CrossFit]]:
    """Permute the target, cut new folds, fit and blend; an entry that fails is left out."""
    from pipeline.audit._rehearsal import blend, cut, fit

    permuted = replace(table, target=table.target[deal(len(table.target), table.groups, rng)])
    folds = cut(stages, permuted)
    entries = {name: fit(stages, name, recipe, permuted, folds) for name, recipe in wanted.items()}
    entries = {name: entry for name, entry in entries.items() if not entry.failed}
    if entries:
        entries["ensemble"] = blend(stages, entries, permuted, folds)
    return permuted, folds, entries


def against_chance(entry: CrossFit, table: Table, folds: Folds, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the mean errors over folds of the entry, of targets exchanged within each fold, and of a constant.

    Folds that the metric cannot judge, such as AUC where one class only occurs, are left out.
    """
    metric, figures = table.task.metric, []
    n_classes = len(table.task.classes)
    for repeat, fold in folds:
        rows, train = folds.valid_rows(repeat, fold), table.target[folds.train_rows(repeat, fold)]
        target, predicted = table.target[rows], entry.oof[repeat, rows]
        groups = None if table.groups is None else table.groups[rows]
        dealt = [metric.error(target[deal(len(rows), groups, rng)], predicted) for _ in range(N_DEALS)]
        prior = np.bincount(train, minlength=n_classes) / len(train) if n_classes else train.mean(axis=0)
        same = np.broadcast_to(prior, predicted.shape)
        figures.append((metric.error(target, predicted), float(np.mean(dealt)), metric.error(target, same)))
    known = [figure for figure in figures if np.isfinite(figure).all()]
    error, chance, constant = np.mean(known, axis=0).tolist() if known else [float("nan")] * 3
    return error, chance, constant


def _findings(
    tried: dict[str, Tried], suspects: set[str], excused: set[str], metric: Metric, about: str
) -> list[Finding]:
    leak = "better than chance on permuted targets: targets of validation rows are known before they are predicted"
    todo = "look at what is fitted outside folds; the checks validation_target, own_label and cut_folds say more"
    found = []
    for name, one in tried.items():
        if name not in suspects:
            where = f"{name}: {one.told(metric)}"
            level = f"{about}, level {LEVEL:g} for all entries together"
            found.append(Finding("note", "at chance on permuted targets", where, level))
            continue
        strength = f"{one.told(metric)}, p = {one.p_value():.1g}, and on fresh ones again ({about})"
        if name in excused:
            what = "better than chance on permuted targets, as the mark stop_on = 'fold' says"
            found.append(Finding("note", what, name, strength))
        else:
            found.append(Finding("leak", leak, name, strength, todo))
    return found
