"""Codes become the smoothed mean target of their level: Micci-Barreca, SIGKDD Explorations 3 (2001), 27-32.

The fitted rows themselves get out-of-fold means, so that none of them has seen its own label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KIND = "general"
READS = "codes"
USES_TARGET = True
N_FOLDS = 5


@dataclass(frozen=True)
class TargetEncode:
    """means[column][code]: the level's smoothed target, one number an output; prior: the same for an unknown code."""

    means: tuple[tuple[tuple[float, ...], ...], ...]
    prior: tuple[float, ...]

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """Return (n, c * n_values): for each column its values, one a target (binary: one) or n_classes - 1."""
        parts = []
        for column, means in enumerate(self.means):
            table = np.array([*means, self.prior])
            code = codes[:, column]
            parts.append(table[np.where(code < len(means), code, len(means))])
        return np.concatenate(parts, axis=1) if parts else np.empty((len(codes), 0))

    def to_dict(self) -> dict[str, Any]:
        return {"means": [[list(row) for row in column] for column in self.means], "prior": list(self.prior)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> TargetEncode:
        means = tuple(tuple(tuple(row) for row in column) for column in state["means"])
        return cls(means, tuple(state["prior"]))


def fit(
    codes: np.ndarray, target: np.ndarray, *, n_classes: int = 0, smoothing: float = 10.0, seed: int = 0
) -> tuple[TargetEncode, np.ndarray]:
    """Learn means of codes (n, c) from target (n,): values, of several targets (n, n_targets), or class codes where
    n_classes is 2 or more.

    Returns the fitted transform and the out-of-fold encoding (n, c * n_values) of the fitted rows. Each level's
    mean counts `smoothing` rows of the overall mean. Classes after the first give one value each.
    """
    values = np.eye(n_classes)[target][:, 1:] if n_classes else target.astype(np.float64)
    values = values if values.ndim > 1 else values[:, None]
    fold = np.random.default_rng(seed).permutation(len(codes)) % min(N_FOLDS, max(len(codes), 1))
    encoded = np.empty((len(codes), codes.shape[1] * values.shape[1]))
    for one in range(fold.max(initial=0) + 1):
        held = fold == one
        encoded[held] = _learn(codes[~held], values[~held], smoothing).apply(codes[held])
    return _learn(codes, values, smoothing), encoded


def _learn(codes: np.ndarray, values: np.ndarray, smoothing: float) -> TargetEncode:
    prior = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    means = []
    for code in codes.T:
        count = np.bincount(code)[:, None]
        total = np.stack([np.bincount(code, weights=value) for value in values.T], axis=1)
        weight = count + smoothing
        smoothed = np.divide(total + smoothing * prior, weight, out=np.tile(prior, (len(count), 1)), where=weight > 0)
        means.append(tuple(map(tuple, smoothed.tolist())))
    return TargetEncode(tuple(means), tuple(prior.tolist()))
