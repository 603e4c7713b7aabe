"""Does a single column predict the target too well: nearly perfectly, or far better than all others together?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import LEVEL, Finding
from pipeline.audit._one_column import Skill, bins_of, folds_of, outputs, skill
from pipeline.seeds import derive
from pipeline.targets import alone

if TYPE_CHECKING:
    from pipeline.types import Table

READS = ("table",)
PERFECT = 0.9
HIGH = 0.5
FAR = 0.5
"""A column is far above the others where it leaves unexplained at most this share of what they leave together."""
MOST_ROWS = 5_000


def check(table: Table) -> list[Finding]:
    """Cross-fit every column alone (means of 64 bins), and compare the best of them with a model of all others."""
    tables = alone(table)
    found = [_check(own, LEVEL / len(tables)) for own in tables]
    names = table.task.targets
    return [
        replace(finding, where=f"{finding.where} ({names[place]})") if names else finding
        for place, own in enumerate(found)
        for finding in own
    ]


def _check(table: Table, level: float) -> list[Finding]:
    from scipy.stats import norm

    fold = folds_of(len(table.train), table.groups, derive(0, "one column"))
    wanted = outputs(table)
    skills = {str(name): skill(bins_of(table.train[name]), wanted, fold) for name in table.train}
    width = norm.isf(level / len(skills))
    surely = {name: one.value - width * one.se for name, one in skills.items()}
    first, *rest = sorted(skills, key=lambda name: -skills[name].value)
    found = [_finding(name, skills[name], None) for name in (first, *rest) if surely[name] >= PERFECT]
    if found or not rest or surely[first] < HIGH or not _far_above(surely[first], skills[rest[0]].value):
        return found  # all others together are hardly worse than the best of them
    others = _others(table, first, wanted, fold)
    if _far_above(surely[first], others.value + width * others.se):
        found.append(_finding(first, skills[first], others))
    return found


def _far_above(one: float, others: float) -> bool:
    return 1 - one <= FAR * (1 - others)


def _finding(name: str, one: Skill, others: Skill | None) -> Finding:
    strength = f"alone it explains {100 * one.value:.1f} ± {100 * one.se:.1f} % of the target, cross-fitted"
    if others is not None:
        strength += f"; all other columns together {100 * others.value:.1f} ± {100 * others.se:.1f} %"
    todo = (
        "find out whether it is known when predictions are due, and holds in test; if not, list it under [columns] drop"
    )
    return Finding("warning", "a column predicts the target too well by itself", f"column {name}", strength, todo)


def _others(table: Table, name: str, wanted: np.ndarray, fold: np.ndarray) -> Skill:
    """Cross-fit boosted trees on all columns but one; on few enough rows to be quick."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = np.random.default_rng(derive(0, "others")).permutation(len(fold))[:MOST_ROWS]
    columns = [column for column in table.train if column != name]
    numbers = [table.train[c].cat.codes if c in table.categorical else table.train[c] for c in columns]
    X = np.stack([np.asarray(column, dtype=np.float64)[rows] for column in numbers], axis=1)
    y, own = wanted[rows], fold[rows]
    lost, blind = np.zeros(len(rows)), np.zeros(len(rows))
    for one in np.unique(own):
        held = own == one
        for output in range(y.shape[1] if y.shape[1] > 2 else 1):
            known = y[~held, output]
            model = HistGradientBoostingRegressor(max_iter=100, random_state=0).fit(X[~held], known)
            lost[held] += (y[held, output] - model.predict(X[held])) ** 2
            blind[held] += (y[held, output] - known.mean()) ** 2
    return Skill.of(lost, blind)
