"""Equal weights of ranks, for metrics of order such as AUC: no entry decides by how far apart it puts its rows.

New rows are ranked against the out-of-fold rows (see _ranks.py), never against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from pipeline.blenders._seen import Seen

AVERAGES = "ranks"


class Options(BaseModel):
    """No options."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:  # noqa: ARG001
    """Return 1 / n_entries for the ranks of every entry."""
    return np.full(len(seen.grams[0]), 1.0 / len(seen.grams[0]))
