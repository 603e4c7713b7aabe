"""The blender that does best on rows that were left out, of those that average predictions.

The ensemble's own score is of rows that had no part in the choice either: on every part it is made anew. `rank` is not
among them, because it averages something else. Where `stack` is among them, all are judged on nested predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.blenders import best, greedy, mean, shrunk, stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.blenders._combination import Combination
    from pipeline.blenders._seen import Seen

BLENDERS: dict[str, Any] = {"mean": mean, "shrunk": shrunk, "greedy": greedy, "best": best, "stack": stack}


class Options(BaseModel):
    """Between which blenders to choose; each has its default options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    among: list[Literal["mean", "shrunk", "greedy", "best", "stack"]] = Field(
        ["mean", "shrunk", "greedy", "best"], min_length=1, description="blenders; of equals the first is taken"
    )

    @property
    def nested(self) -> bool:
        """Whether a stack may be chosen."""
        return "stack" in self.among


def fit_combination(seen: Seen, *, seed: int, options: Options) -> Combination:
    """Return what the blender with the lowest cross-fitted error fits on all rows."""
    return fit_without(seen, [], seed=seed, options=options)[0]


def fit_without(seen: Seen, left_out: Sequence[np.ndarray], *, seed: int, options: Options) -> list[Combination]:
    """Return the same, then what that blender fits on all entries but each of some sets of positions."""
    from pipeline.blenders._blender import Blender
    from pipeline.blenders._choice import errors_of, judged

    modules = [BLENDERS[name] for name in options.among]
    blenders = [Blender(module, module.Options(), left_out=left_out) for module in modules]
    errors = []
    for number in range(len(seen.grams)):
        others, held = seen.without(number), seen.oof[seen.part == number]
        errors.append(errors_of([own.fit(others, seed).average(held) for own in blenders], seen, number))
    return blenders[int(np.argmin(judged(errors).mean(axis=0)))].fits(seen, seed)
