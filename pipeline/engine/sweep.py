"""Removes what nobody needs from a store: results that are not kept, leftovers of killed runs, what was set aside.

Safe beside runs that are going on. A run holds every result it found (hold.py), and the lock of every key it makes; a
sweep takes both without waiting and leaves alone what it cannot get. A result is first moved aside, so that a run
finds it whole or not at all: one that comes a moment later makes it anew.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine.hold import alone
from pipeline.engine.store import MANIFEST, SHORT, Result, Store


@dataclass(frozen=True)
class Swept:
    """The names of the nodes whose results were removed, of those left because a run uses them, and the bytes freed."""

    removed: tuple[str, ...]
    in_use: tuple[str, ...]
    bytes: int


def sweep(store: Store, keep: set[str], drop: Collection[str] = ()) -> Swept:
    """Remove every result whose key is not in `keep` and that no kept result was made from, and all leftovers.

    Results in `drop` go in any case. The folder that a kept result may continue from (a study) stays.
    """
    results = {result.key: result for result in store.results()}
    kept = keep | _origins(results, keep)
    removed: list[str] = []
    in_use: list[str] = []
    freed = 0
    for result in results.values():
        if result.key not in kept or result.key in drop:
            size = _remove_result(store, result)
            (in_use if size is None else removed).append(result.name)
            freed += size or 0
    progress = {key[:SHORT] for key in kept} | {_progress(results[key]) for key in kept & results.keys()}
    freed += sum(_remove(path) for path in (store.root / ".damaged").glob("*"))
    freed += _remove_unlocked(store, (store.root / ".building").glob("*"))
    freed += _remove_unlocked(store, (p for p in (store.root / ".progress").glob("*") if p.name not in progress))
    return Swept(tuple(removed), tuple(in_use), freed)


def made_from(store: Store, chosen: Callable[[Result], bool]) -> set[str]:
    """Return the keys of the results that are chosen, and of all that were made from them."""
    results = list(store.results())
    found = {result.key for result in results if chosen(result)}
    while more := {r.key for r in results if found & _inputs(r)} - found:
        found |= more
    return found


def _inputs(result: Result) -> set[str]:
    return {origin["key"] for origin in result.manifest["inputs"].values()}


def _origins(results: dict[str, Result], keys: Iterable[str]) -> set[str]:
    """Return the keys of all that the results under `keys` were made from, so that a walk back stays whole."""
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        result = results.get(waiting.pop())
        origins = _inputs(result) if result else set()
        waiting.extend(origins - found)
        found |= origins
    return found


def _progress(result: Result) -> str:
    return str(result.manifest.get("progress", result.key))[:SHORT]


def _remove_result(store: Store, result: Result) -> int | None:
    """Return the bytes freed, or None if a run makes or holds this result."""
    with store.claimed(result.key) as is_free, alone(result.folder / MANIFEST) as is_unused:
        if not (is_free and is_unused):
            return None
        (store.root / ".building").mkdir(exist_ok=True)
        aside = tempfile.mkdtemp(dir=store.root / ".building", prefix=f"{result.key[:SHORT]}-")
        result.folder.rename(aside)
        return _remove(Path(aside))


def _remove_unlocked(store: Store, folders: Iterable[Path]) -> int:
    """Remove folders named by a key whose lock is free: what a killed run left, never what a run builds."""
    freed = 0
    for folder in folders:
        with store.claimed(folder.name.partition("-")[0]) as is_free:
            freed += _remove(folder) if is_free else 0
    return freed


def _remove(folder: Path) -> int:
    size = sum(path.lstat().st_size for path in _all_files(folder))
    shutil.rmtree(folder)
    return size


def _all_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if not path.is_dir())
