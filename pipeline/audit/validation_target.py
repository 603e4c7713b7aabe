"""Does nothing change but the score when the rows that a fold validates get other targets?

Features, encodings, the target's transform and the fold's own predictions must stay as they are, byte by byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.audit._finding import Finding
from pipeline.targets import names_of
from pipeline.wording import first_few

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.engine.stage import Job

READS = ("stages",)


def check(stages: Job) -> list[Finding]:
    """Run features.py, preprocess and one fold of every model again, on other targets outside its training rows."""
    from pipeline.audit._one_fold import compare, differing, middle, outside
    from pipeline.audit._rehearsal import Raw, cut, sample, tabulate

    raw = sample(stages)
    before = tabulate(stages, raw)
    fold = middle(cut(stages, before))
    rows = outside(fold)
    after = tabulate(
        stages, Raw(other_target(raw.train, rows, stages.config["preprocess"], before.task.classes), raw.test)
    )
    found = []
    for part, one, other in (("train", before.train, after.train), ("test", before.test, after.test)):
        moved = differing(one, other, np.arange(len(one)))
        if moved:
            strength = f"{len(moved)} of {one.shape[1]} columns of {part}"
            todo = "features.py and preprocess must not see the target: what learns from it is fitted inside folds"
            found.append(Finding("leak", "features depend on the target", f"column {first_few(moved)}", strength, todo))
    if found:
        return found
    return compare(
        stages,
        before,
        after,
        fold,
        (fold.valid_rows(0, 0), np.arange(len(before.test))),
        "the targets that it validates",
    )


def other_target(
    train: pd.DataFrame, rows: np.ndarray, facts: dict[str, Any], classes: tuple[str, ...]
) -> pd.DataFrame:
    """Give these rows other targets that are as possible: the next class, or values mirrored within their range."""
    changed = train.copy()
    for name in names_of(facts["target"]):
        values = changed[name].to_numpy(copy=True)
        if classes:
            following = dict(zip(classes, (*classes[1:], classes[0]), strict=True))
            values[rows] = [following[str(label)] for label in values[rows]]
        else:
            values[rows] = values.min() + values.max() - values[rows]
        changed[name] = values
    return changed
