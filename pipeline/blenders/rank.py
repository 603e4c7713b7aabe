"""Equal weights of ranks, for metrics of order such as AUC: no entry decides by how far apart it puts its rows.

New rows are ranked against the out-of-fold rows (see _ranks.py), never against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.types import Metric

AVERAGES = "ranks"


class Options(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def fit_weights(
    oof: np.ndarray,
    target: np.ndarray,  # noqa: ARG001
    metric: Metric,  # noqa: ARG001
    *,
    part: np.ndarray,  # noqa: ARG001
    seed: int,  # noqa: ARG001
    options: Options,  # noqa: ARG001
) -> np.ndarray:
    """Return 1 / n_entries for the ranks of every entry of the predictions (n_rows, n_entries, n_outputs)."""
    return np.full(oof.shape[1], 1.0 / oof.shape[1])
