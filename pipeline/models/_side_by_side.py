"""Trainings of several architectures side by side in one process, each with its share of the threads.

Threads that share one operation wait for each other at its end; trainings of their own never do. Ten architectures of a
search on House Prices, five networks each, took two cores 1.04 to 1.46 times as long one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

from pipeline.core.side_by_side import side_by_side
from pipeline.log import Log, Progress

Item = TypeVar("Item")
Found = TypeVar("Found")


def run_side_by_side(
    function: Callable[[Item, Log], Found], items: Sequence[Item], log: Log, *, at_once: int, threads: int, title: str
) -> list[Found]:
    """Apply a function to all items, so many at once, each with so many threads; return its results in their order.

    When one fails, or is interrupted, those that have begun are told that time is up, and no other begins.
    """
    with log.progress(title, len(items)) as bar:  # which holds the bars of the items
        return side_by_side(
            lambda item, ended: function(item, _EndedEarly(log, ended)),
            items,
            at_once=at_once,
            threads=threads,
            done=bar.advance,
        )


@dataclass(frozen=True)
class _EndedEarly:
    """A log that also says that time is up once something has ended."""

    log: Log
    ended: Event

    def info(self, text: str) -> None:
        self.log.info(text)

    def warn(self, text: str) -> None:
        self.log.warn(text)

    def progress(self, text: str, total: int) -> AbstractContextManager[Progress]:
        return self.log.progress(text, total)

    def late(self) -> bool:
        return self.ended.is_set() or self.log.late()
