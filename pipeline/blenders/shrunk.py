"""Convex weights of least squared error, pulled towards equal ones by as much as other rows ask for.

Twenty entries that are nearly as good as each other have many blends of nearly the same error, so that the best of them
is chosen by noise, and equal weights are often better; with one useless entry they are worse. The pull is chosen on a
path between both, on rows that were left out: the strongest whose error is within a standard error of the lowest.
Sources: Breiman 1996, "Stacked regressions", for the weights; Diebold and Pauly 1990, "The use of prior information in
forecast combination", for the pull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pipeline.blenders._seen import Seen


class Options(BaseModel):
    """Between which blends to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pulls: tuple[float, ...] = Field(
        (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003),
        description="pulls towards equal weights that are tried beside an infinite one, as shares of the entries' mean "
        "squared error, the strongest first",
    )


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:  # noqa: ARG001
    """Return weights (n_entries,), at least 0 and summing to 1.

    What is minimised is the squared error (of probabilities the Brier score), what the pull is chosen by is the metric;
    of labels the log loss.
    """

    from pipeline.blenders._choice import choose

    def ways(parts: np.ndarray) -> np.ndarray:
        return _path(seen.grams[parts].sum(axis=0), options.pulls)

    return ways(np.ones(len(seen.grams), dtype=bool))[choose(ways, seen)]


def _path(gram: np.ndarray, pulls: tuple[float, ...]) -> np.ndarray:
    """Return the weights (1 + n_pulls, n_entries): equal ones, and those of each pull."""
    scale = np.trace(gram) / len(gram)
    relative = gram / scale if scale > 0 else gram
    return np.stack([np.full(len(gram), 1.0 / len(gram)), *(pulled(relative, pull) for pull in pulls)])


def pulled(gram: np.ndarray, pull: float) -> np.ndarray:
    """Return the convex w (n_entries,) of least w' gram w + pull * |w|^2, gram having a mean diagonal of 1.

    The length of w is free, because (1 - sum w)^2 may be added for it to be nearly 1 and divided out (see nnls.py).
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    ones = np.ones(len(gram))
    lower = cholesky(gram + pull * np.eye(len(gram)) + 1.0, lower=True)
    weights: np.ndarray = nnls(lower.T, solve_triangular(lower, ones, lower=True))[0]
    return np.asarray(weights / weights.sum())
