"""The example at the head of the core runs as it stands."""

from __future__ import annotations

import doctest

import pipeline.core


def test_the_example_gives_what_it_says() -> None:
    found = doctest.testmod(pipeline.core)
    assert found.attempted > 20
    assert found.failed == 0
