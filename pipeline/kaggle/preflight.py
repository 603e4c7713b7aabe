"""What is looked at before a file is sent: a refusal here costs nothing, one at Kaggle a submission of the day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.config import Competition
from pipeline.kaggle.refusals import page
from pipeline.raw.labels import spellings
from pipeline.raw.sheet import MISSING, Sheet
from pipeline.targets import names_of
from pipeline.wording import first_few

SUM_TOLERANCE = 1e-3
"""A row of probabilities may differ from one by so much: six written decimals of a hundred classes."""
Level = Literal["refused", "warning"]

NO_LABEL = ("",)  # a class may well be called None or NA


@dataclass(frozen=True)
class Objection:
    """One thing that is wrong ("refused": it would fail or score nonsense) or odd ("warning")."""

    level: Level
    text: str


@dataclass(frozen=True)
class Expected:
    """What a submission must look like.

    ids: the sample's, as written. form: competition.toml's `submission`. labels: the classes in every spelling that the
    sample may mean, empty where numbers are asked for. spans: of values, by column, the lowest and highest in train.
    """

    columns: tuple[str, ...]
    id: str
    ids: pd.Series
    form: str
    labels: frozenset[str]
    spans: Mapping[str, tuple[float, float]]
    below_zero: bool


def expected(competition: Competition, sample: Sheet, targets: Sequence[pd.Series]) -> Expected:
    """Return what the sample submission and train's targets (as text, n) ask for."""
    return Expected(
        columns=tuple(sample.columns),
        id=competition.id,
        ids=_column(sample, competition.id),
        form=competition.submission,
        labels=_labels(competition, sample, targets[0][~targets[0].isin(NO_LABEL)]),
        spans=_spans(competition, sample, targets) if competition.task == "regression" else {},
        below_zero=competition.metric != "rmsle",
    )


def _spans(competition: Competition, sample: Sheet, targets: Sequence[pd.Series]) -> dict[str, tuple[float, float]]:
    """Return the range of each target by the sample's column of it, which may call a single one otherwise."""
    names = names_of(competition.target)
    columns = names if len(names) > 1 else [name for name in sample.columns if name != competition.id]
    numbers = (pd.to_numeric(target[~target.isin(MISSING)], errors="coerce") for target in targets)
    return {name: (float(own.min()), float(own.max())) for name, own in zip(columns, numbers, strict=True)}


def _labels(competition: Competition, sample: Sheet, known: pd.Series) -> frozenset[str]:
    """Return the classes as the sample spells them; in every spelling where it has none of them."""
    if competition.submission != "label":
        return frozenset()
    ways = [set(way) for way in spellings(sorted(known.unique()))]
    shown = {value for name in sample.columns if name != competition.id for value in _column(sample, name)}
    return frozenset(next((way for way in ways if way & shown), set().union(*ways)))


def _column(sheet: Sheet, name: str) -> pd.Series:
    return sheet.cells[name].to_pandas().astype(object)


def check(sheet: Sheet, wanted: Expected) -> list[Objection]:
    """Return what is wrong and odd with a submission, worst first; nothing for one that is as it should be."""
    columns = list(_check_columns(sheet, wanted))
    if any(finding.level == "refused" for finding in columns):
        return columns  # what else could be said would only follow from it
    found = [*columns, *_check_ids(_column(sheet, wanted.id), wanted)]
    cells = {name: _column(sheet, name) for name in wanted.columns if name != wanted.id}
    found += _check_labels(cells, wanted) if wanted.form == "label" else _check_numbers(cells, wanted)
    return sorted(found, key=lambda finding: finding.level != "refused")


def check_left(limits: Mapping[str, int], slug: str) -> list[Objection]:
    """Return whether Kaggle takes another submission now; limits: `today` sent, `left` to send."""
    if limits["left"] > 0:
        return []
    found = f"no submission is left today ({limits['today']} were sent); the day ends at midnight UTC"
    return [_refused(f"{found}, see {page(slug, 'submissions')}")]


def _check_columns(sheet: Sheet, wanted: Expected) -> Iterator[Objection]:
    found = sheet.columns
    missing = [name for name in wanted.columns if name not in found]
    extra = [name for name in found if name not in wanted.columns]
    if missing:
        yield _refused(f"no column {first_few(missing)}; the sample submission has {first_few(wanted.columns)}")
    if extra:
        yield _refused(
            f"column {first_few(extra)} is not in the sample submission, which has {first_few(wanted.columns)}"
        )
    if not missing and not extra and found != list(wanted.columns):
        yield Objection("warning", f"the columns are in another order than the sample's: {first_few(found)}")


