"""Where stages and models say what they do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """A bar on a terminal, a line now and then elsewhere."""

    def advance(self, steps: int = 1, note: str = "") -> None: ...

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table below the bar until the next one or the bar's end; nothing where there is no terminal."""


class Log(Protocol):
    """Where stages and models say what they do, and hear that time is up; engine/console.py implements it."""

    def info(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    def progress(self, text: str, total: int) -> AbstractContextManager[Progress]: ...

    def late(self) -> bool:
        """Return whether time is up: end with what there is, and say what was left out. Ask between units of work."""
