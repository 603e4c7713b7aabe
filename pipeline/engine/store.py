"""The store of results: written aside, checked, hashed and renamed into place; never overwritten.

    <root>/<stage>/<variant>/<key>/  the promised files and manifest.json, which is written last
    <root>/.building/<key>-<pid>/    results in the making; what a killed run left there is swept by the next
    <root>/.locks/<key>              one lock a key, held while it is made
    <root>/.progress/<key>/          what a killed job may continue from
    <root>/.damaged/                 results whose bytes no longer match their manifest
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from pipeline.engine.key import digest, hash_file
from pipeline.engine.stage import Node
from pipeline.errors import DamagedError, StoreError

MANIFEST = "manifest.json"
SHORT = 16
"""Hexadecimal digits of a key in a folder's name; the manifest holds it in full."""


@dataclass(frozen=True)
class Result:
    """A committed result: its folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def key(self) -> str:
        return str(self.manifest["key"])

    @property
    def name(self) -> str:
        return str(self.manifest["node"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the stage said of its work (seconds, notes); recorded, never hashed."""
        return dict(self.manifest["facts"])

    def digest(self, files: tuple[str, ...] = ()) -> str:
        """Return the content digest of all output files, or of the named files and folders."""
        outputs = self.manifest["outputs"]
        chosen = {f: o["sha256"] for f, o in outputs.items() if not files or f in files or f.startswith(_below(files))}
        return digest(chosen)


class Store:
    """All results below one folder; safe to share between processes on a file system with locks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, node: Node, key: str) -> Result | None:
        """Return the result under `key` if it is complete: manifest there, every file there in its size."""
        result = _read(self.folder(node, key))
        if result is None or result.key != key:
            return None
        for name, output in result.manifest["outputs"].items():
            try:
                if (result.folder / name).stat().st_size != output["bytes"]:
                    return None
            except OSError:
                return None
        return result

    def latest(self, node: Node) -> Result | None:
        """Return the newest result of the same node under whatever key, to explain what changed since."""
        results = [r for r in map(_read, self._variant(node).glob("*/")) if r is not None]
        return max(results, key=lambda r: r.manifest["finished"], default=None)

    def open(self, result: Result) -> Path:
        """Return the folder of a result after hashing every file; damage is a DamagedError, and it is set aside."""
        for name, output in result.manifest["outputs"].items():
            path = result.folder / name
            if not path.is_file() or hash_file(path) != output["sha256"]:
                self.quarantine(result.folder)
                raise DamagedError(
                    f"{path} is damaged: its bytes are not those that {result.name} wrote",
                    hint="it was set aside; run again and it will be made anew",
                )
        return result.folder

    def quarantine(self, folder: Path) -> None:
        """Move a result that cannot be trusted out of the way, and keep it for a look."""
        target = self.root / ".damaged" / f"{folder.name}-{os.getpid()}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)

    @contextmanager
    def locked(self, key: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of `key`; `on_wait` is called once if another process holds it."""
        lock = FileLock(self._made(".locks") / key[:SHORT])
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def building(self, key: str) -> Path:
        """Return an empty folder to build `key` in; call with its lock held."""
        for leftover in self._made(".building").glob(f"{key[:SHORT]}-*"):
            shutil.rmtree(leftover)
        folder = self.root / ".building" / f"{key[:SHORT]}-{os.getpid()}"
        folder.mkdir()
        return folder

    def progress(self, key: str) -> Path:
        """Return the folder whose contents outlive a kill."""
        return self._made(f".progress/{key[:SHORT]}")

    def commit(self, node: Node, key: str, folder: Path, manifest: dict[str, Any]) -> Result:
        """Check the promised outputs, hash them, write the manifest last and rename into place."""
        for promised in node.outputs:
            path = folder / promised
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                raise StoreError(f"{node.name} did not write {promised}, which it promises")
        manifest |= {"node": node.name, "key": key, "outputs": {}}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            _sync(path)
            entry = {"sha256": hash_file(path), "bytes": path.stat().st_size}
            manifest["outputs"][path.relative_to(folder).as_posix()] = entry
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _sync(folder / MANIFEST)
        return self._place(node, key, folder, manifest)

    def _place(self, node: Node, key: str, folder: Path, manifest: dict[str, Any]) -> Result:
        final = self.folder(node, key)
        final.parent.mkdir(parents=True, exist_ok=True)
        ours = Result(final, manifest)
        if final.is_dir() and self.find(node, key) is None:
            self.quarantine(final)
        try:
            folder.rename(final)
        except OSError:  # someone else finished first
            theirs = self.find(node, key)
            if theirs is None:
                raise
            if node.reproducible and theirs.digest() != ours.digest():
                raise StoreError(
                    f"{node.name} gave other bytes than the result that is there under the same key: {final}",
                    hint="the stage is not deterministic; please report it",
                ) from None
            shutil.rmtree(folder)
            return theirs
        _sync(final.parent)
        return ours

    def results(self) -> Iterator[Result]:
        """Yield every committed result."""
        for manifest in sorted(self.root.glob(f"[!.]*/*/*/{MANIFEST}")):
            result = _read(manifest.parent)
            if result is not None:
                yield result

    def folder(self, node: Node, key: str) -> Path:
        """Return where the result of `node` under `key` lies or will lie."""
        return self._variant(node) / key[:SHORT]

    def _variant(self, node: Node) -> Path:
        return self.root / node.stage / quote(node.variant or "all", safe="")

    def _made(self, name: str) -> Path:
        folder = self.root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder} cannot be made: {error.strerror}", hint="choose a writable place with --data or PIPELINE_DATA"
            ) from error
        return folder


def _read(folder: Path) -> Result | None:
    try:
        return Result(folder, json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _below(files: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name}/" for name in files)


def _sync(path: Path) -> None:
    """Make sure that the bytes outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
