"""Stage train of a refit: a cross-fitted model is fitted once more on all rows, to predict test and new rows."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

from pipeline.engine.stage import Job
from pipeline.extra.rows import join_folds, read_extra
from pipeline.files import read_entries, read_folds, read_table
from pipeline.refit.whole import whole_fold
from pipeline.seeds import derive
from pipeline.splitters._rows import Rows
from pipeline.stages.train import fit_entries, keep, left_out, read_recipe
from pipeline.types import CrossFit, Folds, Metric, Table


def run(job: Job) -> dict[str, Any]:
    """Write the entry of `train` with other test predictions, and below fitted/ the model that makes them.

    Its out-of-fold predictions stay as they are: it is judged and blended by them. Reads what `train` reads, and its
    entry. config: that of train, and seed and options of the split. A model that the budget left out stays so.
    """
    name, recipe = job.config["entry"], read_recipe(job)
    if recipe is None:
        return left_out(job)
    table = read_table(job.inputs["preprocess"], Metric.from_module(job.plugins["metric"]))
    folds = read_folds(job.inputs["split"])
    n_rows = join_folds(folds, table, read_extra(job.inputs)).n_fit_rows
    settled = _settled(job.plugins["model"], recipe, table, n_rows)
    refit = fit_entries(job, settled, table, _whole(job, table, folds))[name]
    job.log.info(f"{name}: fitted once more on all rows, to predict test and new rows")
    before = read_entries(job.inputs["train"] / "entries")[name]
    return keep(job, settled, {name: _joined(before, refit)})


def _settled(model: ModuleType, recipe: Any, table: Table, n_rows: int) -> Any:
    """Return the recipe with the numbers that "auto" stood for in folds of so many rows: of more it might be others."""
    settled = getattr(model, "settled", lambda recipe, *_: recipe)
    return settled(recipe, table.task, n_rows)


def _whole(job: Job, table: Table, folds: Folds) -> Folds:
    rows = Rows(table.target, len(table.task.classes), table.groups, table.time)
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
        findings=tuple(f"refit: {finding}" for finding in refit.findings),
    )
