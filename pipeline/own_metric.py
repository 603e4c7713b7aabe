"""A competition's own metric.py: its score is kept from files and from changing what it is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any

from pipeline.engine.sealed import sealed
from pipeline.errors import FeatureError, PipelineError

MODULE, FILE = "competition_metric", "metric.py"
"""The name under which it is loaded, and that of its file."""


def guarded(score: Callable[..., Any], who: str) -> Callable[..., float]:
    """Return a score that gets copies, opens no file and returns a number; what else fails is a FeatureError.

    It is NaN of rows that it refuses, such as those of a single class, and says so in `refused`.
    """

    @wraps(score)
    def call(*arguments: Any, **named: Any) -> float:
        try:
            with sealed(who):
                found = score(*map(copy, arguments), **named)
        except (ValueError, ZeroDivisionError) as error:
            call.refused = f"{who} refuses them: {type(error).__name__}: {error}"  # type: ignore[attr-defined]
            return math.nan
        except PipelineError:
            raise
        except Exception as error:
            raise FeatureError(f"{who} failed: {type(error).__name__}: {error}") from error
        try:
            return float(found)
        except (TypeError, ValueError):
            shape = f" of shape {found.shape}" if hasattr(found, "shape") else ""
            raise FeatureError(f"{who} returns {type(found).__name__}{shape}, expected one number") from None

    call.refused = ""  # type: ignore[attr-defined]
    return call
