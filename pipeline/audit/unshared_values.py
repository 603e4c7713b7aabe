"""Do columns hold values in test that train never shows, or the other way round, more often than chance brings?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import Finding, holm

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.types import Table

READS = ("table",)
LEAST = 0.02
"""Share of rows from which on it matters, beyond chance."""
RATIO = 2.0
"""So many times what chance brings: values that hang together (families share a cabin) come unshared more often."""


def check(table: Table) -> list[Finding]:
    """Compare each column's unshared values, and numbers beyond the other side's range, with a cut at random.

    Where rows hang together, or test is known to be later, the cut was none at random: nothing is looked for.

    A value that stands in c rows is in test alone with chance q^c, q being test's share of the rows; of the k largest
    numbers all are test's with chance q^k.
    """
    if table.groups is not None or table.time is not None:
        stated = "groups" if table.groups is not None else "time"
        return [Finding("note", "not looked for", "all columns", f"by {stated} test is not a random cut of rows")]
    figures = []
    for name in table.train:
        for side, own, other in (
            ("test", table.test[name], table.train[name]),
            ("train", table.train[name], table.test[name]),
        ):
            figures += [(str(name), side, *figure) for figure in (_alone(own, other), _missing(own, other))]
            if str(name) in table.numeric:
                figures.append((str(name), side, *_beyond(own, other)))
    significant = holm([p for *_, p in figures])
    todo = (
        "if test is later than train, state time in competition.toml and split by time; "
        "else leave the column out, or see to it that models can do without those values"
    )
    found = []
    for (name, side, words, share, expected, p), real in zip(figures, significant, strict=True):
        if real and share >= max(expected + LEAST, RATIO * expected):
            strength = f"{100 * share:.1f} % of {side}'s rows, {100 * expected:.1f} % by chance, p = {p:.1g}"
            found.append(Finding("warning", f"{words} in {side} only", f"column {name}", strength, todo))
    return found


def _alone(own: pd.Series, other: pd.Series) -> tuple[str, float, float, float]:
    """Return the share of rows whose value the other side never shows, what chance brings, and a p-value.

    Missing ones are no value here: of a column of numbers that are all different they would be hidden among these.
    """
    import pandas as pd
    from scipy.stats import norm

    codes, distinct = pd.factorize(pd.concat([own, other]))
    parts = codes[: len(own)], codes[len(own) :]
    mine, theirs = (np.bincount(part[part >= 0], minlength=len(distinct)) for part in parts)
    every = mine + theirs
    chance = (len(own) / max(len(codes), 1)) ** every
    expected, spread = (every * chance).sum(), np.sqrt((every**2 * chance * (1 - chance)).sum())
    found = mine[theirs == 0].sum()
    p = norm.sf((found - expected) / spread) if spread > 0 else 1.0
    return "values", found / max(len(own), 1), expected / max(len(own), 1), float(p)


def _missing(own: pd.Series, other: pd.Series) -> tuple[str, float, float, float]:
    """Return the same for missing values, where the other side has none."""
    n = 0 if other.isna().any() else int(own.isna().sum())
    chance = (len(own) / max(len(own) + len(other), 1)) ** n
    return "missing values", n / max(len(own), 1), n * chance / max(len(own), 1), chance


def _beyond(own: pd.Series, other: pd.Series) -> tuple[str, float, float, float]:
    """Return the same for numbers above the other side's largest or below its smallest."""
    n_above, n_below = int((own > other.max()).sum()), int((own < other.min()).sum())
    q = len(own) / max(len(own) + len(other), 1)
    expected = 2 / max(len(other), 1)
    return (
        "numbers out of range",
        (n_above + n_below) / max(len(own), 1),
        expected,
        min(1.0, 2 * q ** max(n_above, n_below)),
    )
