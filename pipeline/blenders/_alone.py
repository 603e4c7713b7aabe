"""An entry as it would be submitted without the others: where labels or values are decided, decided by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.blenders import mean
from pipeline.blenders._blend import Blend, Blends
from pipeline.blenders._library import Blender, Library, build_library
from pipeline.types import CrossFit, Folds, Metric

ALONE = Blender(mean, mean.Options())


def is_decided(metric: Metric) -> bool:
    """Say whether labels are chosen in another way than by the likeliest class, or values shifted."""
    return metric.decision != "plain"


def oof_alone(entry: CrossFit, target: np.ndarray, folds: Folds, metric: Metric) -> np.ndarray:
    """Return the out-of-fold predictions that judge an entry: each fold is decided as the others tell."""
    if not is_decided(metric):
        return entry.oof
    return _library(entry, target, folds, metric).cross_fit([ALONE], 0, lambda: None)[0]


def test_alone(entry: CrossFit, target: np.ndarray, folds: Folds, metric: Metric) -> np.ndarray:
    """Return the predictions for the test rows (n_test, n_outputs) that an entry would submit."""
    if not is_decided(metric):
        return entry.test
    library = _library(entry, target, folds, metric)
    return fit_alone(library).apply(library.test)


def fit_alone(library: Library) -> Blend | Blends:
    """Fit the temperature and the decision of a library's only entry, on all rows that it predicts out-of-fold."""
    return library.fit(ALONE, 0)


def _library(entry: CrossFit, target: np.ndarray, folds: Folds, metric: Metric) -> Library:
    return build_library({"alone": replace(entry, reference=False)}, target, metric, folds)
