"""Which trial a search ends with, and what its error is worth once the choice among many is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.seeds import derive
from pipeline.tuning.judge import as_judged, as_submitted
from pipeline.types import Folds, Table
from pipeline.uncertainty import cv_figure

WORK = 2e8
"""Predictions that bootstrap samples judge in all, which takes some seconds."""
FEWEST, MOST = 20, 200  # bootstrap samples


def safest(fold_errors: np.ndarray, valid_to_train: float) -> int:
    """Return the place of the trial (of n_trials, n_repeats, n_folds) whose error is lowest with confidence.

    It has the lowest mean plus standard error of what its folds are above the same folds' median over all trials: how
    hard a fold is says nothing about a trial. With one fold error a trial it is the lowest mean.
    """
    above = fold_errors - np.median(fold_errors, axis=0)
    figures = [cv_figure(own, valid_to_train) for own in above]
    return int(np.argmin([figure.mean + (figure.se if figure.n_values > 1 else 0.0) for figure in figures]))


@dataclass(frozen=True)
class Optimism:
    """By how much the lowest error among trials is too low because it was chosen; NaN where that is not known.

    cautious: the chosen is judged by rows that did not choose (BBC-CV), in what trials are judged by. plain: by all
    rows (Efron), as it would be submitted, in the metric.
    """

    cautious: float
    plain: float


UNKNOWN = Optimism(float("nan"), float("nan"))
UNCORRECTED = (
    "how much the choice among trials flatters is not known (trials of other machines, or too many of too many rows), "
    "and the expected score is not corrected for it"
)


def optimism(table: Table, folds: Folds, oofs: Sequence[np.ndarray], seed: int) -> Optimism:
    """Return by how much the lowest error among trials is too low because it was chosen.

    On every bootstrap sample of the rows (of whole groups, where there are any) the best trial is chosen, and judged by
    the rows that the sample left out, or by all. Unknown where no sample can judge, or fewer than 20 could in some
    seconds. oofs: predictions (n_repeats, n, n_outputs) of each trial.
    Sources: Tsamardinos, Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation" (BBC-CV); Efron 1983, "Estimating the error rate of a prediction rule".
    """
    n_judged = len(oofs) * folds.n_repeats
    if not _n_samples(n_judged, len(table.target)):
        return UNKNOWN
    trials, submitted = as_judged(table, folds, oofs), as_submitted(table, folds, oofs)
    known, known_submitted = (own.errors(np.ones(len(table.target), dtype=np.int64)) for own in (trials, submitted))
    left_out, flattery = [], []
    for times in _samples(table, n_judged, derive(seed, "bbc")):
        chosen_by = trials.errors(times)
        judged_by = trials.errors((times == 0).astype(np.int64))
        own = chosen_by if table.task.judge is None else submitted.errors(times)
        if np.isfinite([chosen_by, judged_by, own]).all():  # AUC, say, needs both classes on both sides
            best, lower = chosen_by.argmin(), known_submitted - own
            left_out.append(judged_by[best])
            flattery.append(lower[best] - lower.mean())
    if not left_out:
        return UNKNOWN
    return Optimism(float(np.mean(left_out) - known.min()), float(np.mean(flattery)))


def persistence(
    table: Table, searched: tuple[Folds, Sequence[np.ndarray]], fresh: tuple[Folds, Sequence[np.ndarray]], seed: int
) -> float:
    """Return the share of a chance gain on the folds of a search that other folds of the same rows show, too.

    Other folds take away the luck that lay in the folds and in random starts, but not that of the rows: those on which
    the chosen recipe happens to be right are the same. searched, fresh: folds, and predictions of two recipes on them.
    The share is the slope of their difference on fresh folds by that on the search's, over bootstrap samples of the
    rows; 1 where none can tell.
    """
    gains, pairs = [], [as_submitted(table, folds, oofs) for folds, oofs in (searched, fresh)]
    for times in _samples(table, 2 * (searched[0].n_repeats + fresh[0].n_repeats), derive(seed, "persistence")):
        first, second = (np.subtract(*pair.errors(times)) for pair in pairs)
        if np.isfinite([first, second]).all():
            gains.append((first, second))
    if len(gains) < FEWEST:
        return 1.0
    covariance = np.cov(np.transpose(gains))
    return float(np.clip(covariance[0, 1] / covariance[0, 0], 0.0, 1.0)) if covariance[0, 0] > 0 else 1.0


def _samples(table: Table, n_judged: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each row (n,) is drawn, whole groups at a time, in as many samples as some seconds allow."""
    n_rows = len(table.target)
    unit = np.arange(n_rows) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    generator, n_units = np.random.default_rng(seed), unit.max() + 1
    for _ in range(_n_samples(n_judged, n_rows)):
        yield np.bincount(generator.integers(n_units, size=n_units), minlength=n_units)[unit]


def _n_samples(n_judged: int, n_rows: int) -> int:
    n_samples = min(MOST, int(WORK / (n_judged * n_rows)))
    return n_samples if n_samples >= FEWEST else 0
