"""Decide once which rows train, stop and validate in each fold; every model uses the same folds."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from pipeline.engine.stage import Job
from pipeline.errors import ConfigError, FeatureError, nearest
from pipeline.files import table_of, write_folds, write_json
from pipeline.seeds import derive
from pipeline.splitters._rows import Rows
from pipeline.types import STOP, TRAIN, VALID, Folds, Table

LIBRARIES = ("numpy", "pandas", "pyarrow", "pydantic")
SPREAD = "choose a split that spreads the target (kind = 'stratified'), or fewer folds"
HAS_NO_NUMBER = "score() of metric.py must give a number where every prediction is right"
STOP_PARTS = 8  # early stopping looks at about an eighth of a fold's training rows


def run(job: Job) -> dict[str, Any]:
    """Write folds.safetensors, and report.json with the size and the target of each fold.

    config: kind, n_folds, repeats, seed and options (the splitter's own).
    """
    table = table_of(job)
    folds = make_folds(job.plugins["splitter"], table, **job.config)
    check_metric(folds, table)
    report = describe(folds, table)
    write_folds(job.out, folds)
    write_json(job.out / "report.json", report)
    return {"folds": folds.n_folds, "repeats": folds.n_repeats, "notes": report["notes"]}


def make_folds(
    splitter: ModuleType, table: Table, *, kind: str, n_folds: int, repeats: int, seed: int, options: dict[str, Any]
) -> Folds:
    """Return folds of one splitter for every repeat; a ConfigError says what the rows do not allow."""
    rows = Rows.of(table)
    chosen = _options(splitter, kind, options)
    most = splitter.most_folds(rows)
    if not 2 <= n_folds <= most:
        raise ConfigError(
            f"split.n_folds is {n_folds}, expected 2 to {most}: a '{kind}' split of these rows has no more"
        )
    role = np.stack(
        [_repeat(splitter, rows, n_folds, derive(seed, "split", kind, repeat), chosen) for repeat in range(repeats)]
    )
    if len({(one == VALID).tobytes() for one in role}) < repeats:
        raise ConfigError(f"{repeats} repeats of a '{kind}' split would be the same folds again", hint="repeats = 1")
    return Folds(role, kind)


def check_metric(folds: Folds, table: Table) -> None:
    """Refuse folds on which even perfect predictions have no score, such as AUC where all rows are of one class."""
    n_classes, metric = len(table.task.classes), table.task.metric
    perfect = np.eye(n_classes)[table.target] if n_classes else table.target.reshape(len(table.target), -1)
    errors = _errors(folds, table, perfect)
    for repeat, fold in np.argwhere(~np.isfinite(errors)):
        found = f"{metric.name} cannot be computed on fold {fold} of repeat {repeat}: its {table.task.kind} target"
        n_values = len(np.unique(table.target[folds.valid_rows(repeat, fold)]))
        refused = getattr(metric.function, "refused", None)  # what a metric.py said, see pipeline/own_metric.py
        nan_itself = refused == ""
        raise ConfigError(
            f"{found} has {n_values} distinct values in {len(folds.valid_rows(repeat, fold))} rows"
            + (f"; {refused}" if refused else ""),
            hint=HAS_NO_NUMBER if nan_itself else SPREAD,
        )
    if hasattr(metric.function, "refused"):
        _refuse_random(folds, table, np.roll(perfect, 1, axis=0))


def _refuse_random(folds: Folds, table: Table, predictions: np.ndarray) -> None:
    """Refuse a metric.py whose score of the same rows is another one the next time: nothing could be compared."""
    once, again = (_errors(folds, table, predictions) for _ in range(2))
    if not np.array_equal(once, again, equal_nan=True):
        raise FeatureError(
            "metric.py: score() returned another number when it was asked again, of the same rows and predictions",
            hint="seed what it draws (numpy.random.default_rng(0)), and keep nothing between calls",
        )


def _errors(folds: Folds, table: Table, predictions: np.ndarray) -> np.ndarray:
    """Return the error (repeats, folds) of predictions (n, n_outputs) that are the same in every repeat."""
    with np.errstate(all="ignore"):
        same = np.broadcast_to(predictions, (folds.n_repeats, *predictions.shape))
        return folds.errors(table.task.metric, table.target, same)


def describe(folds: Folds, table: Table) -> dict[str, Any]:
    """Return for each fold its number of rows by role and its mean target (or class shares), train and valid."""
    entries = []
    for repeat, fold in folds:
        train, valid = folds.train_rows(repeat, fold), folds.valid_rows(repeat, fold)
        stop = folds.stop_rows(repeat, fold)
        entry = {"repeat": repeat, "fold": fold, "train_rows": len(train), "of_these_stop_rows": len(stop)}
        entry |= {"valid_rows": len(valid), "unused_rows": len(table.target) - len(train) - len(valid)}
        entries.append(entry | {"train": _target(table, train), "valid": _target(table, valid)})
    never = int((folds.role != VALID).all(axis=1).any(axis=0).sum())
    notes = [f"{never} of {len(table.target)} rows are never validated"] if never else []
    return {"kind": folds.kind, "folds": entries, "notes": notes + _rare(table, folds.n_folds)}


def _repeat(splitter: ModuleType, rows: Rows, n_folds: int, seed: int, options: BaseModel) -> np.ndarray:
    """Return roles (n_folds, n) int8 of one repeat."""
    role = np.zeros((n_folds, len(rows)), dtype=np.int8)
    for fold, (train, valid) in enumerate(splitter.split(rows, n_folds, seed, options)):
        if len(train) == 0:
            raise ConfigError(f"fold {fold} has no training rows", hint="lower split.options.gap or split.n_folds")
        role[fold, train] = TRAIN
        role[fold, valid] = VALID
        role[fold, train[stop_rows(splitter, rows.take(train), derive(seed, "stop", fold), options)]] = STOP
    return role


def stop_rows(splitter: ModuleType, rows: Rows, seed: int, options: BaseModel) -> np.ndarray:
    """Return the positions that the same splitter would validate last, with about eight folds.

    All others stay training rows, those in the gap of a split by time too, because the final fit uses them.
    """
    n_parts = min(STOP_PARTS, splitter.most_folds(rows))
    if n_parts < 2:
        raise ConfigError(
            "a fold's training rows cannot be split again for early stopping: too few groups or different times",
            hint="each fold must train on two: more split.n_folds leave it more groups, fewer leave it more times; "
            "or choose another split.kind",
        )
    return splitter.split(rows, n_parts, seed, options)[-1][1]


def _options(splitter: ModuleType, kind: str, options: dict[str, Any]) -> BaseModel:
    known = splitter.Options.model_fields
    for name in options:
        if name not in known:
            raise ConfigError(f"split.options: a '{kind}' split has no option '{name}'", hint=nearest(name, known))
    try:
        return splitter.Options(**options)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"split.options.{first['loc'][0]} is {first['input']!r}: {first['msg']}") from error


def _target(table: Table, rows: np.ndarray) -> dict[str, float]:
    """Return the mean of each target, or each class's share, of these rows."""
    target = table.target[rows]
    if table.task.targets:
        return dict(zip(table.task.targets, target.mean(axis=0).tolist(), strict=True))
    if table.task.kind == "regression":
        return {"mean": float(target.mean())}
    shares = np.bincount(target, minlength=len(table.task.classes)) / len(target)
    return dict(zip(table.task.classes, shares.tolist(), strict=True))


def _rare(table: Table, n_folds: int) -> list[str]:
    """Return a note for each class that some folds cannot hold."""
    counts: Any = np.bincount(table.target, minlength=len(table.task.classes)) if table.task.classes else []
    rare = [(label, n) for label, n in zip(table.task.classes, counts, strict=True) if n < n_folds]
    return [f"class {label} has {n} rows, fewer than {n_folds} folds" for label, n in rare]
