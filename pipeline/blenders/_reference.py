"""What flatters a reference: AutoGluon weighs its models on the very rows that score its ensemble."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.blenders import greedy
from pipeline.blenders._blender import Blender
from pipeline.blenders._library import Library

LIKE_AUTOGLUON = greedy.Options(bags=1, steps=25)
"""It selects greedily with replacement, too, 25 times: AutoGluon 1.6.3, core, greedy_weighted_ensemble_model.py."""


def weights_optimism(library: Library, name: str, error: Callable[[np.ndarray], float], seed: int) -> float:
    """Return by how much weights that saw the rows that score them make a reference look too good, at least 0.

    The reference's own base models are weighed as it does, once on all rows and once on other folds. error: of
    predictions (n_repeats, n_train, n_outputs). 0 where there are no two models to weigh.
    """
    among = np.array([place for place, entry in enumerate(library.names) if entry.startswith(f"{name}/")])
    if len(among) < 2:
        return 0.0
    blender = Blender(greedy, LIKE_AUTOGLUON, among)
    left_out = library.cross_fit([blender], seed, lambda: None)[0]
    blend = library.fit(blender, seed)
    seen = np.full_like(left_out, np.nan)
    for repeat, covered in enumerate(library.folds.covered):
        seen[repeat, covered] = blend.apply(library.oof[repeat, covered])
    return max(0.0, error(left_out) - error(seen))
