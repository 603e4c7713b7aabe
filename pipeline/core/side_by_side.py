"""Trainings side by side in threads of one process, each of which computes in its share of the threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event
from typing import TypeVar

import torch

from pipeline.core.devices import use_threads

Item = TypeVar("Item")
Found = TypeVar("Found")


def side_by_side(
    function: Callable[[Item, Event], Found],
    items: Sequence[Item],
    *,
    at_once: int,
    threads: int,
    done: Callable[[], None] = lambda: None,
) -> list[Found]:
    """Apply a function to all items, so many at once, each with so many threads; return its results in their order.

    function: is also given what is set once one has failed, or was interrupted: those that have begun are to end then,
    and no other begins. done: called for each that has ended.
    """
    ended, n_threads = Event(), torch.get_num_threads()
    try:
        with ThreadPoolExecutor(at_once, initializer=use_threads, initargs=(threads,)) as pool:
            try:
                futures = [pool.submit(function, item, ended) for item in items]
                for future in as_completed(futures):
                    future.result()
                    done()
            finally:
                ended.set()
                pool.shutdown(cancel_futures=True)
    finally:
        torch.set_num_threads(n_threads)  # a thread's number is also that of all threads to come
    return [future.result() for future in futures]
