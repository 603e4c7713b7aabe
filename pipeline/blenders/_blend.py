"""A fitted blend: everything that makes one prediction of those of all entries, for out-of-fold, test and new rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.blenders._combination import Combination
from pipeline.blenders._decision import Decision
from pipeline.blenders._isotonic import Curves
from pipeline.blenders._ranks import average_ranks
from pipeline.blenders._shift import Shift
from pipeline.blenders._temperature import temper

ARRAYS = ("weights", "temperatures", "quantiles", "offset")


@dataclass(frozen=True)
class Blend:
    """What is fitted: weights and temperatures (n_entries,), the average's own temperature (1 for values), its
    curves, a decision; of values a shift.

    logs: what is averaged is log(1 + value), in which RMSLE is a plain RMSE. bounds: that values are cut to before they
    are averaged, or None. quantiles (n_entries, n_outputs, n_levels): of each entry's calibrated predictions, where it
    is ranks that are averaged; else None. offset (n_outputs,): of a stack, whose weights are of
    either sign, what is added; else None (see _combination.py).
    """

    weights: np.ndarray
    temperatures: np.ndarray
    last_temperature: float = 1.0
    logs: bool = False
    curves: Curves = field(default_factory=Curves)
    decision: Decision = field(default_factory=Decision)
    shift: Shift = field(default_factory=Shift)
    bounds: tuple[float, float] | None = None
    quantiles: np.ndarray | None = None
    offset: np.ndarray | None = None

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Average predictions (n, n_entries, n_outputs) into values or probabilities (n, n_outputs)."""
        return self.of_calibrated(calibrate(predictions, self.temperatures, self.bounds))

    def of_calibrated(self, predictions: np.ndarray) -> np.ndarray:
        """Return the same of predictions that are calibrated already."""
        averages = self.average(predictions)
        if predictions.shape[2] > 1:
            return self.decision.apply(self.curves.apply(temper(averages, self.last_temperature)))
        return self.shift.apply(np.expm1(averages) if self.logs else averages)

    def average(self, predictions: np.ndarray) -> np.ndarray:
        """Return the weighted averages (n, n_outputs) of calibrated predictions, or of their ranks, or a stack of them.

        A stack's values are cut to their bounds once more, because it may lead beyond them.
        """
        if self.quantiles is not None:
            return average_ranks(predictions, self.weights, self.quantiles)
        found = Combination(self.weights, self.offset).average(predictions)
        return found if self.offset is None or self.bounds is None else np.clip(found, *self.bounds)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values, from which `Blend.from_dict` makes one that gives the same bits."""
        listed = {name: found.tolist() for name in ARRAYS if (found := getattr(self, name)) is not None}
        parts = {"curves": self.curves.corners, "decision": self.decision.to_dict(), "shift": vars(self.shift)}
        return vars(self) | listed | parts

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Blend:
        decided = {"curves": Curves(tuple(state["curves"])), "decision": Decision.from_dict(state["decision"])}
        decided["shift"] = Shift(**{name: tuple(found) for name, found in state["shift"].items()})
        made = decided | {"bounds": state["bounds"] and tuple(state["bounds"])}
        arrays = {name: np.array(found) for name in ARRAYS if (found := state[name]) is not None}
        return cls(**(state | made | arrays))


@dataclass(frozen=True)
class Blends:
    """A blend for each of several targets: the metric is the mean of their scores, so that each is best by itself."""

    targets: tuple[Blend, ...]

    def apply(self, predictions: np.ndarray) -> np.ndarray:
        """Average predictions (n, n_entries, n_targets) into values (n, n_targets)."""
        return np.concatenate([own.apply(predictions[:, :, [k]]) for k, own in enumerate(self.targets)], axis=1)

    @property
    def weights(self) -> np.ndarray:
        """(n_entries,): the mean over targets."""
        return np.asarray(np.mean([own.weights for own in self.targets], axis=0))

    @property
    def temperatures(self) -> np.ndarray:
        """(n_entries,): values have none."""
        return self.targets[0].temperatures

    @property
    def last_temperature(self) -> float:
        return self.targets[0].last_temperature

    @property
    def logs(self) -> bool:
        return self.targets[0].logs

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {"targets": [own.to_dict() for own in self.targets]}


def read_blend(state: dict[str, Any]) -> Blend | Blends:
    """Return the blend of one target or of several, from what its `to_dict` gave."""
    return Blends(tuple(map(Blend.from_dict, state["targets"]))) if "targets" in state else Blend.from_dict(state)


def calibrate(predictions: np.ndarray, temperatures: np.ndarray, bounds: tuple[float, float] | None) -> np.ndarray:
    """Return (n, n_entries, n_outputs) as they are averaged: probabilities tempered, values cut to their bounds."""
    if predictions.shape[2] > 1:
        return temper(predictions, temperatures)
    return predictions if bounds is None else np.clip(predictions, *bounds)
