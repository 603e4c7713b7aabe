"""Log-linear pools of probabilities, pulled towards equal weights ever less: a path of convex problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from pipeline.blenders._combination import Combination, logs
from pipeline.blenders._temperature import FLOOR
from pipeline.sampling import drawn

MAX_CELLS = 20_000
"""Rows times classes that a pool is fitted on: a weight an entry and an offset a class need no more."""

MOST_STEPS, MOST_HALVINGS = 30, 10

ENOUGH = 1e-8
"""Share of the loss by which a step must lower it for another one to follow."""


@dataclass(frozen=True)
class Pool:
    """What a pool softmax_c(sum_e w_e log p_e(c) + b_c) is fitted on; its numbers are w, then b.

    columns (n * n_classes, n_numbers): what the numbers are multiplied with, class after class of row after row. truth
    (n, n_classes): the one-hot classes. scale: the mean log loss of the entries, of which pulls are shares.
    """

    columns: np.ndarray
    truth: np.ndarray
    scale: float

    @classmethod
    def of(cls, oof: np.ndarray, target: np.ndarray) -> Pool:
        """Take probabilities (n, n_entries, n_classes) and the classes in target (n,), some rows of many."""
        n_entries, n_classes = oof.shape[1:]
        rows = drawn(len(target), MAX_CELLS // n_classes)
        own, truth = logs(oof[rows]), np.eye(n_classes)[target[rows]]
        offsets = np.tile(np.eye(n_classes), (len(rows), 1))
        columns = np.hstack([np.moveaxis(own, 1, 2).reshape(-1, n_entries), offsets])
        scale = -np.einsum("nec,nc->", own, truth) / (len(rows) * n_entries)
        return cls(columns, truth, max(float(scale), FLOOR))

    @property
    def n_entries(self) -> int:
        return self.columns.shape[1] - self.truth.shape[1]

    @property
    def equal(self) -> np.ndarray:
        """The numbers (n_numbers,) of equal weights and no offset."""
        return np.append(np.full(self.n_entries, 1.0 / self.n_entries), np.zeros(self.truth.shape[1]))

    def path(self, pulls: Sequence[float]) -> list[Combination]:
        """Return equal weights, and the pool of each pull; each is sought from where the last one was found.

        What is minimised is the mean log loss + pull * scale * (|w - 1 / n_entries|^2 + |b|^2) / 2.
        """
        found = [self.equal]
        for pull in pulls:
            found.append(self._fit(found[-1], pull * self.scale))
        return [Combination(numbers[: self.n_entries], numbers[self.n_entries :]) for numbers in found]

    def _fit(self, numbers: np.ndarray, pull: float) -> np.ndarray:
        """Return the numbers of least loss, by Newton's steps from these, halved for as long as one does not help."""
        loss, shares = self._loss(numbers, pull)
        for _ in range(MOST_STEPS):
            step = self._step(numbers, shares, pull)
            for halvings in range(MOST_HALVINGS):
                tried = numbers - step / 2**halvings
                its_loss, its_shares = self._loss(tried, pull)
                if its_loss < loss:
                    break
            if not its_loss < loss * (1 - ENOUGH):
                break
            numbers, loss, shares = tried, its_loss, its_shares
        return numbers

    def _loss(self, numbers: np.ndarray, pull: float) -> tuple[float, np.ndarray]:
        """Return what is minimised, and the shares (n, n_classes)."""
        log_shares = log_softmax((self.columns @ numbers).reshape(self.truth.shape), axis=1)
        loss = -np.vdot(log_shares, self.truth) / len(self.truth)
        return float(loss + pull * np.sum((numbers - self.equal) ** 2) / 2), np.exp(log_shares)

    def _step(self, numbers: np.ndarray, shares: np.ndarray, pull: float) -> np.ndarray:
        """Return Newton's step (n_numbers,): the loss's second derivatives' inverse times its first ones."""
        n_rows, n_classes = self.truth.shape
        weighed = self.columns * np.sqrt(shares).reshape(-1, 1)
        means = (self.columns * shares.reshape(-1, 1)).reshape(n_rows, n_classes, -1).sum(axis=1)
        second = (weighed.T @ weighed - means.T @ means) / n_rows + pull * np.eye(len(numbers))
        first = self.columns.T @ (shares - self.truth).ravel() / n_rows + pull * (numbers - self.equal)
        return np.linalg.solve(second, first)
