"""What an expected score stands on, in plain words, for the terminal and the report."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipeline.report.summary import Expected, number

COLUMNS_NAMED = 3
HARDLY_ANY = 20  # private rows: a test file of so few stands for another one


def lines(found: Expected, places: int) -> Iterator[str]:
    """Yield what the expectation stands on, a sentence or two a line."""
    assumed = ", if 30 % are public (public_share in competition.toml says)" if found.assumed else ""
    yield (
        f"The score of {found.n_private} private rows{assumed} strays by {number(found.test_se, places)} with the draw "
        f"of these rows; what {found.drawn} out-of-fold tell of it, by {number(found.own_se, places)}."
    )
    if found.n_private < HARDLY_ANY:
        yield (
            "These are hardly the rows that will be judged: where a code competition shows a few of test's rows and "
            "keeps the others to itself, its score strays less than the interval says, and drift is not seen here."
        )
    if found.averaging > 0:
        yield (
            "What is submitted is the mean of all folds' models; CV judges each of them, whose error is higher by "
            f"{number(found.averaging, places)}."
        )
    if found.forward:
        yield (
            "Folds go forward in time: CV judges a model right after the rows that it learnt from. Of a model without "
            "refit = true the mean of all folds' models is submitted, the first of which know only the beginning; no "
            "row tells what that costs where the target follows a trend."
        )
    if found.tuning > 0:
        yield (
            "Tuning chose recipes on the rows that score them, other folds or not: for that the expected error is "
            f"higher by {number(found.tuning, places)}."
        )
    if found.flattered > 0:
        yield (
            f"{found.flattered:.0%} of the weight stopped on the rows that score it; for that the expected error is "
            f"higher by {number(found.optimism, places)}, as measured on other data."
        )
    if math.isfinite(found.drift_auc):
        yield _drift(found, places)


def _drift(found: Expected, places: int) -> str:
    told = f"Test and train rows can be told apart with an AUC of {found.drift_auc:.3f} ± {found.drift_se:.3f}"
    if not found.drift:
        return f"{told}: no drift found."
    named = ", ".join(f"{name} ({share:.0%})" for name, share in found.columns[:COLUMNS_NAMED])
    told = f"{told}, mostly by {named}."
    if not math.isfinite(found.weighted):
        return told
    if not found.readable:
        return f"{told} Hardly any train rows look like test: nothing here tells how much worse that is."
    return (
        f"{told} Counting rows as often as test has such, {number(found.weighted, places)} is expected, on as much as "
        f"{found.effective_rows:.0f} rows would tell."
    )
