"""The guard against overtuning: is what a search found better than what it started from, on folds that it never saw?

The best of many trials is partly the luckiest one, the more so the smaller the table and the longer the search
(Cawley and Talbot 2010, "On over-fitting in model selection and subsequent selection bias in performance evaluation").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.extra.rows import cross_fit
from pipeline.tuning.judge import measure_of
from pipeline.tuning.search import Search
from pipeline.types import Folds
from pipeline.uncertainty import paired_difference, rows_ratio


@dataclass(frozen=True)
class Verdict:
    """Whether the found recipe is kept. gain: error of the default less that of the found one; se: its standard error.

    Both NaN where they could not be compared. text: all of it in a sentence. truncated: what time cut short, in words.
    oofs: out-of-fold predictions (n_repeats, n, n_outputs) of the found one and of the default, if it is kept.
    """

    kept: bool
    gain: float
    se: float
    text: str
    truncated: str = ""
    oofs: tuple[np.ndarray, ...] = ()


def confirm(search: Search, found: Any, folds: Folds, seed: int, optimism: float | None) -> Verdict:
    """Cross-fit a search's default and the recipe that it found, whole as they will be used, on the same fresh folds.

    The found one is kept if its gain is larger than the standard error that knows that folds share rows (Nadeau and
    Bengio 2003); otherwise the default is. optimism: a number where there are no fresh folds, as with a split in time
    or few groups, and these are (nearly) the ones that it was chosen on: by how much that flatters it; NaN where nobody
    knows.
    """
    job = search.job
    if job.log.late():
        return Verdict(False, math.nan, math.nan, "the default is kept: time was up before the test", "not begun")
    recipes, how = {"default": search.wanted, "found": found}, {"seed": seed, "log": job.log, "spread": job.spread}
    entries = cross_fit(job.plugins["model"], recipes, search.table, folds, search.extra, **how)
    for entry in entries.values():
        if trouble := entry.failed or entry.truncated:
            text = f"the default is kept: on fresh folds {trouble}"
            return Verdict(False, math.nan, math.nan, text, entry.truncated)
        if not np.isfinite(entry.fold_errors).all():
            text = "the default is kept: on fresh folds the metric has no value for some predictions"
            return Verdict(False, math.nan, math.nan, text)
    where = "fresh folds"
    gain = paired_difference(entries["default"].fold_errors, entries["found"].fold_errors, rows_ratio(folds))
    if optimism is not None:
        gain = replace(gain, mean=gain.mean - optimism)
        where = "the folds of the search, for want of others, its choice counted"
        if not math.isfinite(gain.mean):
            text = "the default is kept: this split has no fresh folds, and what the choice is worth is not known"
            return Verdict(False, math.nan, gain.se, text)
    kept = gain.mean > (gain.se if gain.n_values > 1 else 0.0)
    within = "" if search.table.task.judge is None else f" in {measure_of(search.table.task)}"
    size = f"{abs(gain.mean):.5g} ± {gain.se:.2g}{within} on {where}"
    if kept:
        text = f"what tuning found is kept: better than the default by {size}"
    elif gain.mean > 0:
        text = f"the default is kept: what tuning found is better by {size}, which is inside the noise"
    else:
        text = f"the default is kept: what tuning found is worse by {size}"
    return Verdict(kept, gain.mean, gain.se, text, oofs=tuple(entries[n].oof for n in ("found", "default") if kept))
