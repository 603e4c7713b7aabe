"""What trained networks come to: an entry's predictions by every fold's networks, and how their training went."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from pipeline.apart import keep_apart
from pipeline.core.members import Kept, Trained
from pipeline.models._network_fit import Bag, NetworkFit
from pipeline.models._network_fold import Fold, Key
from pipeline.models._network_plan import Parts, Plan
from pipeline.models._unfit import unfit
from pipeline.types import CrossFit, Fitted, Folds, Table

Served = dict[Key, list[Kept]]  # by the rows that networks were trained on


def make_entry(plan: Plan, parts: Parts, data: Mapping[Key, Fold], table: Table, folds: Folds) -> CrossFit:
    """Predict validation rows, test rows and training rows with every fold's networks."""
    nothing = partial(unfit, table, folds, plan.marked)
    if given_up(parts):
        return nothing("given up at a rung", given_up=True)
    if all(member.diverged and not _has_sound(own, member) for (own, _), member in parts.items()):
        return nothing(f"all {len(parts)} networks diverged")
    oof = np.full((folds.n_repeats, len(table.train), table.task.n_outputs), np.nan)
    errors, train_errors, epochs = (np.full((folds.n_repeats, folds.n_folds), np.nan) for _ in range(3))
    fitted: dict[tuple[int, ...], Fitted] = {}
    tests = []
    for key in folds:
        served, valid = _serving(parts, key), folds.valid_rows(*key)
        fits = {own: _fit(plan, data[own], kept) for own, kept in served.items()}
        fit = Bag(tuple(fits.values())) if len(fits) > 1 else next(iter(fits.values()))
        rows = {own: data[own].valid if own[:2] == key else data[own].held(table, valid) for own in fits}
        held = fit.mean([fits[own].predict_encoded(rows[own]) for own in fits])
        learnt = {own: fits[own].predict_encoded(data[own].encoded) for own in fits}
        test = fit.predict(table.test)
        if not all(np.isfinite(predicted).all() for predicted in (held, *learnt.values(), test)):
            return nothing(f"the networks of repeat {key[0]}, fold {key[1]} predict NaN or infinity")
        error = table.task.error
        oof[key[0], valid] = held
        errors[key] = error(table.target[valid], held)
        train_errors[key] = np.average(
            [error(table.target[data[own].rows], learnt[own]) for own in fits],
            weights=[len(served[own]) for own in fits],
        )
        epochs[key] = np.mean([kept.epoch for own in served.values() for kept in own])
        tests.append(test)
        if len(table.test):  # a search reads no model
            fitted[key] = fit
    mean, apart, summary = np.mean(tests, axis=0), keep_apart(tests), fit.summary
    return CrossFit(
        oof, mean, errors, train_errors, epochs, plan.marked, fitted=fitted, apart=apart, parameters=summary
    )


def _serving(parts: Parts, key: tuple[int, int]) -> Served:
    """Return what networks kept for a fold; a pair's first set of stopping rows chose for its first fold.

    Those that diverged or never began are left out, unless all of a fold did: then what they have must do. What a pair
    kept before it diverged stays: it may have gone on for the other fold's sake alone.
    """
    found = [
        (own, member, member.kept[0 if own[:2] == key else 1])
        for (own, _), member in parts.items()
        if own[0] == key[0] and key[1] in own[1:]
    ]
    sound = [(own, kept) for own, member, kept in found if _is_sound(own, member, kept)]
    served: Served = {}
    for own, kept in sound or [(own, kept) for own, _, kept in found]:
        served.setdefault(own, []).append(kept)
    return served


def _is_sound(own: Key, member: Trained, kept: Kept) -> bool:
    is_pair = len(own) > 2
    return kept.epoch > 0 and (is_pair or not member.diverged)


def _has_sound(own: Key, member: Trained) -> bool:
    return any(_is_sound(own, member, kept) for kept in member.kept)


def _fit(plan: Plan, fold: Fold, kept: list[Kept]) -> NetworkFit:
    states = tuple(one.state for one in kept)
    return NetworkFit(fold.encoder, fold.target, plan.program.architecture, plan.program.loss, states)


def given_up(parts: Parts) -> bool:
    return any(member.left for member in parts.values())


def truncated(parts: Parts) -> str:
    n_truncated = sum(member.truncated for member in parts.values())
    return f"{n_truncated} of {len(parts)} networks were not trained to their end" if n_truncated else ""


def curves_of(parts: Parts) -> pd.DataFrame:
    """Return one row an epoch of every member: repeat, fold, seed, epoch, train_loss, stop_loss.

    A pair of folds counts as its first one, with the loss of the rows that stop for it.
    """
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "repeat": repeat,
                    "fold": fold,
                    "seed": number,
                    "epoch": np.arange(1, len(member.losses) + 1),
                    "train_loss": member.losses[:, 0],
                    "stop_loss": member.losses[:, 1],
                }
            )
            for ((repeat, fold, *_), number), member in parts.items()
        ],
        ignore_index=True,
    )
