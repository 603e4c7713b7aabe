"""What judges trials: calibrated log losses where labels are decided afterwards, else the metric itself."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from small_folds import alternating

from pipeline.metrics import accuracy, auc, balanced_accuracy, f1, f1_macro, log_loss, mcc, quadratic_kappa
from pipeline.tuning.choice import optimism
from pipeline.tuning.judge import as_judged, as_submitted, calibrated_log_loss, judged
from pipeline.types import Metric, Table, Task

N = 1_000


def table_of(target: np.ndarray, metric: ModuleType = f1) -> Table:
    rows, numbers = pd.DataFrame({"x": np.zeros(len(target))}), np.arange(len(target))
    task = Task("binary", Metric.from_module(metric), ("no", "yes"))
    return Table(judged(task), rows, rows, target, numbers, numbers)


def rare(rng: np.random.Generator, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return what is known of rows, log odds (n,), and their labels: one in ten is yes."""
    known = rng.normal(-3, 1.5, n)
    return known, (rng.random(n) < odds(known)[0, :, 1]).astype(np.int64)


def odds(known: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-known))
    return np.stack([1 - p, p], axis=1)[None]


@pytest.mark.parametrize("metric", [f1, f1_macro, mcc, balanced_accuracy, quadratic_kappa])
def test_labels_that_are_decided_afterwards_are_judged_by_the_log_loss(metric: ModuleType) -> None:
    task = Task("binary", Metric.from_module(metric), ("no", "yes"))
    judge = judged(task).judge
    assert judge is not None
    assert (judge.name, judge.greater_is_better) == ("log_loss", False)
    assert judged(task).metric == task.metric


@pytest.mark.parametrize("metric", [accuracy, auc, log_loss])
def test_what_is_submitted_as_it_is_judges_itself(metric: ModuleType) -> None:
    task = Task("binary", Metric.from_module(metric), ("no", "yes"))
    assert judged(task) is task


def test_boldness_which_is_repaired_afterwards_is_not_judged() -> None:
    known, target = rare(np.random.default_rng(0))
    plain, bold = (calibrated_log_loss(target, odds(times * known)[0]) for times in (1, 4))
    assert bold == pytest.approx(plain, rel=0.02)
    assert log_loss.score(target, odds(4 * known)[0]) > 1.5 * plain


def test_trials_count_as_they_would_be_submitted() -> None:
    known, target = rare(np.random.default_rng(0))
    oof, every = odds(known - 3), np.ones(N, dtype=np.int64)
    table, folds = table_of(target), alternating(N, 4)
    assert table.task.metric.error(target, oof[0]) > 0.95, "hardly a row is likelier yes"
    assert as_submitted(table, folds, [oof]).errors(every)[0] < 0.75
    assert as_judged(table, folds, [oof]).errors(every)[0] == pytest.approx(calibrated_log_loss(target, oof[0]))


def test_what_the_choice_flatters_is_in_the_metrics_unit_and_the_cautious_figure_in_the_judges() -> None:
    """Ten recipes that are equally good: by how much the F1 of the chosen one is too high can be told by more rows."""
    said, flattered, cautious = [], [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        known, target = rare(rng, 300)
        oofs = [odds(known + rng.normal(size=300)) for _ in range(10)]
        table, folds = table_of(target), alternating(300, 4)
        found, every = optimism(table, folds, oofs, seed=seed), np.ones(300, dtype=np.int64)
        losses, errors = (of(table, folds, oofs).errors(every) for of in (as_judged, as_submitted))
        said.append(found.plain)
        cautious.append(found.cautious)
        flattered.append(errors.mean() - errors[losses.argmin()])
    assert np.mean(said) == pytest.approx(np.mean(flattered), abs=0.015)
    assert np.mean(flattered) > 0.02
    assert 0 < np.mean(cautious) < 0.04
