"""What a competition's files say about it: id, target, task and form of the submission, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError, DataError
from pipeline.raw.beside import Beside, silent, widened
from pipeline.raw.guess_columns import are_codes, are_groups, dates_of, odd_one_below
from pipeline.raw.guess_keys import BY_HAND, find_id, joined
from pipeline.raw.kinds import number_with_comma, settle
from pipeline.raw.labels import in_order, spellings
from pipeline.raw.sample import find_class_columns
from pipeline.raw.sheet import Sheet, blank_missing
from pipeline.targets import names_of
from pipeline.wording import first_few

MOST_FOLDS, FEWEST_FOLDS = 5, 2  # in time
MOMENTS = 3  # different times in every stretch between folds: the first is cut again for early stopping
MOST_CLASSES = 20  # a whole-number target with more levels is taken for an amount


@dataclass
class Guess:
    """The facts of a competition.toml, and a sentence for each on why."""

    id: str
    target: str | list[str]
    task: str = ""
    submission: str = ""
    metric: str = ""
    time: str = ""
    groups: str = ""
    classes: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    date: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    id_from: list[str] | int | None = None
    tables: dict[str, list[str]] = field(default_factory=dict)
    time_folds: int = 0
    findings: dict[str, str] = field(default_factory=dict)


def guess(train: Sheet, test: Sheet, sample: Sheet | None, others: Mapping[str, Sheet] = MappingProxyType({})) -> Guess:
    """Infer everything but the metric; what cannot be told is a ConfigError that says so.

    others: files beside train and test, by name, that may be joined to both.
    """
    found = Guess("", "")
    found.id, found.id_from, why = find_id(train, test, sample)
    found.findings["id"] = f"id: {found.id} ({why})"
    train, test = (widened(sheet, vars(found), [], silent) for sheet in (train, test))
    _find_target(found, train, test, sample)
    tables = _find_tables(found, train, test, others)
    train, test = (widened(sheet, {}, tables, silent) for sheet in (train, test))
    if isinstance(found.target, str):
        _find_task_and_form(found, found.target, train, sample)
    else:
        _find_values(found, found.target, train)
    _find_columns(found, train, test)
    return found


def _find_tables(found: Guess, train: Sheet, test: Sheet, others: Mapping[str, Sheet]) -> list[Beside]:
    """Note which of the other files are joined, and which not; one with the target holds labelled rows, no columns."""
    tables = []
    for name, sheet in others.items():
        labelled = set(names_of(found.target)) & set(sheet.columns)
        if labelled or not set(train.columns) & set(test.columns) & set(sheet.columns):
            continue
        if (table := joined(sheet, train, test, found.id)) is None:
            found.findings[name] = (
                f"{name}: not joined: it has no new columns, or not one row for each of ours; where it has several, "
                "sum them up to one row a key in a file of your own, and run this again"
            )
            continue
        tables.append(table)
        found.tables[name] = list(table.on)
        brings = [column for column in table.brings if column not in train.columns]
        shares = {part.name: table.share_of(part) for part in (train, test)}
        partly = "".join(f"; {share:.0%} of {part}" for part, share in shares.items() if share < 1)
        found.findings[name] = f"{name}: joined by {', '.join(table.on)} (brings {first_few(brings)}{partly})"
    return tables


def _find_task_and_form(found: Guess, name: str, train: Sheet, sample: Sheet | None) -> None:
    _refuse_commas(name, train)
    target = settle(name, train.cells[name])
    labels = blank_missing(train.cells[name], ("",)).drop_null().unique().to_pylist()
    values = _sample_values(found, sample)
    _find_task(found, target.kind, target.values.dropna(), labels, values)
    found.classes = in_order(labels) if found.task != "regression" else []
    _find_form(found, values, labels, sample)


def _refuse_commas(name: str, train: Sheet) -> None:
    """Amounts such as 1,234.50 would be taken for classes."""
    if comma := number_with_comma(blank_missing(train.cells[name]).drop_null()):
        raise ConfigError(
            f"the target {name} of {train.name} holds numbers with commas, such as {comma!r}",
            hint=f"write them without, in a copy of the files; where they are classes, {BY_HAND}",
        )


def _find_values(found: Guess, names: list[str], train: Sheet) -> None:
    """Of several targets each must hold amounts, no classes."""
    for name in names:
        _refuse_commas(name, train)
        target = settle(name, train.cells[name])
        what = f"no numbers ({target.kind})" if target.kind != "numeric" else "two classes"
        if target.kind != "numeric" or target.values.nunique() == 2:
            raise ConfigError(
                f"the sample asks for {len(names)} targets ({', '.join(names)}), and {name} seems to hold {what}: "
                "several targets are supported where all are amounts",
                hint=f"make a competition of each target; where they are amounts, {BY_HAND}",
            )
    found.task, found.submission = "regression", "value"
    found.findings["task"] = f"task: regression ({len(names)} columns of numbers)"
    found.findings["submission"] = "submission: value (a number for each target)"


def usual_metric(found: Guess, targets: Sequence[pd.Series]) -> tuple[str, str]:
    """Return the task's usual metric, and why this one; of several targets it is one that suits them all."""
    if found.task != "regression":
        if found.submission == "label":
            return "accuracy", "the usual one for labels"
        one = found.submission == "probability"
        return ("auc", "the usual one for one probability") if one else ("log_loss", "the usual one")
    skew = min(map(_skew, targets))
    if all(own.min() >= 0 and _skew(own) > 1.5 and abs(_skew(np.log1p(own))) < _skew(own) / 3 for own in targets):
        return "rmsle", f"the target is never negative and very skewed ({skew:.1f}), but not in logarithms"
    return "rmse", f"the usual one (the target's skew is {skew:.1f})"


