"""Do extra rows equal test's rows more often, or less, than they equal those of train: is what they give away shown?

Unless they are kept, copies of train's rows are left out before; those of test's hold what is to be predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.audit._finding import LEVEL, Finding
from pipeline.audit.equal_rows import Twins, twins_of

if TYPE_CHECKING:
    from pipeline.extra.rows import Extra
    from pipeline.types import Table

READS = ("table", "extra")
BETTER = (
    "leave these rows out of the file: they hold targets of test's rows, or of rows just like them; the leaderboard "
    "will show a better score than the expected one, and not what your model is worth"
)
WORSE = 'copies = "drop" under [extra]: a fold that validates a row has learnt from its copy, test hardly does'


def check(table: Table, extra: Extra | None) -> list[Finding]:
    """Look for test's and train's rows among the extra ones, in the columns that these know."""
    from pipeline.row_hashes import row_hashes

    if extra is None:
        return []
    known = [name for name in table.train if extra.rows[name].notna().any()]
    train, test, own = row_hashes([rows[known] for rows in (table.train, table.test, extra.rows)])
    outer, inner = twins_of(test, own), twins_of(train, own)
    if not (outer.equal or inner.equal):
        return []
    strength = f"{outer.told()} of test; {inner.told()} of train"
    if _more(outer, inner) <= LEVEL / 2:
        return [Finding("warning", "extra rows look test's rows up", "rows that equal an extra row", strength, BETTER)]
    if _more(inner, outer) <= LEVEL / 2:
        what = "folds look their rows up among the extra ones, test cannot as often"
        return [Finding("warning", what, "rows that equal an extra row", strength, WORSE)]
    what = "extra rows equal rows of test as often as rows of train"
    return [Finding("note", what, "rows that equal an extra row", strength)]


def _more(one: Twins, other: Twins) -> float:
    """Return the p-value of the first having a larger share of equal rows only by chance."""
    from scipy.stats import fisher_exact

    counts = [[twins.equal, twins.n_rows - twins.equal] for twins in (one, other)]
    return float(fisher_exact(counts, alternative="greater").pvalue)
