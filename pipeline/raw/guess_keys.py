"""By what a competition's rows are known: the id, and the columns by which other files are joined to them."""

from __future__ import annotations

import math
import re
from itertools import combinations, permutations

from pipeline.errors import ConfigError
from pipeline.raw.beside import BETWEEN, Beside, composed
from pipeline.raw.kinds import identifiers, numbers
from pipeline.raw.sheet import Sheet, blank_missing
from pipeline.wording import first_few

MOST_KEYS = 3  # columns that a file beside train and test is joined by, or an id is made up of
MOST_SHARED = 12  # columns that such a file has in common with ours; one with more holds rows like ours
MOST_ROWS = 0.5  # share of the rows of train, and of test, that must have one in such a file
MOST_PARTS = 40  # columns of a file among which those of an id are looked for
BY_HAND = "write experiments/<slug>/competition.toml by hand, like experiments/titanic/competition.toml"


def find_id(train: Sheet, test: Sheet, sample: Sheet | None) -> tuple[str, list[str] | int | None, str]:
    """Return the id's name, what it is made of where the sample alone has it (`id_from`), and why."""
    if sample is None:
        return _unique(train, test), None, "unique in test"
    name, why = sample.columns[0], "first column of the sample"
    if name in test.columns:
        return name, None, why
    if (first := _number_of_first(test, sample)) is not None:
        return name, first, f"{why}, the number of the row, from {first} on"
    parts = _parts_of_id(train, test, sample)
    return name, parts, f"{why}, made up of {', '.join(parts)}"


def _unique(train: Sheet, test: Sheet) -> str:
    shared = [name for name in test.columns if name in train.columns]
    for name in sorted(shared, key=lambda name: not re.search(r"(?i)id$", name)):
        ids = identifiers(test.cells[name])
        amounts = ids.dtype == object and numbers(blank_missing(test.cells[name])) is not None
        if ids.is_unique and ids.notna().all() and not amounts:
            return name
    found = f"no column of {test.name} has a different value in every row, fractions apart: there is no id"
    raise ConfigError(found, hint=f'{BY_HAND}; id = "id" and id_from = 0 number the rows')


def _number_of_first(test: Sheet, sample: Sheet) -> int | None:
    """Return the number of test's first row, where the sample's ids count its rows."""
    asked = sample.cells[sample.columns[0]].to_pylist()
    counts = [first for first in (0, 1) if asked == [str(first + row) for row in range(test.cells.num_rows)]]
    return counts[0] if counts else None


def _parts_of_id(train: Sheet, test: Sheet, sample: Sheet) -> list[str]:
    """Return the columns of test of which the sample's ids are made up."""
    asked = sample.cells[sample.columns[0]].to_pylist()
    first, known = {name: test.cells[name][0].as_py() for name in test.columns if name in train.columns}, set(asked)
    found = []
    for size in range(2, MOST_KEYS + 1) if len(first) <= MOST_PARTS else ():
        for parts in permutations(first, size):
            if BETWEEN.join(first[name] for name in parts) in known:
                ids = composed(test, parts).to_pylist()
                if ids == asked:
                    return list(parts)
                found += [list(parts)] if set(ids) == known else []
    if len(found) == 1:
        return found[0]
    if found:
        ways = first_few(map(BETWEEN.join, found), 4, " or ")
        raise ConfigError(
            f"the ids of {sample.name} may be made up of test's columns in several ways: {ways}",
            hint=f"{BY_HAND}; id_from lists the columns in their order",
        )
    raise ConfigError(
        f"the first column of {sample.name} is {sample.columns[0]!r}, which {test.name} does not have "
        f"(it has {first_few(test.columns, 10)}): which column is the id cannot be told",
        hint=f"{BY_HAND}; where the id is made up of columns, id_from lists them",
    )


def joined(sheet: Sheet, train: Sheet, test: Sheet, id_column: str) -> Beside | None:
    """Return a file as joined by the fewest columns that tell its rows apart, where most of ours have a row there.

    By the id only where nothing else does: many a file just counts its own rows.
    """
    shared = [name for name in sheet.columns if name in train.columns and name in test.columns]
    others = [name for name in shared if name != id_column]
    return _joined(sheet, others, train, test) or _joined(sheet, shared, train, test)


def _joined(sheet: Sheet, shared: list[str], train: Sheet, test: Sheet) -> Beside | None:
    if len(shared) > MOST_SHARED or set(sheet.columns) <= set(train.columns):
        return None
    levels = {name: len(sheet.cells[name].unique()) for name in shared}
    for size in range(1, MOST_KEYS + 1):
        for on in combinations(shared, size):
            enough = math.prod(levels[name] for name in on) >= sheet.cells.num_rows
            table = Beside(sheet.name, on, sheet.cells)
            if enough and not table.repeated.any() and min(map(table.share_of, (train, test))) >= MOST_ROWS:
                return table
    return None