def _skew(values: pd.Series) -> float:
    return float(values.skew())  # type: ignore[arg-type]


def _find_target(found: Guess, train: Sheet, test: Sheet, sample: Sheet | None) -> None:
    only_train = [name for name in train.columns if name not in test.columns]
    asked = [name for name in sample.columns if name != found.id] if sample is not None else []
    named = _asked_for([name for name in asked if name in train.columns], test, sample, found.id)
    if named:
        found.target, why = named[0] if len(named) == 1 else named, "in train and in the sample"
    elif len(only_train) == 1:
        found.target, why = only_train[0], "the only column of train that test does not have"
    elif len(labelled := [name for name in only_train if _has_classes(train, name, found.id, asked)]) == 1:
        found.target, why = labelled[0], "the sample has a column for each of its labels"
    else:
        listed = ", ".join(only_train) or "none"
        raise ConfigError(f"which column is the target cannot be told: only in {train.name}: {listed}", hint=BY_HAND)
    targets = names_of(found.target)
    found.findings["target"] = f"target: {', '.join(targets)} ({why})"
    only_test = [name for name in test.columns if name not in train.columns and name != found.id]
    found.drop = [name for name in only_train if name not in (*targets, found.id)] + only_test
    if found.drop:
        found.findings["drop"] = f"left out, because only one of train and test has them: {', '.join(found.drop)}"


def _has_classes(train: Sheet, name: str, id_column: str, asked: list[str]) -> bool:
    labels = blank_missing(train.cells[name], ("",)).drop_null().unique().to_pylist()
    try:
        find_class_columns({"submission": "probabilities", "id": id_column}, asked, labels)
    except DataError:
        return False
    return len(asked) > 1


def _asked_for(asked: list[str], test: Sheet, sample: Sheet | None, id_column: str) -> list[str]:
    """Return which columns of the sample and train are targets: those that test lacks, or else leaves blank.

    Where test has all of them filled, they are; where it has some, the sample repeats those.
    """
    filled = [
        name
        for name in asked
        if name in test.columns and blank_missing(test.cells[name]).null_count < test.cells.num_rows
    ]
    targets = [name for name in asked if name not in filled] or filled
    if sample is not None and targets != filled and filled:
        raise ConfigError(
            f"{sample.name} asks for {', '.join(targets)} by {id_column}, and repeats {', '.join(filled)}, which "
            f"{test.name} has too: a sample holds the id and what is predicted",
            hint=f"take {', '.join(filled)} out of a copy of {sample.name}, and put it back into the submission by "
            "hand if Kaggle asks for it; if it is a target, take it out of test",
        )
    return targets


def _sample_values(found: Guess, sample: Sheet | None) -> list[str]:
    """The different values that the sample predicts; none if it has a column a class, or leaves it blank."""
    others = [name for name in sample.columns if name != found.id] if sample is not None else []
    values = sample.cells[others[0]].unique().to_pylist() if sample is not None and len(others) == 1 else []
    return [value for value in values if value]


def _find_task(found: Guess, kind: str, target: pd.Series, labels: list[str], sample_values: list[str]) -> None:
    n = len(labels)
    if n < 2:
        raise ConfigError(f"the target {found.target} has {n} different values, expected 2 or more", hint=BY_HAND)
    if kind == "numeric":
        whole = bool((target % 1 == 0).all())
        if n == 2:
            found.task, why = "binary", f"two values: {' and '.join(sorted(labels))}"
        elif whole and n <= MOST_CLASSES and (not sample_values or _are_labels(sample_values, labels)):
            found.task, why = "multiclass", f'{n} whole numbers; if they are amounts, write task = "regression"'
        else:
            found.task, why = "regression", f"{n} different {'whole ' if whole else ''}numbers"
    elif kind in ("date", "text"):
        raise ConfigError(f"the target {found.target} holds {kind}: neither numbers nor classes", hint=BY_HAND)
    else:
        found.task, why = ("binary" if n == 2 else "multiclass"), f"{n} labels: {first_few(sorted(labels))}"
    found.findings["task"] = f"task: {found.task} ({why})"


