"""The store of results: written aside, checked, hashed and renamed into place; never overwritten.

    <root>/<stage>/<variant>/<key>/  the promised files and manifest.json, which is written last
    <root>/.building/<key>-<pid>/    results in the making; what a killed run left there is swept by the next
    <root>/.locks/<key>              one lock a key, held while it is made
    <root>/.progress/<key>/          what a killed job may continue from
    <root>/.damaged/                 results whose bytes no longer match their manifest

A result that `find` returned stays while somebody refers to it: it holds a lock that a sweep respects.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from pipeline.engine.hold import Hold, hold
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
    held: Hold | None = field(default=None, repr=False, compare=False)

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

    def outputs(self, files: Sequence[str] = ()) -> dict[str, Any]:
        """Return {file: {sha256, bytes}} of all output files, or of the named files and folders."""
        outputs: dict[str, Any] = dict(self.manifest["outputs"])
        if not files:
            return outputs
        chosen = {name: [f for f in outputs if f == name or f.startswith(f"{name}/")] for name in files}
        for name, found in chosen.items():
            if not found:
                raise ValueError(f"{self.name} has no output {name}, only {', '.join(outputs)}")
        return {f: outputs[f] for found in chosen.values() for f in found}

    def digest(self, files: Sequence[str] = ()) -> str:
        """Return the content digest of all output files, or of the named files and folders."""
        return digest({name: output["sha256"] for name, output in self.outputs(files).items()})


class Store:
    """All results below one folder; safe to share between processes on a file system with locks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, node: Node, key: str) -> Result | None:
        """Return the result under `key` if it is complete: manifest there, every file there in its size."""
        result = _held(self.folder(node, key))
        if result is None or result.key != key or not _has(result.manifest["outputs"], node.outputs):
            return None
        for name, output in result.manifest["outputs"].items():
            try:
                if (result.folder / name).stat().st_size != output["bytes"]:
                    return None
            except OSError:
                return None
        return result

    def made(self, node: Node) -> list[Result]:
        """Return the results of the same node under whatever keys, the newest first, to explain what changed since."""
        results = [r for r in map(_read, self._variant(node).glob("*/")) if r is not None]
        return sorted(results, key=lambda r: str(r.manifest["finished"]), reverse=True)

    def open(self, result: Result, files: Sequence[str] = ()) -> Path:
        """Return the folder of a result after hashing every file, or the named files and folders.

        A file that is gone, changed or was never written by the stage is a DamagedError; the result is set aside.
        """
        for name, output in result.outputs(files).items():
            path = result.folder / name
            if not path.is_file() or hash_file(path) != output["sha256"]:
                self._refuse(result, f"{path} is damaged: its bytes are not those that {result.name} wrote")
        strays = _files(result.folder) - result.manifest["outputs"].keys() - {MANIFEST}
        for name in sorted(strays):
            if not any(part.startswith(".") for part in name.split("/")):  # .DS_Store and the like do no harm
                self._refuse(result, f"{result.folder / name} is not a file that {result.name} wrote")
        return result.folder

    def _refuse(self, result: Result, message: str) -> None:
        self.quarantine(result.folder)
        raise DamagedError(message, hint="it was set aside; run again and it will be made anew")

    def quarantine(self, folder: Path) -> None:
        """Move a result that cannot be trusted out of the way, and keep it for a look."""
        target = tempfile.mkdtemp(dir=self._made(".damaged"), prefix=f"{folder.name}-")
        with _writing(folder):
            try:
                folder.rename(target)
            except FileNotFoundError:  # another process was first
                Path(target).rmdir()

    @contextmanager
    def locked(self, key: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of `key`; `on_wait` is called once if another process holds it."""
        lock = self._lock(key)
        if not self._acquired(lock):
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def claimed(self, key: str) -> Iterator[bool]:
        """Hold the lock of `key` if nobody else does, and say whether; never waits."""
        lock = self._lock(key)
        if not self._acquired(lock):
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _lock(self, key: str) -> FileLock:
        return FileLock(self._made(".locks") / key[:SHORT])

    def _acquired(self, lock: FileLock) -> bool:
        with _writing(self.root):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return False
        return True

    def building(self, key: str) -> Path:
        """Return an empty folder to build `key` in; call with its lock held."""
        for leftover in self._made(".building").glob(f"{key[:SHORT]}-*"):
            shutil.rmtree(leftover)
        return self._made(f".building/{key[:SHORT]}-{os.getpid()}")

    def progress(self, key: str) -> Path:
        """Return the folder whose contents outlive a kill."""
        return self._made(f".progress/{key[:SHORT]}")

    def commit(self, node: Node, key: str, folder: Path, manifest: dict[str, Any]) -> Result:
        """Check the promised outputs, hash them, write the manifest last and rename into place."""
        written = _files(folder)
        for promised in node.outputs:
            if not _has(written, (promised,)):
                raise StoreError(f"{node.name} did not write {promised}, which it promises")
        if MANIFEST in written:
            raise StoreError(f"{node.name} wrote {MANIFEST}, a name that the cache needs for itself")
        outputs = {name: _entry(folder / name) for name in sorted(written)}
        manifest = manifest | {"node": node.name, "key": key, "outputs": outputs}
        with _writing(folder):
            text = json.dumps(manifest, indent=1, default=_plain)
            (folder / MANIFEST).write_text(text, encoding="utf-8")
            for path in (folder / MANIFEST, *(p for p in folder.rglob("*") if p.is_dir()), folder):
                _sync(path)
        return self._place(node, key, folder, Result(self.folder(node, key), manifest))

    def _place(self, node: Node, key: str, folder: Path, ours: Result) -> Result:
        """Rename a finished folder to where it belongs, unless a result is there that is as good."""
        final = ours.folder
        with _writing(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            if final.is_dir() and self.find(node, key) is None:
                self.quarantine(final)
            try:
                folder.rename(final)
            except OSError:  # someone else finished first
                theirs = self.find(node, key)
                if theirs is None:
                    raise
                return self._adopt(node, theirs, ours, folder)
            _sync(final.parent)
        return _held(final) or ours

    def _adopt(self, node: Node, theirs: Result, ours: Result, folder: Path) -> Result:
        if node.reproducible and theirs.digest() != ours.digest():
            raise StoreError(
                f"{node.name} gave other bytes than the result that is there under the same key: {theirs.folder}",
                hint="the stage is not deterministic; please report it",
            )
        shutil.rmtree(folder)
        return theirs

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
        name = quote(node.variant, safe="").replace(".", "%2E")
        return self.root / node.stage / (name.replace("all", "%61ll") or "all")

    def _made(self, name: str) -> Path:
        folder = self.root / name
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into an error for the user."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="free some space or choose a writable place with --data or PIPELINE_DATA",
        ) from error


def _held(folder: Path) -> Result | None:
    held = hold(folder / MANIFEST)
    result = None if held is None else _read(folder)
    return None if result is None else Result(result.folder, result.manifest, held)


def _read(folder: Path) -> Result | None:
    """Return the result in a folder, or None where the manifest is not there or not one of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(manifest, dict) and {"key", "node", "parts", "outputs", "inputs", "facts"} <= manifest.keys()
    return Result(folder, manifest) if whole else None


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _has(files: Iterable[str], promised: Sequence[str]) -> bool:
    """Tell whether each promised file, or at least one file of each promised folder, is there."""
    return all(any(f == name or f.startswith(f"{name}/") for f in files) for name in promised)


def _entry(path: Path) -> dict[str, Any]:
    _sync(path)
    return {"sha256": hash_file(path), "bytes": path.stat().st_size}


def _plain(value: Any) -> Any:
    """Write a fact that is no JSON value: numpy's numbers as numbers, anything else as its text."""
    return value.item() if hasattr(value, "item") else str(value)


def _sync(path: Path) -> None:
    """Make sure that the bytes outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
