"""Class labels: the order of their codes, and how a sample submission may spell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd

from pipeline.errors import DataError
from pipeline.wording import first_few


def in_order(labels: Iterable[str]) -> list[str]:
    """Class labels in the order of their codes: by number where all are numbers, else by letters."""
    labels = list(labels)
    try:
        return sorted(labels, key=float)
    except ValueError:
        return sorted(labels)


def spell_labels(classes: Sequence[str], column: pd.Series) -> list[str]:
    """Return the class names as the sample's column spells them: 1 for 1.0, true for True, usually just as they are.

    A column that holds none of the classes in any spelling is a DataError.
    """
    known = {str(value) for value in column.dropna()}
    for spelled in spellings(classes):
        if known & set(spelled) or not known:
            return spelled
    raise DataError(
        f"column '{column.name}' of the sample submission holds {first_few(sorted(known))}, none of which is a "
        f"class of the target: {first_few(classes)}",
        hint="is submission = 'label' right, or does the sample want a probability?",
    )


def as_classes(labels: pd.Series, classes: Sequence[str]) -> pd.Series:
    """Return labels as the classes are spelled, in the first spelling of which they hold any; NaN for those of none."""
    spelled = next((own for own in spellings(classes) if labels.isin(own).any()), classes)
    return labels.map(dict(zip(spelled, classes, strict=True)))


def spellings(classes: Sequence[str]) -> Iterator[list[str]]:
    """Yield all class names in one spelling after the other, first as they are."""
    for spell in SPELLINGS:
        try:
            yield [spell(name) for name in classes]
        except ValueError:
            continue


def _as_integer(name: str) -> str:
    number = float(name)
    if not number.is_integer():
        raise ValueError(name)
    return str(int(number))


def _as_float(name: str) -> str:
    return str(float(name))


def _as_truth(name: str) -> str:
    words = {"true": "True", "1": "True", "1.0": "True", "false": "False", "0": "False", "0.0": "False"}
    if name.lower() not in words:
        raise ValueError(name)
    return words[name.lower()]


def _as_digit(name: str) -> str:
    return {"True": "1", "False": "0"}[_as_truth(name)]


SPELLINGS: tuple[Callable[[str], str], ...] = (str, _as_integer, _as_float, _as_truth, _as_digit, str.lower, str.upper)
