"""The blender that does best on rows that were left out, of those that average predictions.

The ensemble's own score is of rows that had no part in the choice either: on every part it is made anew. `rank` is not
among them, because it averages something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.blenders import best, greedy, mean, shrunk

if TYPE_CHECKING:
    from pipeline.blenders._seen import Seen

BLENDERS: dict[str, Any] = {"mean": mean, "shrunk": shrunk, "greedy": greedy, "best": best}


class Options(BaseModel):
    """Between which blenders to choose; each has its default options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    among: tuple[Literal["mean", "shrunk", "greedy", "best"], ...] = Field(
        ("mean", "shrunk", "greedy", "best"), min_length=1, description="blenders; of equals the first is taken"
    )


def fit_weights(seen: Seen, *, seed: int, options: Options) -> np.ndarray:
    """Return the weights (n_entries,) of the blender with the lowest cross-fitted error, fitted on all rows."""
    from pipeline.blenders._choice import left_out_errors

    def fit(name: str, rows: Seen) -> np.ndarray:
        blender = BLENDERS[name]
        return np.asarray(blender.fit_weights(rows, seed=seed, options=blender.Options()))

    errors = [
        left_out_errors(np.stack([fit(name, seen.without(number)) for name in options.among]), seen, number)
        for number in range(len(seen.grams))
    ]
    means = np.nan_to_num(np.mean(errors, axis=0), nan=np.inf)
    return fit(options.among[int(np.argmin(means))], seen)
