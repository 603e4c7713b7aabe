"""How entries become one: by weights that are an average, or, of a stack, of either sign and with something added."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from pipeline.blenders._temperature import FLOOR


@dataclass(frozen=True)
class Combination:
    """weights (n_entries,): convex, but of either sign where there is an offset (n_outputs,), as of a stack."""

    weights: np.ndarray
    offset: np.ndarray | None = None

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What is equal where two combine entries in the same way."""
        return self.weights.tobytes(), b"" if self.offset is None else self.offset.tobytes()

    def placed(self, places: np.ndarray, n_entries: int) -> Combination:
        """Return the same of a library of so many entries, of which these are at those places; others weigh nothing."""
        weights = np.zeros(n_entries)
        weights[places] = self.weights
        return replace(self, weights=weights)

    def average(self, predictions: np.ndarray) -> np.ndarray:
        """Return (n, n_outputs) of calibrated predictions (n, n_entries, n_outputs).

        A stack of probabilities is a pool of their logarithms: what it weighs then stays a probability, whatever the
        signs (Genest and Zidek 1986, "Combining probability distributions: a critique and an annotated bibliography").
        """
        if self.offset is None:
            return np.tensordot(predictions, self.weights, (1, 0))
        if predictions.shape[2] == 1:
            return np.asarray(np.tensordot(predictions, self.weights, (1, 0)) + self.offset)
        return np.asarray(softmax(np.tensordot(logs(predictions), self.weights, (1, 0)) + self.offset, axis=1))


def logs(probabilities: np.ndarray) -> np.ndarray:
    """Return log probabilities, none below that of FLOOR."""
    return np.asarray(np.log(np.maximum(probabilities, FLOOR)))
