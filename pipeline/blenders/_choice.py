"""Between ways to set weights: by what each does on rows that were left out, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pipeline.blenders._seen import Seen
from pipeline.blenders._temperature import fit_temperature, temper
from pipeline.metrics import log_loss
from pipeline.sampling import drawn
from pipeline.types import Metric

TEMPERED_ROWS = 2_000
"""Rows of a part that say how bold a blend should be: one number, for a comparison only."""

Ways = Callable[[np.ndarray], np.ndarray]


def between(ways: Ways, seen: Seen) -> np.ndarray:
    """Return the average (n_entries,) of the ways' weights, by how plausible it is that each is the best.

    ways: from the parts to fit on (n_parts,), as marks, to weights (n_ways, n_entries).
    """
    numbers = np.arange(len(seen.grams))
    errors = [left_out_errors(ways(numbers != number), seen, number) for number in range(len(numbers))]
    return np.asarray(plausible(judged(errors)) @ ways(numbers >= 0))


def judged(errors: Sequence[Sequence[float]]) -> np.ndarray:
    """Return errors (n_parts, n_ways), infinite where a way's is none, of the parts on which some way has one.

    On rows of one class no way has an AUC: that tells nothing of the ways, and must not outshout what other parts tell.
    Where no way has an error anywhere, all parts are returned.
    """
    found = np.where(np.isfinite(errors), errors, np.inf)
    known = np.isfinite(found).any(axis=1)
    return found[known] if known.any() else found


def plausible(errors: np.ndarray) -> np.ndarray:
    """Return shares (n_ways,) that sum to 1, from errors (n_parts, n_ways) on rows that were left out.

    They fall with the normal density of how many standard errors a way's mean error is above the lowest, paired over
    parts. Where all ways are equally good, or nothing is known, as of a single part, the shares are equal.
    """
    known = np.flatnonzero(np.isfinite(errors).all(axis=0))
    shares = np.zeros(errors.shape[1])
    if not len(known) or len(errors) < 2:
        return np.full(errors.shape[1], 1.0 / errors.shape[1])
    lowest = known[np.argmin(errors[:, known].mean(axis=0))]
    differences = errors[:, known] - errors[:, [lowest]]
    se = differences.std(axis=0, ddof=1) / np.sqrt(len(errors))
    above = differences.mean(axis=0)
    z = np.divide(above, se, out=np.where(above > 0, np.inf, 0.0), where=se > 0)
    shares[known] = np.exp(-(z**2) / 2)
    return np.asarray(shares / shares.sum())


def left_out_errors(weights: np.ndarray, seen: Seen, number: int) -> list[float]:
    """Return the error of each of some weights (n_ways, n_entries) on the rows of a part that was left out."""
    return errors_of(np.moveaxis(np.tensordot(seen.oof[seen.part == number], weights, (1, 1)), 2, 0), seen, number)


def errors_of(blends: Iterable[np.ndarray], seen: Seen, number: int) -> list[float]:
    """Return the error of each of some blends (n, n_outputs) of the rows of a part.

    Of labels, whose errors are a staircase, it is the log loss. Probabilities are made as bold as they are right first,
    as a blend's are in the end, unless their order is all that counts.
    """
    judge = Metric.from_module(log_loss) if seen.metric.reads == "label" else seen.metric
    target = seen.target[seen.part == number]
    if seen.oof.shape[2] > 1 and not judge.of_order:
        few = drawn(len(target), TEMPERED_ROWS)
        blends = [temper(blend, fit_temperature(blend[few], target[few])) for blend in blends]
    return [judge.error(target, blend) for blend in blends]
