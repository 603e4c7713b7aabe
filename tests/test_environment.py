"""Whatever a block does to the environment ends with it."""

from __future__ import annotations

import io
import os
import sys

import pytest

from pipeline import cli
from pipeline.environment import restored


def _change_and_fail() -> None:
    with restored():
        os.environ["CHANGED"] = os.environ["ADDED"] = "within"
        del os.environ["REMOVED"]
        _ = 1 / 0


def test_what_a_block_adds_changes_and_removes_is_undone_even_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGED", "before")
    monkeypatch.setenv("REMOVED", "before")
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError):
        _change_and_fail()
    assert dict(os.environ) == before


def test_signs_that_a_terminal_does_not_have_stop_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(cli, "app", lambda: sys.stdout.write("52.3 ± 1.9\n"))
    cli.main()
    sys.stdout.flush()
    assert written.getvalue() == b"52.3 ? 1.9\n"
