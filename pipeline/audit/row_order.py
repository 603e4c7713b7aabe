"""Do ids, or the order of the rows, predict the target?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._deal import deal
from pipeline.audit._finding import LEVEL, Finding, holm
from pipeline.audit._one_column import bins_of, folds_of, outputs, skill
from pipeline.seeds import derive
from pipeline.targets import alone

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.types import Table

READS = ("table",)
N_PERMUTATIONS = 999
MOST_ROWS = 5_000
BINS = 20
ALIKE = 0.99
LEAST = 0.005
"""Share of the target from which on it matters; what is real but weaker is a note."""
SAME = 20
"""Permutations at least as good as the truth after which a test is over: its p-value is at least SAME / 999."""


def check(table: Table) -> list[Finding]:
    """Cross-fit the target from the row's place, from its neighbour's target and from the numbers in its id.

    Each is compared with targets in permuted order, groups as a whole; neighbours of one group are left out.
    """
    rng = np.random.default_rng(derive(0, "row order"))
    figures = {}
    for target, own in zip(table.task.targets or ("",), alone(table), strict=True):
        wanted, about = outputs(own), f" ({target})" * bool(target)
        for name, (codes, rows) in _tests(own).items():
            figures[name + about] = _permutation_test(codes, wanted, table.groups, rows, rng)
    if not figures:
        return []
    significant = holm([p for _, _, p in figures.values()])
    found = []
    for (name, (value, chance, p)), real in zip(figures.items(), significant, strict=True):
        if not real:
            continue
        shuffled = f"99 of 100 shuffled ones less than {100 * chance:.2f} %, p = {p:.2g}"
        strength = f"explains {100 * value:.2f} % of the target, cross-fitted ({shuffled})"
        if table.time is not None:
            found.append(Finding("note", "rows lie in the order of time, and the target drifts", name, strength))
            continue
        if value < LEAST:
            found.append(Finding("note", "order predicts the target, too weakly to matter", name, strength))
            continue
        todo = (
            "it holds in test only if test was cut at random: keep id and order out of the features unless it was; "
            "and if rows were gathered over time, state time in competition.toml"
        )
        found.append(Finding("warning", "the order of rows or ids predicts the target", name, strength, todo))
    return found


def _tests(table: Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by name codes (n,) and the rows that are judged."""
    import pandas as pd

    n_rows = len(table.train)
    place = pd.Series(np.arange(n_rows, dtype=np.float64))
    every = np.arange(n_rows)
    tests = {"the row's place in the file": (bins_of(place, BINS), every)}
    before = np.maximum(every - 1, 0)
    target = pd.Series(table.target)
    near = every[1:] if table.groups is None else every[1:][table.groups[1:] != table.groups[:-1]]
    tests["the target of the row before"] = (bins_of(target, BINS)[before], near)
    for name, numbers in _numbers(table.train_ids).items():
        if numbers.nunique() > 1 and abs(numbers.corr(place, method="spearman")) < ALIKE:
            tests[name] = (bins_of(numbers, BINS), every)
    return tests


def _numbers(ids: np.ndarray) -> dict[str, pd.Series]:
    """Return what numbers an id holds: itself, or those in its text, and how long that is."""
    import pandas as pd

    column = pd.Series(ids)
    if pd.api.types.is_numeric_dtype(column):
        return {"the id": column.astype(np.float64), "the id's last digit": (column % 10).astype(np.float64)}
    text = column.astype(str)
    found = text.str.extractall(r"(\d{1,15})")[0].astype(np.float64).unstack()
    numbers = {f"number {place + 1} in the id": found[place].reindex(text.index) for place in range(found.shape[1])}
    letters = text.str.replace(r"\d", "", regex=True)
    return numbers | {
        "the id's length": text.str.len().astype(np.float64),
        "the id's letters": pd.Series(pd.factorize(letters)[0], dtype=np.float64),
    }


def _permutation_test(
    codes: np.ndarray, wanted: np.ndarray, groups: np.ndarray | None, rows: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return the skill, the best that LEVEL of the permutations reach, and the p-value; over early if it is large."""
    rows = np.sort(rng.permutation(rows)[:MOST_ROWS])
    if len(rows) < 2 * BINS:
        return 0.0, 0.0, 1.0
    codes, y, blocks = codes[rows], wanted[rows], None if groups is None else groups[rows]
    fold = folds_of(len(rows), blocks, derive(0, "row order"))
    truth = skill(codes, y, fold).value
    shuffled: list[float] = []
    while len(shuffled) < N_PERMUTATIONS and sum(value >= truth for value in shuffled) < SAME:
        shuffled.append(skill(codes, y[deal(len(y), blocks, rng)], fold).value)
    n_better = sum(value >= truth for value in shuffled)
    return truth, max(0.0, float(np.quantile(shuffled, 1 - LEVEL))), (1 + n_better) / (1 + len(shuffled))
