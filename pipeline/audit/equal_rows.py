"""Do rows with equal features lie in train and test, or on both sides of a fold: copies, not coincidences?

Coincidences of coarse columns come with at least as many rows that differ in one column alone; copies do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import Finding, holm

if TYPE_CHECKING:
    from pipeline.types import Folds, Table

READS = ("table", "folds")
MOST_COLUMNS = 100
RATIO = 2.0
"""Equal rows across train and test this much more, or less, frequent than across folds: the folds do not show it."""


@dataclass(frozen=True)
class Twins:
    """Of n_rows, how many have an equal row on the other side, and how many (these, too) one but for one column."""

    n_rows: int
    equal: int
    near: int

    @property
    def share(self) -> float:
        return self.equal / max(self.n_rows, 1)

    def p_value(self) -> float:
        """Return how likely so many equal rows are, of all that are equal or near, if both are as frequent."""
        from scipy.stats import binom

        return float(binom.sf(self.equal - 1, self.equal + self.near, 0.5)) if self.equal else 1.0

    def told(self) -> str:
        share = f"{self.equal} of {self.n_rows} rows ({100 * self.share:.2f} %)"
        return f"{share}; {self.near} have one that differs in one column alone"


def check(table: Table, folds: Folds) -> list[Finding]:
    """Compare test with train, and each fold's validation rows with its training rows."""
    from pipeline.row_hashes import row_hashes

    train, test = row_hashes([table.train, table.test])
    outer = twins_of(test, train)
    inner = _across(train, folds)
    targets = _targets(table, train)
    copies = holm([outer.p_value(), inner.p_value(), _differ(outer, inner)])
    places = (("rows of test", "train and test", outer), ("validation rows", "folds", inner))
    found = []
    for (who, where, twins), copied in zip(places, copies, strict=False):
        if not twins.equal:
            continue
        if copied:
            todo = (
                "drop the copies, or state what is copied as groups, so that folds keep it together; "
                "what is in train and test alike can be looked up, which may not be what you want to measure"
            )
            what = f"copies across {where}"
            found.append(
                Finding("warning", what, f"{who} that equal a training row", f"{twins.told()}; {targets}", todo)
            )
        else:
            why = "as coarse columns bring" if twins.near >= twins.equal else "too few to tell copies from chance"
            what = f"equal features across {where}, {why}"
            found.append(Finding("note", what, f"{who} that equal a training row", f"{twins.told()}; {targets}"))
    if copies[2] and not copies[:2].any():
        found.append(_uneven(outer, inner))
    return found


def _uneven(outer: Twins, inner: Twins) -> Finding:
    strength = f"{100 * outer.share:.2f} % of test, {100 * inner.share:.2f} % of validation rows"
    todo = "folds must be as hard as test: keep equal rows in one fold (state them as groups), or sample as test does"
    what = "test rows equal training rows more often, or less, than validation rows do"
    return Finding("warning", what, "rows that equal a training row", strength, todo)


def twins_of(asked: np.ndarray, known: np.ndarray) -> Twins:
    """Look for each asked row (n, d) among the known ones (m, d)."""
    ours, theirs = asked.sum(axis=1), known.sum(axis=1)
    same, near = _counts(ours, theirs), np.zeros(len(ours), dtype=bool)
    columns = np.random.default_rng(0).permutation(asked.shape[1])[:MOST_COLUMNS]
    for column in columns if asked.shape[1] > 1 else ():
        # a row that has an equal one may be near another: where columns are coarse enough, all rows are both
        near |= _counts(ours - asked[:, column], theirs - known[:, column]) > same
    return Twins(len(ours), int((same > 0).sum()), int(near.sum()))


def _counts(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how often each asked number (n,) is among the known ones (m,)."""
    known = np.sort(known)
    return np.searchsorted(known, asked, "right") - np.searchsorted(known, asked, "left")


def _across(train: np.ndarray, folds: Folds) -> Twins:
    """Add up all folds of the first repeat; where rows of no fold have a twin anywhere, none is compared."""
    rows = np.sort(train.sum(axis=1))
    if not (rows[1:] == rows[:-1]).any():
        return Twins(int(folds.covered[0].sum()), 0, 0)
    each = [twins_of(train[folds.valid_rows(0, f)], train[folds.train_rows(0, f)]) for f in range(folds.n_folds)]
    return Twins(sum(t.n_rows for t in each), sum(t.equal for t in each), sum(t.near for t in each))


def _differ(outer: Twins, inner: Twins) -> float:
    """Return the p-value of equal shares across test and across folds; 1 where they are within RATIO of each other."""
    from scipy.stats import fisher_exact

    low, high = sorted((outer.share, inner.share))
    if high < RATIO * low or not high:
        return 1.0
    return float(fisher_exact([[one.equal, one.n_rows - one.equal] for one in (outer, inner)]).pvalue)


def _targets(table: Table, train: np.ndarray) -> str:
    """Say whether training rows with equal features have equal targets."""
    _, code, count = np.unique(train.sum(axis=1), return_inverse=True, return_counts=True)
    rows = np.flatnonzero(count[code] > 1)
    if not len(rows):
        return "no two training rows are equal"
    order = rows[np.argsort(code[rows], kind="stable")]
    pairs = np.flatnonzero(code[order][1:] == code[order][:-1])
    one, other = table.target[order[pairs]], table.target[order[pairs + 1]]
    same = float((one == other).mean())
    if table.task.classes:
        by_chance = float(
            (np.bincount(table.target) / len(table.target) @ np.bincount(table.target)) / len(table.target)
        )
        return f"of {len(pairs)} pairs in train {100 * same:.0f} % have one target ({100 * by_chance:.0f} % by chance)"
    far = float(np.mean(np.mean((one - other) ** 2, axis=0) / np.maximum(2 * table.target.var(axis=0), 1e-12)))
    apart = f"they differ by {100 * np.sqrt(far):.0f} % of what any two rows do"
    return f"of {len(pairs)} pairs in train {100 * same:.0f} % have one target; {apart}"
