"""All weight on the entry with the lowest error: what choosing one model by its score would give."""

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
    """Return weight 1 for the entry with the lowest error, the first of equals.

    Of labels that are decided afterwards it is the log loss: before that no entry may find a rare class.
    """
    from pipeline.blenders._undecided import judge_before

    judge = judge_before(seen.metric)
    errors = [judge.error(seen.target, entry) for entry in np.moveaxis(seen.oof, 1, 0)]
    weights = np.zeros(len(errors))
    weights[np.argmin(np.nan_to_num(errors, nan=np.inf))] = 1.0
    return weights
