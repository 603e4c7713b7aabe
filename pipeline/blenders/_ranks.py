"""Averages of ranks: what counts of an entry is the order of its rows, not how far apart it puts them.

A row's rank is its place among the entry's out-of-fold predictions, told by their quantiles, so that a single new row
has one, whatever other rows come with it. The average rank is turned back into the value that has this rank in the
average of the entries' distributions: one entry alone comes back as it was, and probabilities stay probabilities.
"""

from __future__ import annotations

import numpy as np

LEVELS = np.linspace(0.0, 1.0, 501)


def fit_quantiles(predictions: np.ndarray) -> np.ndarray:
    """Return the quantiles (n_entries, n_outputs, n_levels) of predictions (n_rows, n_entries, n_outputs)."""
    return np.ascontiguousarray(np.moveaxis(np.quantile(predictions, LEVELS, axis=0), 0, 2))


def average_ranks(predictions: np.ndarray, weights: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the values (n, n_outputs) whose ranks are the weighted averages of the predictions' ranks.

    predictions (n, n_entries, n_outputs), weights (n_entries,), quantiles (n_entries, n_outputs, n_levels). Of two
    classes it is the second that is ranked.
    """
    n_outputs = predictions.shape[2]
    ranked = [1] if n_outputs == 2 else range(n_outputs)
    found = np.column_stack([_average(predictions[:, :, o], weights, quantiles[:, o]) for o in ranked])
    if n_outputs == 2:
        return np.column_stack([1.0 - found[:, 0], found[:, 0]])
    return found if n_outputs == 1 else found / found.sum(axis=1, keepdims=True)


def _average(predictions: np.ndarray, weights: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    ranks = np.zeros(len(predictions))
    for entry in np.flatnonzero(weights):
        ranks += weights[entry] * _ranks(predictions[:, entry], quantiles[entry])
    return np.asarray(np.interp(ranks, LEVELS, weights @ quantiles))


def _ranks(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return ranks in [0, 1]; values that many rows share have the middle of theirs."""
    below = np.interp(values, quantiles, LEVELS)
    above = 1.0 - np.interp(-values, -quantiles[::-1], LEVELS)
    return np.asarray((below + above) / 2)
