"""How scores and their standard errors are written: as many digits as tell something, all of one table alike."""

from __future__ import annotations

import math

import pytest

from pipeline.report.summary import decimals, number, signed


@pytest.mark.parametrize(
    ("score", "se", "shown"),
    [
        (28123.456, 312.3, ("28123", "312")),
        (0.84321, 0.0123, ("0.84321", "0.01230")),
        (0.00012345, 0.00001, ("0.000123", "0.000010")),
        (1.0, 1e-17, ("1.000000", "0.000000")),
        (0.00002, 0.03, ("0.000020", "0.030000")),
        (0.0, 0.0, ("0", "0")),
        (9.4552e-10, 6.7e-11, ("9.4552e-10", "6.7000e-11")),
        (9.4552e-10, math.nan, ("9.4552e-10", "-")),
        (-3.2e-7, 0.0, ("-3.2000e-07", "0.0000e+00")),
    ],
)
def test_digits_that_tell_something_are_shown(score: float, se: float, shown: tuple[str, str]) -> None:
    places = decimals(score, se)
    assert (number(score, places), number(se, places)) == shown


def test_differences_have_a_sign_unless_they_are_nothing() -> None:
    assert [signed(value, 3) for value in (0.25, -0.25, -1e-9, 0.0)] == ["+0.250", "-0.250", "0.000", "0.000"]
    assert [signed(value, 13) for value in (2.5e-10, -2.5e-10, -1e-20)] == ["+2.5000e-10", "-2.5000e-10", "0.0000e+00"]


def test_nothing_has_no_sign() -> None:
    assert [number(value, 5) for value in (-0.0, -1e-9, 1e-9)] == ["0.00000"] * 3
