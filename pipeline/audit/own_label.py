"""Do transforms that learn from the target keep a training row's own label out of its encoding?"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.audit._finding import Finding
from pipeline.audit._one_column import bins_of
from pipeline.seeds import derive

if TYPE_CHECKING:
    from pipeline.types import Table

READS = ("table", "transforms")
MOST_ROWS, MOST_COLUMNS, N_TRIED = 2_000, 5, 10


def check(table: Table, transforms: dict[str, ModuleType]) -> list[Finding]:
    """Change the label of one row after another and compare the encoding that fitting gives it.

    Tried on codes of the table's columns with most levels (numbers in 64 bins).
    """
    rng = np.random.default_rng(derive(0, "own label"))
    rows = rng.permutation(len(table.train))[:MOST_ROWS]
    codes = _codes(table)[rows]
    found = []
    for name, transform in transforms.items():
        if not getattr(transform, "USES_TARGET", False):
            continue
        moved = sum(_moves(transform, codes, table, rows, row) for row in range(min(N_TRIED, len(rows))))
        if moved:
            strength = f"in {moved} of {min(N_TRIED, len(rows))} rows that were tried"
            todo = "encode fitted rows out of fold, as pipeline/transforms/target_encode.py does"
            found.append(Finding("leak", "a row's encoding holds its own label", f"transform {name}", strength, todo))
    return found


def _codes(table: Table) -> np.ndarray:
    codes = [bins_of(table.train[name]) for name in (*table.categorical, *table.numeric)[:50]]
    codes.sort(key=lambda column: -int(column.max(initial=0)))
    return np.stack(codes[:MOST_COLUMNS], axis=1).astype(np.int64)


def _moves(transform: ModuleType, codes: np.ndarray, table: Table, rows: np.ndarray, row: int) -> bool:
    """Return whether another label of this row changes its own encoding."""
    n_classes, target = len(table.task.classes), table.target[rows]
    other = target.copy()
    other[row] = (
        (target[row] + 1) % n_classes if n_classes else target.min(axis=0) + target.max(axis=0) + 1 - target[row]
    )
    one, two = (transform.fit(codes, values, n_classes=n_classes)[1][row] for values in (target, other))
    return not np.array_equal(one, two)
