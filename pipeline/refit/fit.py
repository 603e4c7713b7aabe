"""Stage train of a refit: a cross-fitted model is fitted once more on all rows, to predict test and new rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.apart import rows_apart
from pipeline.engine.stage import Job
from pipeline.files import read_entries, read_folds, table_of
from pipeline.refit.whole import whole_fold
from pipeline.seeds import derive
from pipeline.splitters._rows import Rows
from pipeline.stages.train import as_trained, fit_entries, keep, left_out, read_recipe
from pipeline.types import CrossFit, Folds, Table

FAR = 5.0
"""How many times as far from the folds' mean as these models are, typically, a refit is told to be."""

LATE = "not fitted once more, because time was up: the folds' models predict"


def run(job: Job) -> dict[str, Any]:
    """Write the entry of `train` with other test predictions, and below fitted/ the model that makes them.

    Its out-of-fold predictions stay as they are: it is judged and blended by them. Reads what `train` reads, and its
    entry. config: that of train, and seed and options of the split. A model that the budget left out stays so; where
    time is up the entry stays as it is, since no row could tell that a model was not trained to its end.
    """
    name, recipe = job.config["entry"], read_recipe(job)
    if recipe is None:
        return left_out(job)
    entry = read_entries(job.inputs["train"] / "entries")[name]
    refit = None if job.log.late() else _refit(job, recipe)[name]
    (job.out / "entries").mkdir(exist_ok=True)
    if refit is None or refit.truncated:
        return keep(job, recipe, {name: replace(entry, truncated=LATE)})
    job.log.info(f"{name}: fitted once more on all rows, to predict test and new rows")
    return keep(job, recipe, {name: _joined(entry, refit)})


def _refit(job: Job, recipe: Any) -> dict[str, CrossFit]:
    table = table_of(job)
    folds = read_folds(job.inputs["split"])
    # the numbers that "auto" stood for in folds of so many rows: of more it might be others; all rows are one fold
    settled = as_trained(job, recipe, table, folds, paired=False)
    return fit_entries(job, settled, table, _whole(job, table, folds))


def _whole(job: Job, table: Table, folds: Folds) -> Folds:
    rows = Rows.of(table)
    splitter, split = job.plugins["splitter"], job.config["split"]
    return whole_fold(folds, rows, splitter, splitter.Options(**split["options"]), derive(split["seed"], "refit"))


def _joined(entry: CrossFit, refit: CrossFit) -> CrossFit:
    """Return what the folds' models predict out of fold, and what the model of all rows predicts for test.

    One model is submitted and no mean of several, so that none are kept `apart` and the expected score counts no gain
    by averaging. More rows than in a fold gain something as well; nobody knows how much, and it is not counted.
    """
    return replace(
        entry,
        test=refit.test,
        apart=None,
        fitted=refit.fitted,
        seconds=refit.seconds,
        truncated=refit.truncated,
        findings=tuple(f"refit: {finding}" for finding in (*refit.findings, *_strayed(entry, refit))),
    )


def _strayed(entry: CrossFit, refit: CrossFit) -> list[str]:
    """Say if the refit, which no row can judge, predicts quite other things than the folds' models do."""
    if entry.apart is None:
        return []
    rows = rows_apart(len(entry.test))
    mean = entry.test[rows]
    usual, own = (float(np.sqrt(np.mean((test - mean) ** 2))) for test in (entry.apart, refit.test[rows]))
    if own <= FAR * usual:
        return []
    return [
        f"its test predictions are {own:.3g} from the mean of the folds' models, and each of these only {usual:.3g}: "
        "look at the recipe, or leave refit out"
    ]
