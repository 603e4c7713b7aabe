"""Temperature scaling: makes an entry's probabilities as bold as they are right before they are averaged.

Forests and smoothed networks are too timid, deep boosters too bold; the mean of both follows the bold. One number an
entry repairs it and moves no label. The mean of what is calibrated is too timid again, so a blend has a temperature of
its own. Sources: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks"; Wu and Gales 2021,
"Should ensemble members be calibrated?". Out of fold, without, with one an entry, and with the blend's own as well:
practice-digits, accuracy 0.964, 0.987, 0.987; titanic, log loss 0.4031, 0.4049, 0.4016; otto 0.4710, 0.4719, 0.4693.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from pipeline.sampling import drawn

FLOOR = 1e-7
"""Lowest probability: forests say 0 where they have seen no such row, which is not certainty."""

LARGEST = 16.0
"""Temperatures lie between 1 / LARGEST and LARGEST."""

MAX_ROWS = 20_000
"""Rows that a temperature is fitted on; one number needs no more."""


def temper(probabilities: np.ndarray, temperature: np.ndarray | float) -> np.ndarray:
    """Return probabilities (..., n_classes) whose logarithms are divided by the temperature (...) and normalised."""
    logits = np.log(np.maximum(probabilities, FLOOR)) / np.asarray(temperature)[..., None]
    return np.asarray(softmax(logits, axis=-1))


def fit_temperature(probabilities: np.ndarray, target: np.ndarray) -> float:
    """Return the temperature of lowest log loss for probabilities (n, n_classes) of the classes in target (n,).

    Its logarithm is held back as if by a standard normal prior: where few rows are told apart without a mistake, the
    boldest would otherwise be the best, until the first mistake costs more than all that was gained.
    """
    rows = drawn(len(target), MAX_ROWS)
    logits, target = np.log(np.maximum(probabilities[rows], FLOOR)), target[rows]

    def loss(log_temperature: float) -> float:
        shares = log_softmax(logits / np.exp(log_temperature), axis=1)
        held_back = log_temperature**2 / 2 / len(target)
        return float(-shares[np.arange(len(target)), target].mean() + held_back)

    bound = float(np.log(LARGEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
