"""The log that tests hand to stages and models: it shows nothing and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Heard:
    """Implements pipeline.types.Log: warnings; titles and (done, total) steps of bars, in order; notes beside them."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.titles: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.notes: list[str] = []

    def info(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Heard]:
        self.titles.append(text)
        self.steps.append((0, total))
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        done, total = self.steps[-1]
        self.steps[-1] = (done + steps, total)
        self.notes.append(note)
