"""Which label a blend gives where the likeliest class is not what the metric rewards most.

F1, MCC and balanced accuracy want rare classes more often than they are likeliest, the quadratic kappa a class near the
expected one. What is sought is the highest score on out-of-fold rows; the ensemble's own score is of rows that were not
among them. Labels drawn from the probabilities in place of the true ones (the decision-theoretic approach of Ye, Chai,
Lee and Chieu 2012, "Optimizing F-measures: a tale of two approaches") were no better: on 20 000 new rows after 800
made-up ones, one in ten of the rare class, F1 was 0.461 by labels, 0.437 by draws, 0.075 by the likeliest class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.blenders._temperature import FLOOR
from pipeline.sampling import drawn

if TYPE_CHECKING:
    from pipeline.types import DecisionKind, Metric

STEPS = (1.0, 0.5, 0.25, 0.125)
"""By how much a number is moved, up and down, while that helps: log weights, shares of the way between classes, or (see
_shift.py) of what values are off by."""

MAX_ROWS = 20_000
"""Rows that a decision is learnt on; a number for each class needs no more."""


@dataclass(frozen=True)
class Decision:
    """How probabilities become labels; numbers: log weights (n_classes,), or cut points (n_classes - 1,) of the
    expected class, as the metric's `decision` says."""

    kind: DecisionKind = "plain"
    numbers: tuple[float, ...] = ()

    def labels(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the class codes (n,) that probabilities (n, n_classes) lead to."""
        if self.kind == "cuts":
            expected = probabilities @ np.arange(probabilities.shape[1])
            return np.asarray(np.searchsorted(np.sort(self.numbers), expected))
        weights = np.exp(np.array(self.numbers or np.zeros(probabilities.shape[1])))
        return np.asarray((np.maximum(probabilities, FLOOR) * weights).argmax(axis=1))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities (n, n_classes) as they are, halfway to certainty where they lead to another class.

        So whoever reads them as labels, by their largest, reads the decision.
        """
        labels = self.labels(probabilities)
        moved = labels != probabilities.argmax(axis=1)
        certain = np.eye(probabilities.shape[1])[labels[moved]]
        decided = probabilities.copy()
        decided[moved] = (probabilities[moved] + certain) / 2
        return decided

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {"kind": self.kind, "numbers": list(self.numbers)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Decision:
        return cls(state["kind"], tuple(state["numbers"]))


def fit_decision(probabilities: np.ndarray, target: np.ndarray, metric: Metric) -> Decision:
    """Return the decision of highest score for probabilities (n, n_classes) of the classes in target (n,)."""
    if metric.decision not in ("weights", "cuts"):
        return Decision()
    rows = drawn(len(target), MAX_ROWS)
    probabilities, target = probabilities[rows], target[rows]

    def error(numbers: np.ndarray) -> float:
        labels = Decision(metric.decision, tuple(numbers.tolist())).labels(probabilities)
        return metric.as_error(float(metric.function(target, labels)))

    of_kind = _cuts if metric.decision == "cuts" else _weights
    found = [descend(error, start, _movable(metric, len(start))) for start in of_kind(probabilities, target)]
    return Decision(metric.decision, tuple(min(found, key=error).tolist()))


def _movable(metric: Metric, n: int) -> range:
    """Return which numbers are moved: of two weights one, since only their ratio counts."""
    return range(1) if metric.decision == "weights" and n == 2 else range(n)


def _weights(probabilities: np.ndarray, target: np.ndarray) -> list[np.ndarray]:  # noqa: ARG001 - as _cuts has it
    """Return where weights start from: none, and those that make all classes equally likely on average.

    Where a class is so rare that no row comes near to it, no single step away from the first changes any label.
    """
    return [np.zeros(probabilities.shape[1]), -np.log(np.maximum(probabilities.mean(axis=0), FLOOR))]


def _cuts(probabilities: np.ndarray, target: np.ndarray) -> list[np.ndarray]:
    """Return where cut points start from: halfway between classes, and where each gets as many rows as it has."""
    n_classes = probabilities.shape[1]
    shares = np.bincount(target, minlength=n_classes).cumsum()[:-1] / len(target)
    return [np.arange(n_classes - 1) + 0.5, np.quantile(probabilities @ np.arange(n_classes), shares)]


def descend(error: Callable[[np.ndarray], float], start: np.ndarray, movable: range) -> np.ndarray:
    """Move one number at a time, by ever smaller steps, for as long as the error becomes lower."""
    best, lowest = start, error(start)
    for step in STEPS:
        improved = True
        while improved:
            improved = False
            for place in movable:
                for moved in (best[place] + step, best[place] - step):
                    tried = best.copy()
                    tried[place] = moved
                    if (found := error(tried)) < lowest:
                        best, lowest, improved = tried, found, True
    return best