def _find_form(found: Guess, values: list[str], labels: list[str], sample: Sheet | None) -> None:
    unsaid = "the sample is blank" if sample is not None else "no sample says otherwise"
    if found.task == "regression":
        found.submission, why = "value", "a number"
    elif sample is not None and len(sample.columns) > 2:
        found.submission, why = "probabilities", f"the sample has {len(sample.columns) - 1} columns, one a class"
    elif values and _are_labels(values, labels):
        found.submission, why = "label", f"the sample holds {first_few(sorted(values))}"
        if len(values) == 1 and found.task == "binary" and _is_share(values[0]):
            why += '; if Kaggle wants a probability, write submission = "probability" and a metric of it, as "auc"'
    elif found.task == "binary" and all(_is_share(value) for value in values):
        found.submission = "probability"
        why = f"the sample holds {first_few(sorted(values))}" if values else unsaid
    elif not values:
        found.submission, why = "label", unsaid
    else:
        listed = f"{first_few(sorted(values))}, the classes are {first_few(sorted(labels))}"
        raise ConfigError(
            f"whether a label or a probability is asked for cannot be told: sample {listed}", hint=BY_HAND
        )
    found.findings["submission"] = f"submission: {found.submission} ({why})"


def _are_labels(values: list[str], labels: list[str]) -> bool:
    """Say whether a sample's values are labels, in some spelling; 0.0 for 0 is not, which is a probability's."""
    as_numbers = {str(float(label)) for label in labels if _is_number(label)} - set(labels)
    return any(set(values) <= set(own) and not set(values) & as_numbers for own in spellings(labels))


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_share(value: str) -> bool:
    try:
        return 0 <= float(value) <= 1
    except ValueError:
        return False


def _find_columns(found: Guess, train: Sheet, test: Sheet) -> None:
    """Note rows that hang together, codes, dates, and a date by which test lies after train."""
    shared = [n for n in test.columns if n in train.columns and n not in (found.id, *names_of(found.target))]
    groups = [name for name in shared if are_groups(name, train.cells[name], test.cells[name])]
    dated, below = False, {}
    for name in shared:
        column = settle(name, train.cells[name])
        below[name] = odd_one_below(column)
        if name not in groups and are_codes(name, column):
            found.categorical.append(name)
        elif column.kind != "numeric" and (moments := dates_of(name, train.cells[name], test.cells[name])):
            ours, theirs = moments
            dated = True
            found.date += [name] if column.kind != "date" else []
            if not found.time and theirs.min() > ours.max():
                _take_time(found, name, ours[_labelled(found, train)].nunique())
    if not dated and found.id in train.columns and dates_of(found.id, train.cells[found.id], test.cells[found.id]):
        found.findings["moment"] = (
            f"{found.id} holds dates, but an id is no feature: write experiments/<slug>/features.py with a function, "
            f'such as def moment(rows): return pandas.to_datetime(rows["{found.id}"])'
        )
    if groups and not found.time:
        found.groups = groups[0]
        found.findings["groups"] = (
            f"groups: train and test share no {found.groups}, of which each has several rows: folds do not cut them"
        )
    if found.categorical:
        listed = ", ".join(found.categorical)
        found.findings["categorical"] = f"read as categories: {listed} (whole numbers, called like codes)"
    if odd := [f'"{name}" = [{number}]' for name, number in below.items() if number is not None]:
        found.findings["missing"] = (
            "a single number below zero may stand for a missing value; if it does, add to competition.toml: [missing] "
            + first_few(odd)
        )
    if found.date:
        such = blank_missing(train.cells[found.date[0]]).drop_null()[0]
        found.findings["date"] = f"read as dates: {', '.join(found.date)} (such as {such})"


def _labelled(found: Guess, train: Sheet) -> np.ndarray:
    """Return which rows of train (n,) have their target, or all of them."""
    known = [blank_missing(train.cells[name]).is_valid().to_numpy() for name in names_of(found.target)]
    return np.all(known, axis=0)


def _take_time(found: Guess, name: str, n_moments: int) -> None:
    """Fold in time, as Kaggle has cut train from test, where there are enough moments for each fold to learn from."""
    n_folds = min(MOST_FOLDS, n_moments // MOMENTS - 1)
    if n_folds < FEWEST_FOLDS:
        found.findings["time"] = (
            f"time: every {name} of test lies after train, where {n_moments} are too few for folds in time: the score "
            "of other folds may be too good"
        )
        return
    found.time, found.time_folds = name, n_folds
    unless = "" if name in found.date else "; it is no feature, unless [columns] date lists it"
    found.findings["time"] = f'time: every {name} of test lies after train, so that [split] has kind = "time"{unless}'
