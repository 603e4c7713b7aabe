"""AutoGluon's forests, summing their trees in order: threads that finish first would otherwise change the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular.models import RFModel, XTModel


class _Ordered:
    """Grown on all threads, summed on one."""

    model: Any

    def _predict_proba(self, X: pd.DataFrame, **kwargs: Any) -> np.ndarray:
        self.model.n_jobs = 1
        prediction: np.ndarray = super()._predict_proba(X, **kwargs)  # type: ignore[misc]
        return prediction


class OrderedForest(_Ordered, RFModel):
    """Random forest."""


class OrderedExtraTrees(_Ordered, XTModel):
    """Extremely randomised trees."""
