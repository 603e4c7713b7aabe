"""Cross-fit networks: encode every fold, train all members fused, average the seeds, predict; for all network plug-ins.

Entries that share a program and an encoding are trained as one: recipes x repeats x folds x seeds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from pipeline.core.capacity import is_out_of_memory
from pipeline.core.devices import trainings_at_once, try_all_gpus
from pipeline.core.fused import train
from pipeline.core.members import EncodedRows, Member, Program, Trained, View
from pipeline.core.rungs import NONE, Rungs
from pipeline.errors import ModelError
from pipeline.log import Log
from pipeline.models._network_case import Case
from pipeline.models._network_entry import curves_of, given_up, make_entry, truncated
from pipeline.models._network_findings import findings
from pipeline.models._network_fit import NetworkFit
from pipeline.models._network_fold import Fold, Key
from pipeline.models._network_plan import Part, Parts, Plan, Plans
from pipeline.models._network_stopping import best_epoch
from pipeline.models._side_by_side import run_side_by_side
from pipeline.seeds import derive
from pipeline.spread import Spread, in_turn
from pipeline.types import CrossFit, Folds, Table

NOT_AGAIN = "trained on the inner rows of each fold alone"


def cross_fit(plans: Mapping[str, Plan], case: Case, log: Log, spread: Spread) -> dict[str, CrossFit]:
    """Cross-fit all plans, those that can be trained together as one program; entries keep the plans' order."""
    groups: dict[tuple, list[str]] = {}
    for name, plan in plans.items():
        groups.setdefault(plan.shared, []).append(name)
    own = [{name: plans[name] for name in names} for names in groups.values()]
    own.sort(key=lambda group: _effort(group, case.table.train.shape[1]), reverse=True)  # no large one is left alone
    n_encoded = max(
        len(case.keys(part, 0)) * case.n_different(plan, part) for plan in plans.values() for part in plan.parts
    )
    at_once = trainings_at_once(len(own), case.table.train.size * n_encoded)
    case = replace(case, at_once=at_once, threads=torch.get_num_threads() // at_once)
    # elsewhere as many go together as are trained at once, so that other machines have work, too
    units = [own] if spread is in_turn else [own[n : n + at_once] for n in range(0, len(own), at_once)]
    entries: dict[str, CrossFit] = {}
    for found in spread(_cross_fit_groups, case, units, log):
        entries |= found
    return {name: entries[name] for name in plans}


def _effort(plans: Plans, n_columns: int) -> int:
    """Return in what proportion groups of plans take time: the weights that rows pass, before columns are encoded."""
    program = next(iter(plans.values())).program
    sizes = (n_columns, *program.architecture.hidden, program.architecture.n_outputs)
    return sum(plan.n_seeds for plan in plans.values()) * program.epochs * sum(a * b for a, b in pairwise(sizes))


def _cross_fit_groups(case: Case, groups: Sequence[Plans], log: Log) -> dict[str, CrossFit]:
    """Cross-fit groups one after the other, or side by side: then what they share is encoded before."""
    if case.at_once == 1:
        found = [_cross_fit_group(case, plans, log) for plans in groups]
    else:
        for shared in map(_shared, groups):
            for part in shared.parts:
                case.encode(shared, part)
        train = partial(_cross_fit_group, case)
        title = f"networks of {len(groups)} kinds"
        found = run_side_by_side(train, groups, log, at_once=case.at_once, threads=case.threads, title=title)
    case.forget("inner")
    return {name: entry for entries in found for name, entry in entries.items()}


def _shared(plans: Plans) -> Plan:
    """Return the one with the most seeds of plans that share a program: what it encodes, all others find."""
    return max(plans.values(), key=lambda plan: plan.n_seeds)


def _cross_fit_group(case: Case, plans: Plans, log: Log) -> dict[str, CrossFit]:
    """Train plans that share a program: with stop_on "inner" once to find each fold's epochs, then on all its rows."""
    began = time.perf_counter()
    if case.at_once > 1 and case.progress is not None:  # two groups may differ in what a checkpoint does not know
        case = replace(case, progress=case.progress / next(iter(plans)))
    shared = _shared(plans)
    inner = shared.stop_on == "inner"
    first = _train(plans, case, log, shared.parts[0], {})
    going = {name: plan for name, plan in plans.items() if not given_up(first[name])}
    goes_on = inner and bool(going) and not log.late()
    if goes_on and case.at_once == 1:
        case.forget("inner")
    again = _again(going, case, log, first) if goes_on else {}
    seconds = (time.perf_counter() - began) / len(plans)
    entries = {}
    for name, plan in plans.items():
        unfinished = inner and name in going and name not in again
        parts, data = again.get(name, first[name]), case.encode(shared, "inner" if unfinished else shared.parts[-1])
        entry = make_entry(plan, parts, data, case.table, case.folds)
        entries[name] = replace(
            entry,
            curves=curves_of(first[name]),
            seconds=seconds,
            findings=() if entry.failed else findings(shared.program, list(parts.values()), entry, data, case.table),
            truncated=truncated(first[name]) or NOT_AGAIN * unfinished,
            rungs=next(iter(first[name].values())).rungs,
        )
    return entries


def _again(plans: Plans, case: Case, log: Log, first: Mapping[str, Parts]) -> dict[str, Parts]:
    """Train plans on all rows of their folds, for the epochs that were found; return those for which there was time.

    A network that was stopped in the middle of it is worse than the one that found its epoch, which serves instead.
    """
    trained = _train(plans, case, log, "train", _choose_epochs(plans, first, case.folds))
    return {name: parts for name, parts in trained.items() if not truncated(parts)}


def _choose_epochs(plans: dict[str, Plan], trained: Mapping[str, Parts], folds: Folds) -> dict[str, dict[Key, int]]:
    """Return each fold's best epoch by its stopping rows, averaged over seeds: another training ends there."""

    def best(name: str, key: Key) -> int:
        losses = [trained[name][key, number].losses[:, 1] for number in range(plans[name].n_seeds)]
        return best_epoch(plans[name].program, losses, len(folds.stop_rows(*key)))

    return {name: {key: best(name, key) for key in folds} for name in plans}


def _train(
    plans: Plans,
    case: Case,
    log: Log,
    part: Part,
    epochs: Mapping[str, Mapping[Key, int]],
) -> dict[str, Parts]:
    """Train every plan's members on every fold, or pair of folds; return them by plan, fold and seed number.

    The first network of every fold comes before all second ones, so that a fold has one if time is up early.
    epochs: as many as each fold is to take, found before; rungs were passed then.
    """
    shared = _shared(plans)
    data = case.encode(shared, part)
    views = {key: _view(fold, case.table, case.stops(shared, part, key)) for key, fold in data.items()}
    place = {key: number for number, key in enumerate(views)}
    labels: list[tuple[str, Key, int]] = []
    members = []
    for number in range(shared.n_seeds):
        for name, plan in plans.items():
            for key in case.keys(part, number) if number < plan.n_seeds else []:
                labels.append((name, key, number))
                own = derive(case.seed, "member", *key, number)
                members.append(plan.member(place[key], own, epochs[name][key] if epochs else None))
    total = sum(member.epochs or shared.program.epochs for member in members)
    title = f"{', '.join(plans)}" if len(plans) < 4 else f"{len(plans)} recipes"
    text = f"{title}: {'find epochs' if part == 'inner' else 'fit'}, {len(members)} networks"
    rungs = NONE if epochs else _rungs(case, shared.program, data, labels)
    with log.progress(text, total) as bar:
        how = {"advance": bar.advance, "stop": log.late, "checkpoint": case.progress, "rungs": rungs}
        trained = _train_alike(shared.program, members, list(views.values()), how)
    results: dict[str, Parts] = {name: {} for name in plans}
    for (name, key, number), member in zip(labels, trained, strict=True):
        results[name][key, number] = member
    return results


def _rungs(case: Case, program: Program, data: Mapping[Key, Fold], labels: Sequence[tuple[str, Key, int]]) -> Rungs:
    """Return at which epochs a recipe's mean error over all folds decides whether it goes on; labels: one a member."""

    def measure(place: int, member: Trained) -> float:
        key = labels[place][1]
        fit = NetworkFit(
            data[key].encoder, data[key].target, program.architecture, program.loss, (member.state,)
        )  # fmt: skip
        predicted = fit.predict_encoded(data[key].valid)
        if not np.isfinite(predicted).all():
            return float("inf")
        error = case.table.task.error(case.table.target[case.folds.valid_rows(*key[:2])], predicted)
        return error if np.isfinite(error) else float("inf")

    names = [name for name, _, _ in labels]
    epochs = tuple(max(1, round(rung.share * program.epochs)) for rung in case.rungs)
    return Rungs(epochs, tuple(rung.limit for rung in case.rungs), [names.index(name) for name in names], measure)


def _train_alike(program: Program, members: list[Member], views: list[View], how: dict[str, Any]) -> list[Trained]:
    """Train members together whose views have as many categorical codes and numbers (nearly always all of them).

    Where that is not all of them there are no rungs, which would judge a recipe by some of its folds.
    """
    trained: dict[int, Trained] = {}
    embedded = program.architecture.numeric != "none"
    widths = [(view.train.codes.shape[1], view.n_numeric if embedded else 0) for view in views]
    unheld = () if len(set(widths)) == 1 else (math.nan,) * len(how["rungs"].epochs)
    how = how | {"rungs": NONE} if unheld else how
    for width in sorted(set(widths)):
        alike = [view for view in range(len(views)) if widths[view] == width]
        chosen = [place for place, member in enumerate(members) if widths[member.view] == width]
        own = [replace(members[place], view=alike.index(members[place].view)) for place in chosen]
        done = _fitting_memory(program, own, [views[view] for view in alike], how)
        trained |= dict(zip(chosen, done, strict=True))
    found = [trained[place] for place in range(len(members))]
    return [replace(member, rungs=unheld) for member in found] if unheld else found


def _fitting_memory(program: Program, members: list[Member], views: list[View], how: dict[str, Any]) -> list[Trained]:
    """Train members on all devices; say what to do where not even one fits into memory."""
    devices = try_all_gpus()
    try:
        return train(program, members, views, devices=devices, **how)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ModelError(
            f"the table, or one network at a time, does not fit into the memory of {devices[0]}",
            hint="a smaller batch_size, width or k, or fewer columns"
            + "; CUDA_VISIBLE_DEVICES= trains on the CPU" * (devices[0].type == "cuda"),
        ) from error


def _view(fold: Fold, table: Table, stops: Sequence[np.ndarray] = ()) -> View:
    def labelled(found: EncodedRows, rows: np.ndarray) -> EncodedRows:
        weights = table.weights(rows)
        counted = None if weights is None else torch.from_numpy(weights).to(found.dense.dtype)
        return replace(found, target=fold.learnt(table.target[rows]), weight=counted)

    held = tuple(labelled(fold.held(table, stop), stop) for stop in stops)
    return View(labelled(fold.encoded, fold.rows), held, fold.n_levels, fold.encoder.n_numeric)
