"""The log that tests hand to stages and models: it shows nothing and remembers what it was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock


class Heard:
    """Implements pipeline.types.Log: infos and warnings; titles and (done, total) steps of bars, in order; notes beside
    them; tables, header first.

    patience: how often it answers that there is time left; without end when None.
    """

    def __init__(self, patience: int | None = None) -> None:
        self.patience = patience
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.titles: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.notes: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.lock = Lock()

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def late(self) -> bool:
        if self.patience is None:
            return False
        with self.lock:
            self.patience -= 1
            return self.patience < 0

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Bar]:
        with self.lock:
            self.titles.append(text)
            self.steps.append((0, total))
            bar = Bar(self, len(self.steps) - 1)
        yield bar


@dataclass(frozen=True)
class Bar:
    """One of a log's bars; several may be open at once, in several threads."""

    log: Heard
    place: int

    def advance(self, steps: int = 1, note: str = "") -> None:
        done, total = self.log.steps[self.place]
        self.log.steps[self.place] = (done + steps, total)
        self.log.notes.append(note)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.log.tables.append([list(header), *map(list, rows)])
