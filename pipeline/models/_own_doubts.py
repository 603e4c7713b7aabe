"""What makes predictions that come from elsewhere too good to be true, in comparison with our own entries.

1. Their error is below 0.7 of our best entry's (paired t-test of Nadeau and Bengio 2003, p < 0.01). Between good
   models of the same columns errors differ by a few percent.
2. They gain more over one of our entries than they differ from it. Of predictions p that are right on average, given
   what they know, and any others q, E[(p - q)(target - q)] = E[(p - q)^2]; the left side is measured on training rows,
   the right one on test rows, whose targets nobody has seen. Who has seen targets gains much on the first and claims
   little on the second. Refused where the left is more than 1.5 times the right by three standard errors.

Among our own models, all pairs of eight on Titanic and six on House Prices, the left side was 1.43 times the right at
most; a random forest's predictions for the rows that it was fitted on: 2 to 12 times.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.transforms.target import fit_targets
from pipeline.types import CrossFit, Folds, Table
from pipeline.uncertainty import paired_difference, rows_ratio

TOO_GOOD, P_VALUE = 0.7, 0.01
TOO_MUCH, STANDARD_ERRORS = 1.5, 3.0


def doubts(entry: CrossFit, others: Mapping[str, CrossFit], table: Table, folds: Folds) -> list[str]:
    """Return what speaks against an entry, in words; nothing if it may be true, or if there is nothing to compare."""
    ours = {name: other for name, other in others.items() if not other.reference}
    if not ours:
        return []
    best = min(ours, key=lambda name: float(ours[name].fold_errors.mean()))
    worst = max(ours, key=lambda name: _excess(entry, ours[name], table, folds))
    said = [_too_good(entry, ours[best], best, table, folds), _too_much(entry, ours[worst], worst, table, folds)]
    return [doubt for doubt in said if doubt]


def _too_good(entry: CrossFit, other: CrossFit, name: str, table: Table, folds: Folds) -> str:
    found, usual = float(entry.fold_errors.mean()), float(other.fold_errors.mean())
    difference = paired_difference(entry.fold_errors, other.fold_errors, rows_ratio(folds))
    if found >= TOO_GOOD * usual or difference.p_value >= P_VALUE:
        return ""
    metric = table.task.metric
    return (
        f"too good to be true: {metric.name} {metric.as_score(found):.5f}, where the best of our models, '{name}', "
        f"has {metric.as_score(usual):.5f}"
    )


def _too_much(entry: CrossFit, other: CrossFit, name: str, table: Table, folds: Folds) -> str:
    if _excess(entry, other, table, folds) < STANDARD_ERRORS:
        return ""
    gained, claimed = _gained_and_claimed(entry, other, table, folds)
    times = f"{gained.mean() / claimed.mean():.1f} times what its" if claimed.any() else "something, where no"
    return f"it seems to have seen targets: its gain over '{name}' is {times} differences on test rows allow"


def _excess(entry: CrossFit, other: CrossFit, table: Table, folds: Folds) -> float:
    """Return by how many standard errors the gain is more than TOO_MUCH times what is claimed."""
    gained, claimed = _gained_and_claimed(entry, other, table, folds)
    spread = gained.var() / len(gained) + TOO_MUCH**2 * claimed.var() / len(claimed)
    return float((gained.mean() - TOO_MUCH * claimed.mean()) / max(np.sqrt(spread), 1e-12))


def _gained_and_claimed(entry: CrossFit, other: CrossFit, table: Table, folds: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Return (p - q)(target - q) of the training rows and (p - q)^2 of the test rows, on the scale that is learnt."""
    covered = folds.covered[0]
    classes = len(table.task.classes)
    truth = np.eye(classes)[table.target] if classes else table.target.reshape(len(table.target), -1)
    scale = None if classes else fit_targets("auto", table.target, table.task)
    arrays = (truth[covered], entry.oof[0, covered], other.oof[0, covered], entry.test, other.test)
    y, p, q, p_test, q_test = arrays if scale is None else map(scale.forward, arrays)
    return ((p - q) * (y - q)).sum(axis=1), ((p_test - q_test) ** 2).sum(axis=1)
