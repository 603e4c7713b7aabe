"""Do folds keep apart what belongs together: groups, time, and rows with the same id?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import Finding
from pipeline.wording import first_few

if TYPE_CHECKING:
    from pipeline.types import Folds, Table

READS = ("table", "folds")


def check(table: Table, folds: Folds) -> list[Finding]:
    """Compare the training rows of every fold with those that it validates, and with those that it stops on."""
    found = []
    for held, rows in (("validation", folds.valid_rows), ("stopping", folds.stop_rows)):
        train = folds.train_rows if held == "validation" else folds.inner_rows
        pairs = [(f"repeat {r}, fold {f}", train(r, f), rows(r, f)) for r, f in folds]
        found += _shared("group", table.groups, pairs, held)
        found += _shared("id", table.train_ids, pairs, held)
        found += _later(table.time, pairs, held)
    return found


def _shared(
    what: str, labels: np.ndarray | None, pairs: list[tuple[str, np.ndarray, np.ndarray]], held: str
) -> list[Finding]:
    """Find labels that a fold has among its training rows and among the rows it holds out."""
    if labels is None:
        return []
    codes = np.unique(labels, return_inverse=True)[1]
    where, cut, n_held = [], np.zeros(len(codes), dtype=bool), 0
    for place, train, rows in pairs:
        torn = rows[np.isin(codes[rows], codes[train])]
        cut[torn] = True
        n_held += len(rows)
        where += [place] if len(torn) else []
    if not where:
        return []
    examples = first_few(dict.fromkeys(labels[cut].tolist()), 3)
    todo = (
        'set [split] kind = "group" or "stratified_group" in the experiment'
        if what == "group"
        else "every row needs an id of its own; rows of one thing are a group: set groups in competition.toml"
    )
    strength = f"{int(cut.sum())} of {len(cut)} rows ({100 * cut.mean():.1f} %), such as {what} {examples}"
    return [Finding("leak", f"the same {what} in training and {held} rows", first_few(where), strength, todo)]


def _later(time: np.ndarray | None, pairs: list[tuple[str, np.ndarray, np.ndarray]], held: str) -> list[Finding]:
    """Find folds that train on rows as late as, or later than, the first of those they hold out."""
    if time is None:
        return []
    late = {place: float((time[train] >= time[rows].min()).mean()) for place, train, rows in pairs}
    late = {place: share for place, share in late.items() if share > 0}
    if not late:
        return []
    strength = f"up to {100 * max(late.values()):.1f} % of a fold's training rows"
    todo = 'set [split] kind = "time" in the experiment; if test is not later, take time out of competition.toml'
    return [Finding("leak", f"training rows that are later than {held} rows", first_few(late), strength, todo)]
