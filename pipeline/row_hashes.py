"""Which rows of several frames are equal, by numbers that are equal where they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.seeds import derive


def row_hashes(frames: Sequence[pd.DataFrame]) -> list[np.ndarray]:
    """Return for each frame a hash (n, n_columns) uint64 of each value, whose sum is that of the row.

    The frames have the same columns; missing equals missing.
    """
    rng = np.random.default_rng(derive(0, "equal rows"))
    parts = [np.empty((sum(map(len, frames)), 0), dtype=np.uint64)]
    for name in frames[0]:
        codes, distinct = pd.factorize(pd.concat([frame[name] for frame in frames]), use_na_sentinel=False)
        parts.append(rng.integers(0, 2**63, len(distinct), dtype=np.uint64)[codes][:, None])
    return np.split(np.concatenate(parts, axis=1), np.cumsum([len(frame) for frame in frames])[:-1])
