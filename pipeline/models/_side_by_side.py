"""Trainings of several architectures side by side in one process, each with its share of the threads.

Threads that share one operation wait for each other at its end; trainings of their own never do. Ten architectures of a
search on House Prices, five networks each, took two cores 1.04 to 1.46 times as long one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import torch

from pipeline.core.devices import use_threads
from pipeline.types import Log, Progress

Item = TypeVar("Item")
Found = TypeVar("Found")


def run_side_by_side(
    function: Callable[[Item, Log], Found], items: Sequence[Item], log: Log, *, at_once: int, threads: int, title: str
) -> list[Found]:
    """Apply a function to all items, so many at once, each with so many threads; return its results in their order.

    When one fails, or is interrupted, those that have begun are told that time is up, and no other begins.
    """
    ended, n_threads = Event(), torch.get_num_threads()
    own = _EndedEarly(log, ended)
    with log.progress(title, len(items)) as bar:  # which holds the bars of the items
        try:
            with ThreadPoolExecutor(at_once, initializer=use_threads, initargs=(threads,)) as pool:
                try:
                    futures = [pool.submit(function, item, own) for item in items]
                    for future in as_completed(futures):
                        future.result()
                        bar.advance()
                finally:
                    ended.set()
                    pool.shutdown(cancel_futures=True)
        finally:
            torch.set_num_threads(n_threads)  # a thread's number is also that of all threads to come
    return [future.result() for future in futures]


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
