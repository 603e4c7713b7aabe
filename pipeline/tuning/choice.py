"""Which trial a search ends with, and what its error is worth once the choice among many is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.seeds import derive
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


def optimism(table: Table, folds: Folds, oofs: Sequence[np.ndarray], seed: int) -> float:
    """Return by how much the lowest error among trials is too low because it was chosen; a cautious figure.

    On every bootstrap sample of the rows (of whole groups, where there are any) the best trial is chosen, and judged by
    the rows that the sample left out. NaN where no sample can judge, or fewer than 20 could in some seconds.
    oofs: predictions (n_repeats, n, n_outputs) of each trial.
    Source: Tsamardinos, Greasidou and Borboudakis 2018, "Bootstrapping the out-of-sample predictions for efficient and
    accurate cross-validation" (BBC-CV).
    """
    n_rows = len(table.target)
    unit = np.arange(n_rows) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    generator = np.random.default_rng(derive(seed, "bbc"))
    covered = [np.flatnonzero(rows) for rows in folds.covered]

    def errors(times: np.ndarray) -> np.ndarray:
        """Each trial's mean error over repeats, of rows that are drawn so many times; NaN where there are none."""
        drawn = [np.repeat(rows, times[rows]) for rows in covered]
        if not all(map(len, drawn)):
            return np.full(len(oofs), np.nan)
        judge = table.task.metric.error
        return np.mean([[judge(table.target[d], oof[r, d]) for oof in oofs] for r, d in enumerate(drawn)], axis=0)

    lowest = errors(np.ones(n_rows, dtype=np.int64)).min()
    n_samples = min(MOST, int(WORK / (len(oofs) * folds.n_repeats * n_rows)))
    left_out = []
    for _ in range(n_samples if n_samples >= FEWEST else 0):
        n_units = unit.max() + 1
        times = np.bincount(generator.integers(n_units, size=n_units), minlength=n_units)[unit]
        chosen_by, judged_by = errors(times), errors((times == 0).astype(np.int64))
        if np.isfinite([chosen_by, judged_by]).all():  # AUC, say, needs both classes on both sides
            left_out.append(judged_by[chosen_by.argmin()])
    return float(np.mean(left_out) - lowest) if left_out else float("nan")
