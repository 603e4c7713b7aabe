"""Equal weights: nothing is learned, so nothing can be overfitted; the yardstick for the other blenders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.types import Metric


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
    """Return 1 / n_entries for every entry of the predictions (n_rows, n_entries, n_outputs)."""
    return np.full(oof.shape[1], 1.0 / oof.shape[1])
