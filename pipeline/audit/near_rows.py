"""Do validation rows have near copies among training rows, and test rows none: one row several times, with noise?

Near copies are far closer than the rows next to them, however densely rows lie there. How much closer some rows are by
chance, drift or not, is shown by those test rows that a classifier takes for test's as much as the validation rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import LEVEL, Finding
from pipeline.seeds import derive

if TYPE_CHECKING:
    from pipeline.types import Folds, Table

READS = ("table", "folds")
FEWEST_ROWS = 50
MOST_TOLD_APART = 10_000
MOST_ASKED = 1_000
MOST_KNOWN = 20_000
MOST_COLUMNS = 100
AT_ONCE = 64
NEXT = 5
"""The nearest training row is compared with the one in this place."""
PLACES = (1, 2, 4, 8, 16, 32, 64)
"""Places of training rows by distance, between which the widest gap is looked for."""
STRATUM = 50
"""Rows of both sides, equally likely to be test's, of which each is compared with each."""
ALIKE = 0.25
"""Share of the smaller side that must be comparable: of fewer rows near copies cannot be told from drift."""
LEAST = 0.05
"""Share of pairs beyond one half from which on it matters, as a near copy of every tenth row brings it."""
PAIRED = np.sqrt(2)
"""Two rows that are nearest to each other count twice: the variance is up to double."""


def check(table: Table, folds: Folds) -> list[Finding]:
    """Compare validation rows with test rows: how close is the nearest training row, how wide the gap behind the near?

    Both must tell: the first also does where test's rows lie beside what train's columns have in common, the second
    where rows lie in clusters of which test has few.
    """
    from scipy.stats import norm

    if table.groups is not None or table.time is not None:
        stated = "groups" if table.groups is not None else "time"
        return [Finding("note", "not looked for", "validation rows", f"{stated} say what folds must not cut")]
    if min(len(table.train), len(table.test)) < FEWEST_ROWS:
        return []
    own, others, own_by, others_by = _sides(table, folds)
    if min(len(own), len(others)) < FEWEST_ROWS:
        return []  # nearly all rows equal a training row
    told = [compare(own[:, sign], others[:, sign], own_by, others_by) for sign in range(2)]
    share, z, comparable = map(min, *told)
    if comparable < ALIKE:
        why = "too few of test's rows are like those of train to tell near copies from drift"
        return [Finding("note", "not looked for", "validation rows", why)]
    if share < 0.5 + LEAST or z < PAIRED * norm.isf(LEVEL):
        return []
    (near, z_near, _), (gap, z_gap, _) = told
    strength = (
        f"in {100 * near:.0f} % of pairs the nearest training row, beside the next ones, is closer to the validation "
        f"row than to a test row like it (50 % by chance, z = {z_near:.1f}), and in {100 * gap:.0f} % the gap behind "
        f"the nearest ones is wider (z = {z_gap:.1f})"
    )
    todo = (
        "find what rows share (a patient, a machine, one row with noise added) and state it as groups in "
        "competition.toml, or time where rows follow each other: a fold has as good as seen the rows it validates, "
        "which it will not have of test's"
    )
    return [Finding("warning", "near copies across folds", "validation rows", strength, todo)]


