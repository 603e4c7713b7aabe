"""What a search judges trials by: where labels are decided afterwards, not what is submitted, but the log loss.

The F1 of the likeliest class tells recipes for a rare class apart by chance, or not at all; that of decided labels, by
a few rows. On held-out rows the one chosen of 14 recipes of LightGBM had an F1 of .336 by likeliest labels, .363 by
decided ones and .366 by the log loss; of 15 other models .298, .344 and .378 (600 rows, a tenth of them of the rare
class, twelve draws).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.blenders._alone import decided
from pipeline.blenders._temperature import fit_temperature, temper
from pipeline.blenders._undecided import judge_before
from pipeline.metrics import log_loss
from pipeline.types import Folds, Metric, Table, Task


def judged(task: Task) -> Task:
    """Return the task as a search judges it: by the calibrated log loss where labels are decided afterwards."""
    judge = judge_before(task.metric)
    return task if judge is task.metric else replace(task, judge=replace(judge, function=calibrated_log_loss))


def measure_of(task: Task) -> str:
    """Return what the errors of trials are called."""
    return "error" if task.judge is None else task.judge.name.replace("_", " ")


def calibrated_log_loss(target: np.ndarray, prediction: np.ndarray) -> float:
    """Return the log loss of probabilities (n, n_classes) that are made as bold as they are right."""
    return log_loss.score(target, temper(prediction, fit_temperature(prediction, target)))


@dataclass(frozen=True)
class Judged:
    """Predictions (n_repeats, n, n_outputs) of each trial, and the metric that reads them; covered (n_repeats, n)."""

    metric: Metric
    target: np.ndarray
    covered: np.ndarray
    oofs: Sequence[np.ndarray]

    def errors(self, times: np.ndarray) -> np.ndarray:
        """Return each trial's mean error over repeats, of rows drawn so many times; NaN where there are none."""
        drawn = [np.repeat(rows, times[rows]) for rows in map(np.flatnonzero, self.covered)]
        if not all(map(len, drawn)):
            return np.full(len(self.oofs), np.nan)
        judge = self.metric.error
        return np.mean([[judge(self.target[d], oof[r, d]) for oof in self.oofs] for r, d in enumerate(drawn)], axis=0)


def as_judged(table: Table, folds: Folds, oofs: Sequence[np.ndarray]) -> Judged:
    """Return trials as a search compares them; probabilities are calibrated once, and not for every draw of rows."""
    metric, target, covered = table.task.metric, table.target, folds.covered
    if table.task.judge is None:
        return Judged(metric, target, covered, oofs)
    return Judged(judge_before(metric), target, covered, [_calibrated(oof, target, covered) for oof in oofs])


def as_submitted(table: Table, folds: Folds, oofs: Sequence[np.ndarray]) -> Judged:
    """Return trials as each would be submitted by itself."""
    metric, target = table.task.metric, table.target
    own = oofs if table.task.judge is None else [decided(oof, target, metric, folds) for oof in oofs]
    return Judged(metric, target, folds.covered, own)


def _calibrated(oof: np.ndarray, target: np.ndarray, covered: np.ndarray) -> np.ndarray:
    found = np.full(oof.shape, np.nan)
    for repeat, rows in enumerate(covered):
        found[repeat, rows] = temper(oof[repeat, rows], fit_temperature(oof[repeat, rows], target[rows]))
    return found
