"""Two leaderboards: how often the better of two submissions ranks worse in public, and which two to select."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.honesty.expectation import DRAWS
from pipeline.honesty.resample import Pool, draw

NOISE = 1.645
"""Standard errors up to which a gain is called noise: as sure as the 90 % interval."""


@dataclass(frozen=True)
class Comparison:
    """One submission against another, on the same rows: negative differences are better for the first.

    difference, se: of their expected errors, and how far that is known. in_public: how often the one with the lower
    expected error has the higher error there; NaN where the metric has no value on so few rows (AUC of one class).
    """

    difference: float
    se: float
    in_public: float

    @property
    def is_noise(self) -> bool:
        """Whether the gain is inside what the rows stray by."""
        return not abs(self.difference) > NOISE * self.se


@dataclass(frozen=True)
class Leaderboards:
    """Errors of submissions on simulated test sets, the same rows for all: (n_draws, n_entries) each.

    own: what we take for the truth, as other train rows would have told it; public, private: what the leaderboards say
    beyond that. optimism (n_entries,): by how much the one with the lowest own error looks better than it is, because
    it is the lowest of several.
    """

    errors: np.ndarray
    own: np.ndarray
    public: np.ndarray
    private: np.ndarray

    @property
    def believed(self) -> np.ndarray:
        """Errors (n_draws, n_entries) that the private leaderboard may show, with our own uncertainty in them."""
        return np.asarray(self.errors - self.own + self.private)

    @property
    def choice_optimism(self) -> float:
        """By how much the lowest error is too low for having been chosen (Efron's bootstrap estimate of optimism).

        In every draw of our own rows the best is chosen; how much lower than it really is did it look?
        BBC-CV (Tsamardinos et al. 2018) judges by the rows left out instead, and is more cautious.
        """
        looked = self.errors + self.own
        chosen = looked.argmin(axis=1)
        return float(-self.own[np.arange(len(self.own)), chosen].mean())

    def compare(self, first: int, second: int) -> Comparison:
        """Compare two submissions."""
        difference = float(self.errors[first] - self.errors[second])
        own, public = (part[:, first] - part[:, second] for part in (self.own, self.public))
        ahead = (difference + public) * (1.0 if difference <= 0 else -1.0) > 0
        in_public = math.nan if np.isnan(public).any() else float(ahead.mean())
        return Comparison(difference, float(own.std()), in_public)


def simulate(
    rows: Pool,
    oofs: Sequence[np.ndarray],
    errors: Sequence[float],
    *,
    n_public: float,
    n_private: float,
    seed: int,
    factor: float = 1.0,
) -> Leaderboards:
    """Draw leaderboards of these sizes from the out-of-fold rows.

    oofs: predictions (n_repeats, n_train, n_outputs), one a submission; errors: what is expected of them;
    factor: see `own_factor`.
    """
    rng = np.random.default_rng(seed)
    pooled = [rows.of(oof) for oof in oofs]
    own, public, private = (
        draw(rows, pooled, size, DRAWS, rng).deviations for size in (len(rows.target), n_public, n_private)
    )
    # where a metric has no value on some draws, others of them stand for these: the three are drawn independently
    shape = max(map(len, (own, public, private))), len(pooled)
    own, public, private = (np.resize(part, shape) for part in (factor * own, public, private))
    return Leaderboards(np.asarray(errors, dtype=float), own, public, private)


@dataclass(frozen=True)
class Selection:
    """Two submissions: the best expected, and a hedge. loss: what the hedge is expected to lose to it; gain: how much
    lower the better of both is expected to be than the first alone; correlation: of what their errors stray by.

    hedge is the best itself where there is no other.
    """

    best: int
    hedge: int
    loss: float
    gain: float
    correlation: float


def select(boards: Leaderboards) -> Selection:
    """Return the two submissions the better of which has the lowest expected private error, the best among them.

    Kaggle counts the better of two. Whatever wins more often where the best fails lowers that minimum; one that is much
    worse, or fails with the best, does not.
    """
    believed = boards.believed
    best = int(np.argmin(boards.errors))
    pairs = np.minimum(believed, believed[:, [best]]).mean(axis=0)
    pairs[best] = np.inf if believed.shape[1] > 1 else pairs[best]
    hedge = int(np.argmin(pairs))
    correlation = 1.0
    if hedge != best and min(believed[:, best].std(), believed[:, hedge].std()) > 0:
        correlation = float(np.corrcoef(believed[:, best], believed[:, hedge])[0, 1])
    loss, gain = boards.errors[hedge] - boards.errors[best], believed[:, best].mean() - pairs[hedge]
    return Selection(best, hedge, float(loss), float(gain), correlation)
