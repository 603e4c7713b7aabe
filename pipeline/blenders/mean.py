"""Equal weights: nothing is learned, so nothing can be overfitted; the yardstick for the other blenders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.blenders._seen import Seen


class Options(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:  # noqa: ARG001
    """Return 1 / n_entries for every entry."""
    return np.full(len(seen.grams[0]), 1.0 / len(seen.grams[0]))
