"""Whether it was a library that refused, which ends one recipe, or a mistake of our own code, which is raised.

Of numbers that a library refuses nobody can tell whether the recipe or a mistake of ours made them: that is a refusal,
and its words stand where the recipe is told of.
"""

from __future__ import annotations

import traceback
from itertools import pairwise

CALLERS = "pipeline.models."


def refused(package: str, mistake: Exception) -> bool:
    """Say whether a library raised this: an error of its own, or a ValueError out of its code, called by a model.

    scikit-learn has hardly any of its own. What it raises elsewhere, as in a metric, is no refusal of a recipe's.
    """
    if package in type(mistake).__module__:
        return True
    frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(mistake.__traceback__))
    calls = pairwise(frames)
    return isinstance(mistake, ValueError) and any(
        caller.startswith(CALLERS) and called.partition(".")[0] == package for caller, called in calls
    )
