"""Several targets where a library learns one: a model each, and what they predict side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.types import Fitted

PART = "target-"


@dataclass(frozen=True)
class SideBySide:
    """One fold's models, one a target, in the targets' order."""

    fits: tuple[Fitted, ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, n_targets)."""
        return np.concatenate([fit.predict(rows) for fit in self.fits], axis=1)

    def save(self, folder: Path) -> None:
        """Write each target's model into a folder of its own."""
        for place, fit in enumerate(self.fits):
            own = folder / f"{PART}{place}"
            own.mkdir()
            fit.save(own)


def side_by_side(fits: Sequence[Fitted]) -> Fitted:
    """Return the models of all targets as one; that of a single target as it is."""
    return fits[0] if len(fits) == 1 else SideBySide(tuple(fits))


def load(folder: Path, read: Callable[[Path], Fitted]) -> Fitted:
    """Read what was saved of one target or of several; read: what reads a single model."""
    parts = sorted(folder.glob(f"{PART}*"), key=lambda own: int(own.name.removeprefix(PART)))
    return side_by_side([read(own) for own in parts or [folder]])
