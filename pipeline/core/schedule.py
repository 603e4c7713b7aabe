"""How a hyperparameter changes while training: factors of its base value, as functions of progress t in [0, 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Schedule = Literal["constant", "cosine", "coslog4", "flat_cosine"]

CYCLE_ENDS = (1 / 15, 3 / 15, 7 / 15, 1.0)
"""Shares of the training after which `coslog4` has come down to zero."""


def constant(t: np.ndarray) -> np.ndarray:
    """Return 1."""
    return np.ones_like(t)


def cosine(t: np.ndarray) -> np.ndarray:
    """Return half a cosine wave from 1 down to 0."""
    return 0.5 + 0.5 * np.cos(np.pi * t)


def coslog4(t: np.ndarray) -> np.ndarray:
    """Return four cosine cycles of doubling length, from 0 to 0 (RealMLP; Holzmueller et al. 2024, section 3)."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.log2(1 + 15 * t))


def flat_cosine(t: np.ndarray) -> np.ndarray:
    """Return 1 in the first half, then half a cosine wave down to 0."""
    return cosine(np.maximum(0.0, 2 * t - 1))


SCHEDULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "constant": constant,
    "cosine": cosine,
    "coslog4": coslog4,
    "flat_cosine": flat_cosine,
}


def cycle_ends(name: Schedule, epochs: int) -> list[int]:
    """Return after how many epochs `coslog4` has come down to zero; nothing of schedules that have no cycles."""
    return sorted({max(1, round(epochs * share)) for share in CYCLE_ENDS}) if name == "coslog4" else []


def factor(name: Schedule, t: np.ndarray, warmup: float = 0.0) -> np.ndarray:
    """Return the schedule's factor at progress t, rising linearly from 0 over the first `warmup` share."""
    rise = np.minimum(1.0, t / warmup) if warmup else 1.0
    return SCHEDULES[name](t) * rise
