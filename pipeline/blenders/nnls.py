"""Convex weights of least squared error (non-negative least squares), found exactly.

Values are compared with the target, probabilities with the one-hot class (the Brier score), whatever the
metric is: smooth, quick and hard to overfit, but blind to the metric.
Source: Lawson and Hanson 1974 for the solver; Breiman 1996, "Stacked regressions", for the idea.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.blenders._seen import residuals

if TYPE_CHECKING:
    from pipeline.blenders._seen import Seen


class Options(BaseModel):
    """How the weights are kept from following noise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ridge: float = Field(0.0, ge=0.0, description="pull towards equal weights, as a share of the mean squared error")


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:  # noqa: ARG001
    """Return weights (n_entries,), at least 0 and summing to 1.

    With weights that sum to 1 the squared error is |R w|^2, where R holds each entry's residuals. Adding
    lambda (1 - sum w)^2 for any lambda > 0 changes only the length of the best w, not its direction, so that
    plain non-negative least squares followed by a division solves the constrained problem.
    """
    from scipy.optimize import nnls

    n_entries = seen.oof.shape[1]
    off = residuals(seen.oof, seen.target).reshape(-1, n_entries)
    scale = np.sqrt(np.mean(off**2) * len(off))
    if scale == 0.0:
        return np.full(n_entries, 1.0 / n_entries)
    triangle = np.linalg.qr(off / scale, mode="r")
    pull = np.sqrt(options.ridge) * np.eye(n_entries)
    system = np.vstack([triangle, pull, np.ones((1, n_entries))])
    weights: np.ndarray = nnls(system, np.append(np.zeros(len(system) - 1), 1.0))[0]
    weights /= weights.sum()
    return weights
