"""The diagnosis of a training: says in words what curves, errors and gradients show, as the book teaches to read them.

Sources: d2l, sections 3.6 (under- and overfitting), 5.4 (vanishing and exploding gradients, dead units) and 12
(learning rate, noise of small batches). The limits are rules of thumb, tried on networks that were given each illness
on purpose (tests/core/test_diagnosis.py) and on our defaults, which are neither jittery nor too fast by them on five
tables; a finding is a hint where to look, not a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

STALLED = 0.95  # of the first epoch's loss: a network that never gets below has not learnt
LATE_FALL = 0.3  # share of the whole fall that the second half of all steps' lengths brought: it had not arrived
BLOWN = 30  # times the loss of a network that says nothing: only steps that are too long end there in an epoch
JITTER = 0.1  # mean change from epoch to epoch where the loss turns, relative to the loss
RISEN = 1.1  # stopping loss at the end, relative to its lowest
LEARNT_BY_HEART = 0.5  # training error below this part of the validation error
ALIKE = 0.95  # training error above this part of the validation error: nothing is overfitted
POOR = 0.5  # of the error of a constant: errors above it may be the model's fault
VANISHED = 1e-4  # a layer's gradient norm over its weights', relative to the largest of all layers
EXPLODED = 1e3  # the same by itself
DEAD = 0.5  # share of a layer's units that give the same for every row


@dataclass(frozen=True)
class Symptom:
    """One thing that is not as it should be: its short name, what was seen, and what to try."""

    sign: str
    seen: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sign}: {self.seen}; {self.remedy}"


def read_curves(
    train_loss: np.ndarray, stop_loss: np.ndarray, rates: np.ndarray, silent_loss: float
) -> Iterator[Symptom]:
    """Yield what the loss curves (members, epochs) show; NaN after a member's end and where nothing was measured.

    rates (epochs,): the schedule of the lr, in whatever unit; without it a falling lr would look like an arrival.
    silent_loss: that of a network whose output is 0 for every row.
    """
    curve, stop = _typical(train_loss), _typical(stop_loss)
    if len(curve) >= 6:
        yield from _read_start(curve, silent_loss)
        yield from _read_fall(curve, _jitter(train_loss[:, : len(curve)]), rates[: len(curve)])
    if len(stop) >= 6 and stop[-1] > RISEN * stop.min():
        yield Symptom(
            "overfitting",
            f"the stopping loss rose from {stop.min():.4g} (epoch {stop.argmin() + 1}) to {stop[-1]:.4g}",
            'stop earlier (stop_on = "inner") or regularise more',
        )


def _typical(losses: np.ndarray) -> np.ndarray:
    """Return the median over members, up to the first epoch that fewer than half of them reached."""
    reached = np.isfinite(losses).mean(axis=0) >= 0.5
    length = len(reached) if reached.all() else int(reached.argmin())
    return np.nanmedian(losses[:, :length], axis=0) if length else np.empty(0)


def _jitter(losses: np.ndarray) -> float:
    """Return by how much of itself a loss moves up and down; a steep fall does not turn, and does not count."""
    whole = losses[np.isfinite(losses).all(axis=1)]
    if not len(whole):
        return 0.0
    steps = np.diff(whole)
    turns = steps[:, 1:] * steps[:, :-1] < 0
    moved = (np.abs(np.diff(steps)) / 2 * turns).mean(axis=1)
    return float(np.median(moved / whole.mean(axis=1)))


def _read_start(curve: np.ndarray, silent_loss: float) -> Iterator[Symptom]:
    if curve[0] > BLOWN * silent_loss:
        yield Symptom(
            "learning rate too high",
            f"the training loss was {curve[0]:.4g} in the first epoch, {silent_loss:.4g} without any network",
            "try a tenth of it, or a gentler init",
        )


def _read_fall(curve: np.ndarray, jitter: float, rates: np.ndarray) -> Iterator[Symptom]:
    if curve.min() > STALLED * curve[0]:
        yield _stalled(curve, jitter)
        return
    half = int(np.searchsorted(rates.cumsum(), rates.sum() / 2))
    late = (curve[half] - curve[-1]) / (curve[0] - curve.min())
    if late > LATE_FALL:
        yield Symptom(
            "learning rate too low",
            f"{late:.0%} of the training loss's fall came from the second half of the steps' lengths",
            "raise the lr or train for more epochs",
        )
    if jitter > JITTER:
        yield Symptom(
            "jitter",
            f"the training loss moves up and down by {jitter:.0%} of itself from epoch to epoch",
            "lower the lr or enlarge the batches",
        )


def _stalled(curve: np.ndarray, jitter: float) -> Symptom:
    seen = f"the training loss went from {curve[0]:.4g} to {curve[-1]:.4g} and never fell"
    if jitter > JITTER / 10 or curve[-1] > curve[0]:
        return Symptom("learning rate too high", seen, "try a tenth of it")
    return Symptom("learning rate too low", seen, "try ten times as much")


def read_errors(train_error: float, valid_error: float, constant_error: float) -> Iterator[Symptom]:
    """Yield what training and validation error say of capacity; constant_error is that of the best constant."""
    seen = f"training error {train_error:.4g}, validation error {valid_error:.4g}"
    if train_error < LEARNT_BY_HEART * valid_error:
        yield Symptom("overfitting", seen, "more weight decay or dropout, fewer units or epochs, or more rows")
    elif train_error > ALIKE * valid_error and valid_error > POOR * constant_error:
        yield Symptom(
            "underfitting",
            f"{seen}, that of a constant {constant_error:.4g}",
            "more units, layers, epochs or features, if it is not all noise",
        )


def read_layers(names: Sequence[str], gradients: np.ndarray, dead: np.ndarray) -> Iterator[Symptom]:
    """Yield what layers show, typically of all members and epochs.

    gradients (n, layers): norms of the weights' gradients relative to the weights' own; dead (n, layers): share of
    hidden units that give the same for every row. NaN where nothing was measured, or a layer has no such units.
    """
    speed, silent = _median(gradients), _median(dead)
    fastest, slowest = np.fmax.reduce(speed), np.fmin.reduce(speed)
    if slow := _where(names, speed < VANISHED * fastest):
        seen = f"{slow} learn {slowest / fastest:.1e} times as fast as the fastest layer"
        yield Symptom("vanishing gradients", seen, "another init or activation, residual blocks, or fewer layers")
    if steep := _where(names, speed > EXPLODED):
        seen = f"gradients of {steep} are up to {fastest:.1e} times as long as the weights"
        yield Symptom("exploding gradients", seen, "scale the columns, a sounder init, or clipping (`clip`)")
    if idle := _where(names, silent > DEAD):
        seen = f"of the units of {idle} up to {np.fmax.reduce(silent):.0%} give the same for all rows"
        yield Symptom("dead units", seen, "a smaller lr, or an activation that does not end at 0")


def _where(names: Sequence[str], chosen: np.ndarray) -> str:
    return ", ".join(name for name, wanted in zip(names, chosen, strict=True) if wanted)


def _median(values: np.ndarray) -> np.ndarray:
    """Return each column's median over what is finite in it, NaN where nothing is."""
    known = [column[np.isfinite(column)] for column in values.T]
    return np.array([np.median(column) if len(column) else np.nan for column in known])


def read_fates(diverged: np.ndarray) -> Iterator[Symptom]:
    """Yield how many members reached NaN or infinity; diverged (members,)."""
    if diverged.any():
        yield Symptom(
            "diverged",
            f"{int(diverged.sum())} of {len(diverged)} networks reached NaN or infinity and keep the weights before",
            "a smaller lr, clipping (`clip`), or another init",
        )
