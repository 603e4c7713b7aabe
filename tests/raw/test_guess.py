"""Which columns are targets, and numbers with commas that would be taken for classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from pipeline.errors import ConfigError
from pipeline.raw.guess import guess
from pipeline.raw.sheet import Sheet, parse
from pipeline.raw.source import Text

N_ROWS = 60


def sheet(name: str, **columns: str) -> Sheet:
    """Return a file of `columns`, each written by its pattern from the number of the row."""
    rows = [",".join(columns), *(",".join(own.format(i) for own in columns.values()) for i in range(1, N_ROWS + 1))]
    return parse(Text(f"{name}.csv", "\n".join(rows).encode()))


def rows(name: str, columns: Mapping[str, Iterable[object]]) -> Sheet:
    """Return a file with these cells."""
    cells = ([f'"{cell}"' for cell in own] for own in zip(*columns.values(), strict=True))
    return parse(Text(f"{name}.csv", "\n".join(map(",".join, [list(columns), *cells])).encode()))


def test_columns_that_test_has_are_no_targets() -> None:
    """A sample that repeats them could not be written: it is refused before they are taken for targets."""
    train, test = sheet("train", id="{}", a="{}", y="{}.5"), sheet("test", id="{}", a="{}")
    with pytest.raises(ConfigError, match=r"asks for y by id, and repeats a, which test\.csv has too") as caught:
        guess(train, test, sheet("sample_submission", id="{}", a="{}", y="0"))
    assert "take a out of a copy of sample_submission.csv" in caught.value.hint


@pytest.mark.parametrize("filled", ["", "0"])
@pytest.mark.parametrize("also", [{}, {"z": "{}.25"}])
def test_targets_that_test_has_too(filled: str, also: dict[str, str]) -> None:
    train = sheet("train", id="{}", a="{}", y="{}.5", **also)
    test = sheet("test", id="{}", a="{}", y=filled, **dict.fromkeys(also, filled))
    found = guess(train, test, sheet("sample_submission", id="{}", y="0", **also))
    assert found.target == (["y", "z"] if also else "y")


@pytest.mark.parametrize("written", ['"1,{:03}"', '"{},5"', '"1,{:03}.50"'])
@pytest.mark.parametrize("also", [{}, {"z": "{}.25"}])
def test_a_target_of_numbers_with_commas_is_refused(written: str, also: dict[str, str]) -> None:
    train, test = sheet("train", id="{}", a="{}", y=written, **also), sheet("test", id="{}", a="{}")
    with pytest.raises(ConfigError, match=r"the target y of train\.csv holds numbers with commas, such as '1,"):
        guess(train, test, sheet("sample_submission", id="{}", y="0.5", **also))


def test_of_several_columns_the_one_whose_labels_the_sample_asks_for_is_the_target() -> None:
    """As in San Francisco Crime, whose train also has what is known once a crime is solved."""
    labels = ["ARSON", "DRUG/NARCOTIC", "TREA"]
    train = rows("train", {"a": range(60), "Category": labels * 20, "Resolution": ["NONE", "ARREST, BOOKED"] * 30})
    sample = rows("sample_submission", {"Id": range(60)} | dict.fromkeys(labels, [0] * 60))
    found = guess(train, rows("test", {"Id": range(60), "a": range(60)}), sample)
    assert (found.target, found.task, found.submission) == ("Category", "multiclass", "probabilities")
    assert found.drop == ["Resolution"]
