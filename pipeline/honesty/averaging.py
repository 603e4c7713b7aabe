"""What averaging gains: the mean of all folds' models is submitted, which is better than any of them, as CV judges it.

For squared errors it is better by as much as the models stray from their mean, whatever the truth is (Krogh and
Vedelsby 1995, "Neural network ensembles, cross validation, and active learning": the ambiguity). For other metrics it
depends on the truth, which is drawn for test rows from what out-of-fold rows tell of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from pipeline.blenders._alone import fit_alone, is_decided
from pipeline.blenders._blend import Blend, Blends
from pipeline.blenders._decision import Decision
from pipeline.blenders._library import Library, in_logs
from pipeline.blenders._shift import Shift
from pipeline.blenders._temperature import FLOOR, temper
from pipeline.types import Metric

Submit = Callable[[np.ndarray], np.ndarray]
"""What turns predictions (n, n_entries, n_outputs) into one (n, n_outputs)."""

Finished = Callable[[np.ndarray], np.ndarray]
"""What becomes of predictions (n_rows_apart, n_outputs) before they are submitted."""

LABELS = 20_000
"""Made-up labels that a gain is judged by: a twentieth of a gain as large as a model strays by, in 20 ms."""
FEWEST, MOST = 5, 200  # draws

BOLDEST = 4.0
"""Temperatures that classes are drawn at lie between its inverse and this."""

NEAR = 0.05
"""Out-of-fold rows on either side, as a share of all, whose errors a test row's error is drawn from."""


def gain_blended(library: Library, blend: Blend | Blends, seed: int, finish: Finished | None = None) -> float:
    """Return what averaging gains a blend of the whole library; of several targets, their mean as the metric is.

    finish: None where predictions are submitted as they are, and of several targets.
    """
    blends = blend.targets if isinstance(blend, Blends) else [blend]
    return float(np.mean([_gain_blended(*own, seed, finish) for own in zip(library.targets, blends, strict=True)]))


def _gain_blended(library: Library, blend: Blend, seed: int, finish: Finished | None) -> float:
    blend = replace(blend, logs=False)  # judged in the space in which it averages
    believe = replace(blend, decision=Decision(), shift=Shift()).apply
    return _gain(library, _submitted(blend.apply, finish, library.logs), believe, seed)


def gain_alone(library: Library, name: str, seed: int, finish: Finished | None = None) -> float:
    """Return what averaging gains one entry of the library; finish as in `gain_blended`."""
    return float(np.mean([_gain_alone(own.only(name), seed, finish) for own in library.targets]))


def _gain_alone(library: Library, seed: int, finish: Finished | None) -> float:
    submit = fit_alone(library).apply if is_decided(library.metric) else _first
    return _gain(library, _submitted(submit, finish, library.logs), _first, seed)


def _submitted(submit: Submit, finish: Finished | None, logs: bool) -> Submit:
    """Return what submits finished predictions; logs: they are averaged, and judged, as log(1 + value)."""
    if finish is None:
        return submit
    return lambda predictions: in_logs(finish(np.expm1(submit(predictions)))) if logs else finish(submit(predictions))


def _first(predictions: np.ndarray) -> np.ndarray:
    return predictions[:, 0]


def _gain(library: Library, submit: Submit, believe: Submit, seed: int) -> float:
    """submit, believe: what is submitted, and what it says before labels or values are decided."""
    # in time test lies beyond the rows that CV judges: what models differ by there says nothing of these
    if not library.together.size or library.folds.kind == "time":
        return 0.0
    repeats, rows = np.nonzero(np.isfinite(library.oof).all(axis=(2, 3)))
    draw = draw_classes if library.of_classes else draw_values
    apart = np.stack([believe(one) for one in library.apart])
    truths = draw(apart, believe(library.oof[repeats, rows]), library.target[rows], seed)
    if submit is not believe:
        apart = np.stack([submit(one) for one in library.apart])
    together = submit(library.together)
    return averaging_gain(apart, together, truths, library.metric)


def averaging_gain(apart: np.ndarray, together: np.ndarray, truths: np.ndarray, metric: Metric) -> float:
    """Return by how much the error of what is submitted is lower than the mean error of each fold's model.

    apart (n_models, n, n_outputs); together (n, n_outputs); truths (n_draws, n). Draws for which the metric is not
    defined (AUC of one class) are left out; 0 where there is no other.
    """
    gains = [np.mean([metric.error(truth, one) for one in apart]) - metric.error(truth, together) for truth in truths]
    known = [gain for gain in gains if np.isfinite(gain)]
    return float(np.mean(known)) if known else 0.0


def draw_classes(apart: np.ndarray, oof: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
    """Return classes (n_draws, n) drawn from the mean of all models' probabilities.

    oof (n_oof, n_classes), target (n_oof,). These are made as bold or as timid as it takes for single models to have
    the log loss that they have out of fold.
    """
    loss = -np.log(np.maximum(oof[np.arange(len(target)), target], FLOOR)).mean()
    logs, together = np.log(np.maximum(apart, FLOOR)).mean(axis=0), apart.mean(axis=0)

    def above(log_temperature: float) -> float:
        return float(-(temper(together, np.exp(log_temperature)) * logs).sum(axis=1).mean() - loss)

    ends = -np.log(BOLDEST), np.log(BOLDEST)
    best = brentq(above, *ends) if above(ends[0]) < 0 < above(ends[1]) else min(ends, key=lambda end: abs(above(end)))
    draws = np.random.default_rng(seed).random((_n_draws(len(together)), len(together)))
    steps = np.cumsum(temper(together, np.exp(best)), axis=1)[:, :-1]
    return np.asarray((draws[:, :, None] > steps).sum(axis=2))


def draw_values(apart: np.ndarray, oof: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
    """Return values (n_draws, n): the mean of all models, and an error of an out-of-fold row with a prediction like it.

    oof (n_oof, 1), target (n_oof,). Out-of-fold errors are those of single models: they are made smaller by what these
    stray from their mean. What comes out is the nearest of train's values: zeros stay zeros, and none is so small as to
    decide a percentage error by itself. There are no draws (0, n) where the models differ on test rows by more than
    single ones are wrong out of fold: these are rows unlike train's, of which it tells nothing.
    """
    rng = np.random.default_rng(seed)
    centre, oof = apart[:, :, 0].mean(axis=0), oof[:, 0]
    strayed, wrong = np.mean((apart[:, :, 0] - centre) ** 2), np.mean((target - oof) ** 2)
    if strayed > wrong:
        return np.empty((0, len(centre)))
    order = np.argsort(oof, kind="stable")
    place = np.searchsorted(oof[order], centre)
    reach = max(1, round(NEAR * len(oof)))
    moved = place + rng.integers(-reach, reach + 1, size=(_n_draws(len(centre)), len(centre)))
    errors = (target - oof)[order[moved.clip(0, len(oof) - 1)]]
    shrink = np.sqrt(1.0 - strayed / wrong) if wrong > 0 else 0.0
    values = np.unique(target)
    return np.asarray(values[np.searchsorted((values[1:] + values[:-1]) / 2, centre + shrink * errors)])


def _n_draws(n_rows: int) -> int:
    return min(max(LABELS // max(n_rows, 1), FEWEST), MOST)