def compare(
    own: np.ndarray, others: np.ndarray, own_by: np.ndarray, others_by: np.ndarray
) -> tuple[float, float, float]:
    """Return the share of pairs with own (n,) below others (m,), its z, and the share of rows that were comparable.

    own_by (n,), others_by (m,): pairs are of rows that are alike in these, which make the strata.
    Source: van Elteren 1960, "On the combination of independent two-sample tests of Wilcoxon".
    """
    from scipy.stats import rankdata

    by = np.concatenate([own_by, others_by])
    edges = np.quantile(by, np.linspace(0, 1, max(1, len(by) // STRATUM) + 1)[1:-1])
    strata = np.searchsorted(edges, own_by), np.searchsorted(edges, others_by)
    more = pairs = z = variance = comparable = 0.0
    for stratum in range(len(edges) + 1):
        mine, theirs = own[strata[0] == stratum], others[strata[1] == stratum]
        n, m = len(mine), len(theirs)
        if not n or not m:
            continue
        ranks = rankdata(np.concatenate([mine, theirs]))
        above = ranks[n:].sum() - m * (n + m + 1) / 2
        more, pairs, comparable = more + above, pairs + n * m, comparable + min(n, m)
        z += above / (n + m + 1)
        variance += n * m * ranks.var() / (n + m - 1) / (n + m + 1) ** 2
    smaller = max(1, min(len(own), len(others)))
    return 0.5 + more / max(pairs, 1), z / np.sqrt(variance) if variance else 0.0, comparable / smaller


def _sides(table: Table, folds: Folds) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the signs of validation rows (n, 2) and of test rows (m, 2), and how likely each is to be test's.

    Rows that equal a training row are left out of both: copies are another check's.
    """
    from pipeline.honesty.drift import told_apart

    rng = np.random.default_rng(derive(0, "near rows"))
    values, n_train = _values(table, rng), len(table.train)
    tests = np.array_split(n_train + rng.permutation(len(table.test))[:MOST_ASKED], folds.n_folds)
    asked: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    found: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    for fold, test in enumerate(tests):
        known = values[rng.permutation(folds.train_rows(0, fold))[:MOST_KNOWN]]
        valid = rng.permutation(folds.valid_rows(0, fold))[: MOST_ASKED // folds.n_folds]
        for side, rows in enumerate((valid, test)):
            signs = signs_of(values[rows], known)
            new = np.isfinite(signs).all(axis=1)
            asked[side].append(rows[new])
            found[side].append(signs[new])
    ours, theirs = map(np.concatenate, asked)
    chosen = (
        np.union1d(ours, rng.permutation(n_train)[:MOST_TOLD_APART]),
        np.union1d(theirs, n_train + rng.permutation(len(table.test))[:MOST_TOLD_APART]),
    )
    likely = np.full(len(values), np.nan)
    likely[np.concatenate(chosen)], _ = told_apart(
        table.train.iloc[chosen[0]], table.test.iloc[chosen[1] - n_train], None, rng, derive(0, "near rows")
    )
    return np.concatenate(found[0]), np.concatenate(found[1]), likely[ours], likely[theirs]


def _values(table: Table, rng: np.random.Generator) -> np.ndarray:
    """Return train's and then test's rows (n, d), ranks from 0 to 1 or codes of levels, which are 1 apart at most.

    Ranks of distinct values: a value that stands in many rows of one file moves no others apart.
    """
    import pandas as pd

    both = pd.concat([table.train, table.test], ignore_index=True)
    columns = []
    for place in rng.permutation(both.shape[1])[:MOST_COLUMNS]:
        column = both.iloc[:, place]
        numbers = column.dtype.kind == "f"
        columns.append(
            (column.rank(method="dense", pct=True) if numbers else column.cat.codes).fillna(2).to_numpy(np.float32)
        )
    return np.stack(columns, axis=1)


def signs_of(asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return of asked rows (n, d) two signs of near copies (n, 2), smaller where there are some; NaN for equal rows.

    The log of the distance to the nearest known row / to the NEXT-th, and minus the widest of the gaps between the logs
    of distances in PLACES, as a share of all: how dense rows are, and in how many dimensions, changes no such share.
    """
    places = [place for place in PLACES if place <= len(known) // 4]
    last = max(NEXT, places[-1])
    found = np.empty((len(asked), 2))
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        distance = np.zeros((len(some), len(known)), dtype=np.float32)
        for own, other in zip(some.T, known.T, strict=True):
            distance += np.minimum(np.abs(own[:, None] - other), 1)
        nearest = np.sort(np.partition(distance, last - 1, axis=1)[:, :last], axis=1)
        log = np.log(np.where(nearest > 0, nearest, np.nan))
        gaps = np.diff(log[:, np.array(places) - 1], axis=1)
        widest = gaps.max(axis=1) / np.maximum(gaps.sum(axis=1), 1e-12)
        found[start : start + AT_ONCE] = np.stack([log[:, 0] - log[:, NEXT - 1], -widest], axis=1)
    return found
