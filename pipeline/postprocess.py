"""What becomes of predictions before they are submitted: clipped, rounded, then the competition's own postprocess.py.

Out-of-fold predictions go the same way, so that the score that is told is that of what is submitted. The function
`postprocess(predictions, rows)` may look at many rows, as totals of groups need it, but never at a target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.apart import rows_apart
from pipeline.engine.sealed import sealed
from pipeline.errors import FeatureError
from pipeline.types import Folds

Own = Callable[[np.ndarray, pd.DataFrame], np.ndarray]
"""Of predictions and typed raw rows (n, columns): other predictions of that shape.

They are (n,) values, (n, n_targets) values of several targets or (n, n_classes) probabilities."""

WHO = "postprocess.py: postprocess()"
ROUNDING = 1e-9
"""Steps by which a multiple of one may miss a whole number, as .3 / .1 does."""


@dataclass(frozen=True)
class Finish:
    """clip: the lowest and highest value that may be submitted, of several targets a list each. round: a multiple of it
    is. own: what comes last. n_targets: how many outputs are values; those of classes are more."""

    clip: tuple[Any, Any] | None = None
    round: float | None = None
    own: Own | None = None
    n_targets: int = 1

    def apply(self, predictions: np.ndarray, rows: pd.DataFrame | None) -> np.ndarray:
        """Return predictions (n, n_outputs) as they are submitted; rows: needed by `own` alone."""
        if self == Finish(n_targets=self.n_targets):
            return predictions
        if self.clip is not None:
            predictions = np.clip(predictions, *self.clip)
        if self.round is not None:
            predictions = np.round(predictions / self.round) * self.round
            predictions = predictions if self.clip is None else _inside(predictions, self.clip, self.round)
        if self.own is not None:
            assert rows is not None
            predictions = _call(self.own, predictions, rows)
        return predictions if predictions.shape[1] == self.n_targets else _shares(predictions)


def _inside(rounded: np.ndarray, clip: tuple[Any, Any], step: float) -> np.ndarray:
    """Return multiples of a step that rounding took out of a range as its outermost ones, where it holds any."""
    low, high = np.asarray(clip[0]) / step, np.asarray(clip[1]) / step
    low, high = np.ceil(low - ROUNDING) * step, np.floor(high + ROUNDING) * step
    return np.where(low <= high, np.clip(rounded, low, np.maximum(low, high)), rounded)


def _call(own: Own, predictions: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Ask the competition's function, and refuse an answer that cannot be submitted."""
    given = predictions[:, 0] if predictions.shape[1] == 1 else predictions
    try:
        with sealed(WHO):
            made, again = (
                np.asarray(own(given.copy(), rows.reset_index(drop=True)), dtype=np.float64) for _ in range(2)
            )
    except FeatureError:
        raise
    except Exception as error:
        found = f"{WHO} failed on {len(rows)} rows: {type(error).__name__}: {error}"
        raise FeatureError(
            found, hint="it gets predictions and the rows' raw columns; missing values are NaN"
        ) from error
    if made.shape != given.shape:
        raise FeatureError(
            f"{WHO} returned {made.shape} for predictions {given.shape}", hint="keep every row in its place"
        )
    if not np.isfinite(made).all():
        raise FeatureError(f"{WHO} returned {int((~np.isfinite(made)).sum())} missing or infinite values")
    if not np.array_equal(made, again):
        found = f"{WHO} returned other values when it was asked again, with the same predictions and rows"
        raise FeatureError(
            found, hint="seed what it draws (numpy.random.default_rng(0)), and keep nothing between calls"
        )
    return made.reshape(predictions.shape)


def _shares(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities (n, n_classes) that sum to one."""
    if (probabilities < 0).any() or not probabilities.any(axis=1).all():
        raise FeatureError(f"{WHO} returned probabilities below 0, or a row of zeros", hint="they need not sum to 1")
    return probabilities / probabilities.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Finisher:
    """How an experiment finishes predictions of train, out-of-fold, and of test.

    clip: None, a range, or "train": that of the target that a fold trains on. train, test: raw rows for `own`.
    """

    clip: Any
    round: float | None
    own: Own | None
    target: np.ndarray
    folds: Folds
    train: pd.DataFrame | None = None
    test: pd.DataFrame | None = None

    @property
    def is_plain(self) -> bool:
        """Whether predictions are submitted as they are."""
        return self.clip is None and self.round is None and self.own is None

    def oof(self, oof: np.ndarray) -> np.ndarray:
        """Return out-of-fold predictions (n_repeats, n_train, n_outputs) finished, NaN where they are NaN.

        Each fold is clipped by the rows that it trains on; the rows of all folds of a repeat are finished as one.
        """
        if self.is_plain:
            return oof
        done = oof.copy()
        for repeat, fold in self.folds:
            valid = self.folds.valid_rows(repeat, fold)
            cut = Finish(self._range(self.folds.train_rows(repeat, fold)), self.round, n_targets=self._n_targets)
            done[repeat, valid] = cut.apply(oof[repeat, valid], None)
        for repeat, own in enumerate(done):
            there = np.flatnonzero(~np.isnan(own).any(axis=1))
            rows = None if self.train is None else self.train.iloc[there]
            done[repeat, there] = Finish(None, self.round, self.own, self._n_targets).apply(own[there], rows)
        return done

    def of_test(self, test: np.ndarray) -> np.ndarray:
        """Return predictions (n_test, n_outputs) for the test rows, finished."""
        return Finish(self._range(slice(None)), self.round, self.own, self._n_targets).apply(test, self.test)

    def of_apart(self, test: np.ndarray) -> np.ndarray:
        """Return the same for those test rows for which every model's own predictions are kept."""
        rows = None if self.test is None else self.test.iloc[rows_apart(len(self.test))]
        return Finish(self._range(slice(None)), self.round, self.own, self._n_targets).apply(test, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what `finish_of` needs for new rows, beside the function: the range, and what is rounded to."""
        found = self._range(slice(None))
        state = {"clip": None if found is None else list(found), "round": self.round, "own": self.own is not None}
        return state if self._n_targets == 1 else state | {"n_targets": self._n_targets}

    @property
    def _n_targets(self) -> int:
        return int(np.prod(self.target.shape[1:]))

    def _range(self, rows: np.ndarray | slice) -> tuple[Any, Any] | None:
        if self.clip == "train":
            return self.target[rows].min(axis=0).tolist(), self.target[rows].max(axis=0).tolist()
        return None if self.clip is None else (float(self.clip[0]), float(self.clip[1]))


def finish_of(state: Mapping[str, Any], own: Own | None) -> Finish:
    """Return how new rows are finished, from what `Finisher.to_dict` gave."""
    clip = None if state["clip"] is None else tuple(state["clip"])
    return Finish(clip, state["round"], own if state["own"] else None, state.get("n_targets", 1))
