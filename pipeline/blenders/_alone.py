"""An entry as it would be submitted without the others: decided by itself where labels or values are, and finished."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.blenders import mean
from pipeline.blenders._blend import Blend, Blends
from pipeline.blenders._blender import Blender
from pipeline.blenders._library import Library, build_library
from pipeline.postprocess import Finisher
from pipeline.types import CrossFit, Folds, Metric

ALONE = Blender(mean, mean.Options())


def is_decided(metric: Metric) -> bool:
    """Say whether labels are chosen in another way than by the likeliest class, or values shifted."""
    return metric.decision != "plain"


def as_submitted(entry: CrossFit, finisher: Finisher, metric: Metric) -> CrossFit:
    """Return an entry with the predictions that it would be judged by and submit: decided by itself, then finished.

    Out of fold each fold is decided as the others tell.
    """
    oof, test = entry.oof, entry.test
    if is_decided(metric):
        library = build_library({"alone": replace(entry, reference=False)}, finisher.target, metric, finisher.folds)
        oof = library.cross_fit([ALONE], 0, lambda: None)[0]
        test = fit_alone(library).apply(library.test)
    return replace(entry, oof=finisher.oof(oof), test=finisher.of_test(test))


def decided(oof: np.ndarray, target: np.ndarray, metric: Metric, folds: Folds) -> np.ndarray:
    """Return an entry's out-of-fold probabilities (n_repeats, n, n_classes), decided as test rows would be."""
    nothing, made = oof[:, :0, None], np.full(oof.shape, np.nan)
    blend = fit_alone(
        Library(("alone",), oof[:, :, None], nothing[0], target, metric, folds, logs=False, apart=nothing)
    )
    for repeat, rows in enumerate(folds.covered):
        made[repeat, rows] = blend.apply(oof[repeat, rows, None])
    return made


def fit_alone(library: Library) -> Blend | Blends:
    """Fit the temperature and the decision of a library's only entry, on all rows that it predicts out-of-fold."""
    return library.fit(ALONE, 0)
