"""Stage nested: one model on the folds of pairs; its out-of-fold predictions are what a stacker is judged with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.engine.stage import Job
from pipeline.files import read_folds, table_of, write_entry
from pipeline.stages.train import fit_entries, left_out, read_recipe, truncated
from pipeline.types import CrossFit


def run(job: Job) -> dict[str, Any]:
    """Write entries/<name>.safetensors; nothing that predicts new rows is kept, which the ordinary folds' models do.

    Reads what `train` reads, but for the folds, which are those of pairs.
    """
    recipe = read_recipe(job)
    if recipe is None:
        return left_out(job)
    table = table_of(job)
    shown = table if "pseudo" in job.config else table.without_test()  # whose rows are labelled first
    entries = fit_entries(job, recipe, shown, read_folds(job.inputs["split"]))
    for name, entry in sorted(entries.items()):
        write_entry(job.out / "entries", name, _oof_alone(entry))
    return {"truncated": truncated(entries)}


def _oof_alone(entry: CrossFit) -> CrossFit:
    return replace(entry, test=entry.test[:0], apart=None, curves=None)
