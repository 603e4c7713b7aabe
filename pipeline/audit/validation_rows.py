"""Does what a fold fits stay the same when the rows that it validates, and those of test, look otherwise?

Means, levels, scales and weights must not move, byte by byte, nor the other rows' features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import Finding
from pipeline.targets import names_of
from pipeline.wording import first_few

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.engine.stage import Job
    from pipeline.types import Table

READS = ("stages",)
N_MODELLED = 3


def check(stages: Job) -> list[Finding]:
    """Make all rows outside one fold's training rows copies of a few of them, before features.py and before models.

    Of test the second half changes, so that predictions of the first can be compared.
    """
    from pipeline.audit._one_fold import compare, middle, outside
    from pipeline.audit._rehearsal import Raw, cut, sample, tabulate

    raw = sample(stages)
    before = tabulate(stages, raw)
    fold = middle(cut(stages, before))
    rows, half = outside(fold), np.arange(len(before.test) // 2, len(before.test))
    facts = stages.config["preprocess"]
    keep = [facts["id"], *names_of(facts["target"])]
    after = tabulate(stages, Raw(_uniform(raw.train, rows, keep), _uniform(raw.test, half, keep)))
    inside = np.setdiff1d(np.arange(len(before.train)), rows)
    found = _features(before, after, inside, np.arange(half[0] if len(half) else 0))
    if found:
        return found
    changed = replace(before, train=_uniform(before.train, rows, []), test=_uniform(before.test, half, []))
    unchanged = (np.empty(0, dtype=np.int64), np.arange(len(before.test) - len(half)))
    return compare(stages, before, changed, fold, unchanged, "the features that it validates, or on test's")


def _features(before: Table, after: Table, train: np.ndarray, test: np.ndarray) -> list[Finding]:
    """Compare the rows that did not change; a column that is left out because it became constant says nothing."""
    from pipeline.audit._one_fold import differing

    shared = [name for name in before.train if name in after.train]
    moved = differing(before.train[shared], after.train[shared], train)
    moved += [name for name in differing(before.test[shared], after.test[shared], test) if name not in moved]
    if not moved:
        return []
    strength = f"{len(moved)} of {len(shared)} columns"
    todo = (
        "use a row's own values only in features.py and preprocess; what looks at several rows belongs into a transform"
    )
    return [Finding("leak", "features of a row depend on other rows", f"column {first_few(moved)}", strength, todo)]


def _uniform(frame: pd.DataFrame, rows: np.ndarray, keep: list[str]) -> pd.DataFrame:
    """Make these rows copies of a few of them, but for the columns to keep: means, spreads and levels all move."""
    changed = frame.copy()
    rng = np.random.default_rng(len(rows))
    if len(rows):
        models = rows[rng.choice(len(rows), min(N_MODELLED, len(rows)), replace=False)]
        source = np.arange(len(frame))
        source[rows] = models[np.arange(len(rows)) % len(models)]
        names = [name for name in frame.columns if name not in keep]
        changed[names] = frame[names].iloc[source].set_axis(frame.index)
    return changed
