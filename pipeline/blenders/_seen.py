"""What weights are fitted on: out-of-fold predictions of rows whose labels may be looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.types import Metric

PARTS = 5
"""Parts that rows are dealt into where they come in one only, as with two folds."""

CUT_AT_MOST = 0.02
"""Share of the rows whose targets may be cut: more of them are no accidents."""


@dataclass(frozen=True)
class Seen:
    """Rows of the library, as often as repeats predict them; probabilities are calibrated.

    oof (n_rows, n_entries, n_outputs), target (n_rows,) values or class codes, metric of what is averaged; row
    (n_rows,) of train that each is. part (n_rows,): 0 to n_parts - 1, two or more; who chooses by cross-fitting leaves
    out rows of one part together. grams (n_parts, n_entries, n_entries): by part, the sums of products of what two
    entries are off by (values are compared with the target, probabilities with the one-hot class).
    """

    oof: np.ndarray
    target: np.ndarray
    metric: Metric
    row: np.ndarray
    part: np.ndarray
    grams: np.ndarray

    @classmethod
    def of(
        cls, oof: np.ndarray, target: np.ndarray, metric: Metric, part: np.ndarray, row: np.ndarray | None = None
    ) -> Seen:
        """Return rows with their sums of products; part: any number for each row. Without `row` each is another one."""
        row = np.arange(len(oof)) if row is None else row
        numbers, part = np.unique(part, return_inverse=True)
        if len(numbers) == 1:  # a row goes to one part with all of its repeats
            place = np.unique(row, return_inverse=True)[1]
            part = (np.random.default_rng(0).permutation(place.max() + 1) % PARTS)[place]
        off = residuals(oof, target)
        grams = [rows.T @ rows for n in range(part.max() + 1) for rows in [off[part == n].reshape(-1, oof.shape[1])]]
        return cls(oof, target, metric, row, part, np.stack(grams))

    def only(self, entries: np.ndarray) -> Seen:
        """Return the same rows of these entries alone."""
        grams = self.grams[:, entries][:, :, entries]
        return replace(self, oof=self.oof[:, entries], grams=grams)

    def cut(self, most: float) -> Seen:
        """Return the same rows; numbers that lie far beyond what every entry says are moved nearer.

        Far: `most` standard deviations (1.4826 times the median distance from the entries' median), or the distance
        that a share of CUT_AT_MOST exceeds, if that is longer.
        """
        if self.oof.shape[2] > 1:
            return self
        entries = self.oof[:, :, 0]
        distance = np.abs(self.target - np.median(entries, axis=1))
        furthest = max(most * 1.4826 * float(np.median(distance)), float(np.quantile(distance, 1 - CUT_AT_MOST)))
        target = self.target.clip(entries.min(axis=1) - furthest, entries.max(axis=1) + furthest)
        if (target == self.target).all():
            return self
        return Seen.of(self.oof, target, self.metric, self.part, self.row)

    def without(self, number: int) -> Seen:
        """Return the rows of all other parts."""
        kept = self.part != number
        return Seen.of(self.oof[kept], self.target[kept], self.metric, self.part[kept], self.row[kept])


def residuals(oof: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return (n_rows, n_outputs, n_entries) what predictions (n_rows, n_entries, n_outputs) are off by."""
    truth = target.astype(np.float64)[:, None] if oof.shape[2] == 1 else np.eye(oof.shape[2])[target]
    return np.asarray(np.moveaxis(oof, 1, 2) - truth[:, :, None])
