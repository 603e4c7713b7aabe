"""Which columns are targets, and numbers with commas that would be taken for classes."""

from __future__ import annotations

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
