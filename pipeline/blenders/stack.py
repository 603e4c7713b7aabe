"""A stack: weights of either sign and an offset, ridge for values, logistic for classes, pulled towards equal weights.

Where entries are off in the same way (all too timid at both ends, one always in another's tow), no average of them is
not: a stack may subtract and stretch. It makes use of leaks just as readily, so that it is judged on nested predictions
only, whose models have seen no label of the rows that it is judged on (see pipeline/nested/pairs.py); the one that is
used is fitted on all out-of-fold rows. The pull is chosen as in `shrunk`, on rows that were left out, and the stacks
are averaged over the path by how plausible each pull is. The others' predictions have seen the labels of those rows,
which may make the pull a little too weak: the score, of rows that no model has seen, tells what that costs.
Sources: Wolpert 1992, "Stacked generalization"; Breiman 1996, "Stacked regressions"; le Cessie and van Houwelingen
1992, "Ridge estimators in logistic regression".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.blenders._combination import Combination
    from pipeline.blenders._seen import Seen


class Options(BaseModel):
    """The path."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    nested: ClassVar[bool] = True

    pulls: list[Annotated[float, Field(gt=0)]] = Field(
        [3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003],
        description="pulls towards equal weights that are tried beside an infinite one, as shares of the entries' mean "
        "squared error, of classes of their mean log loss",
    )


def fit_combination(seen: Seen, *, seed: int, options: Options) -> Combination:  # noqa: ARG001
    """Return weights (n_entries,) and an offset (n_outputs,), of classes for the logarithms of probabilities."""
    from pipeline.blenders._choice import errors_of, judged, plausible
    from pipeline.blenders._combination import Combination

    pulls = sorted(options.pulls, reverse=True)
    errors = []
    for number in range(len(seen.grams)):
        held = seen.oof[seen.part == number]
        ways = _path(seen, seen.part != number, pulls)
        errors.append(errors_of([way.average(held) for way in ways], seen, number))
    shares = plausible(judged(errors))
    ways = _path(seen, np.full(len(seen.part), True), pulls)
    weights, offsets = (np.stack([getattr(way, name) for way in ways]) for name in ("weights", "offset"))
    return Combination(shares @ weights, shares @ offsets)


def _path(seen: Seen, rows: np.ndarray, pulls: Sequence[float]) -> list[Combination]:
    """Return equal weights and the stack of each pull, fitted on some rows (n_rows,), as marks."""
    from pipeline.blenders._pool import Pool

    if seen.oof.shape[2] > 1:
        return Pool.of(seen.oof[rows], seen.target[rows]).path(pulls)
    return _ridge(seen.oof[rows, :, 0], seen.target[rows], pulls)


def _ridge(predicted: np.ndarray, target: np.ndarray, pulls: Sequence[float]) -> list[Combination]:
    """Return the stacks of least mean (y - w'x - b)^2 + pull * scale * |w - 1 / n_entries|^2.

    predicted (n, n_entries); scale: the entries' mean squared error. The offset b is not held back.
    """
    from pipeline.blenders._combination import Combination

    n_entries = predicted.shape[1]
    equal = np.full(n_entries, 1.0 / n_entries)
    centre = predicted.mean(axis=0)
    off = predicted - centre
    gram, cross = off.T @ off / len(off), off.T @ (target - target.mean() - off @ equal) / len(off)
    scale = float(((predicted - target[:, None]) ** 2).mean())
    changes = [np.linalg.solve(gram + pull * scale * np.eye(n_entries), cross) for pull in pulls] if scale > 0 else []
    ways = [equal, *(equal + change for change in changes)] if changes else [equal] * (1 + len(pulls))
    return [Combination(way, np.array([target.mean() - centre @ way])) for way in ways]