def _check_ids(ids: pd.Series, wanted: Expected) -> Iterator[Objection]:
    twice = ids[ids.duplicated()]
    if len(twice):
        yield _refused(f"{len(twice)} ids stand there twice, the first is {twice.iloc[0]}")
    unknown, absent = ids[~ids.isin(wanted.ids)], wanted.ids[~wanted.ids.isin(ids)]
    if len(unknown):
        yield _refused(f"{len(unknown)} ids are not in the sample submission, the first is {unknown.iloc[0]}")
    if len(absent):
        yield _refused(f"{len(absent)} ids of the sample submission are not there, the first is {absent.iloc[0]}")
    if not len(unknown) and not len(absent) and not len(twice) and list(ids) != list(wanted.ids):
        yield Objection("warning", "the rows are in another order than the sample's")


def _check_labels(cells: Mapping[str, pd.Series], wanted: Expected) -> Iterator[Objection]:
    for name, values in cells.items():
        missing, strange = values[values.isin(NO_LABEL)], values[~values.isin([*wanted.labels, *NO_LABEL])]
        if len(missing):
            yield _refused(f"{name}: {len(missing)} values are missing, the first in row {_row(missing)}")
        if len(strange):
            listed = f"{strange.iloc[0]!r} in row {_row(strange)}"
            yield _refused(
                f"{name}: {len(strange)} labels are not classes ({listed}); known: {first_few(sorted(wanted.labels))}"
            )
        if values.nunique() == 1 and len(values) > 1:
            yield Objection("warning", f"{name}: every row has the same label, {values.iloc[0]!r}")


def _check_numbers(cells: Mapping[str, pd.Series], wanted: Expected) -> Iterator[Objection]:
    numbers = {name: pd.to_numeric(values, errors="coerce").astype(np.float64) for name, values in cells.items()}
    for name, values in cells.items():
        yield from _check_finite(name, values, numbers[name])
        if wanted.form == "value":
            yield from _check_range(name, numbers[name], wanted)
        else:
            outside = numbers[name][(numbers[name] < 0) | (numbers[name] > 1)]
            if len(outside):
                found = f"{outside.iloc[0]:g} in row {_row(outside)}"
                yield _refused(
                    f"{name}: {len(outside)} values are not probabilities between 0 and 1, the first is {found}"
                )
        if numbers[name].nunique() == 1 and len(values) > 1:
            yield Objection("warning", f"{name}: every row has the same value, {values.iloc[0]}")
    if wanted.form == "probabilities":
        yield from _check_sums(pd.DataFrame(numbers))


def _check_finite(name: str, values: pd.Series, numbers: pd.Series) -> Iterator[Objection]:
    missing = values[values.isin(MISSING)]
    infinite = numbers[np.isinf(numbers)]
    words = values[numbers.isna() & ~values.isin(MISSING)]
    if len(missing):
        yield _refused(f"{name}: {len(missing)} values are missing, the first in row {_row(missing)}")
    if len(infinite):
        yield _refused(f"{name}: {len(infinite)} values are infinite, the first in row {_row(infinite)}")
    if len(words):
        yield _refused(
            f"{name}: {len(words)} values are not numbers, the first is {words.iloc[0]!r} in row {_row(words)}"
        )


def _check_range(name: str, numbers: pd.Series, wanted: Expected) -> Iterator[Objection]:
    negative = numbers[numbers < 0]
    if len(negative) and not wanted.below_zero:
        yield _refused(f"{name}: {len(negative)} values are below 0, where RMSLE is not defined")
    low, high = wanted.spans.get(name, (np.nan, np.nan))
    outside = numbers[((numbers < low) | (numbers > high)) & np.isfinite(numbers)]
    if len(outside):
        span = f"{low:g} to {high:g}"
        found = f"{len(outside)} values ({len(outside) / len(numbers):.1%}) lie outside what train has, {span}"
        yield Objection("warning", f"{name}: {found}; they reach from {outside.min():g} to {outside.max():g}")


def _check_sums(numbers: pd.DataFrame) -> Iterator[Objection]:
    sums = numbers.sum(axis=1)
    off = sums[(sums - 1).abs() > SUM_TOLERANCE]
    if len(off):
        found = f"{off.iloc[0]:.4g} in row {_row(off)}"
        yield _refused(f"the probabilities of {len(off)} rows do not sum to one, the first to {found}")


def _refused(text: str) -> Objection:
    return Objection("refused", text)


def _row(found: pd.Series) -> int:
    """Return the position of the first found, from 1, the header not counted."""
    return int(found.index[0]) + 1
