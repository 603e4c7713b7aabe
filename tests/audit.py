"""Records every file that a stage opens, so that a test can hold it to what its node declares.

Two witnesses: Python's audit events, and on Linux the kernel's own (inotify), which also sees what libraries written
in C or Rust open. An audit hook cannot be removed, so there is one, which listens only while somebody records.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.engine import run as engine
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import MANIFEST

IN_OPEN, IN_ISDIR, IN_NONBLOCK = 0x20, 0x40000000, os.O_NONBLOCK

_recording: list[set[Path]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _recording and event in ("open", "sqlite3.connect") and isinstance(arguments[0], str | bytes | os.PathLike):
        name = os.fsdecode(arguments[0]).removeprefix("file:").partition("?")[0]
        _recording[-1].add(Path(os.path.abspath(name)))  # noqa: PTH100 (resolve() would follow links)


sys.addaudithook(_hook)


def audited(job: Job, function: Callable[[Job], Any], *, roots: Iterable[Path], node: Node | None = None) -> list[Path]:
    """Run `function(job)`; return every file it opened below `roots`, and fail if one of them is not declared.

    Declared are the job's inputs (of each only what `node` says that it reads; never a manifest), its sources, and
    whatever lies below `out` and `progress`.
    """
    roots = [root.resolve() for root in roots]
    opened: set[Path] = set()
    _recording.append(opened)
    try:
        with _kernel(roots, opened):
            function(job)
    finally:
        _recording.remove(opened)
    # a library that looks whether a folder is there tells nothing of what is in it
    files = {path.resolve() for path in opened if not path.is_dir()}
    found = sorted(path for path in files if any(path.is_relative_to(root) for root in roots))
    undeclared = [path for path in found if not _is_declared(path, job, node)]
    if undeclared:
        raise AssertionError(f"opened without being declared: {', '.join(map(str, undeclared))}")
    return found


def audit_stages(monkeypatch: Any, *, roots: Iterable[Path]) -> dict[str, list[Path]]:
    """Audit every stage that `run` makes from now on; return a dict that fills with {node: files opened}."""
    found: dict[str, list[Path]] = {}
    real = engine._facts

    def facts(node: Node, job: Job) -> dict[str, Any]:
        said: list[dict[str, Any]] = []
        found[node.name] = audited(job, lambda j: said.append(real(node, j)), roots=roots, node=node)
        return said[0]

    monkeypatch.setattr(engine, "_facts", facts)
    return found


def _is_declared(path: Path, job: Job, node: Node | None) -> bool:
    own = [job.out, job.progress]
    read = []
    for name, folder in job.inputs.items():
        files = node.inputs[name].files if node else ()
        read += [folder / file for file in files] or [folder]
    if path.name == MANIFEST and any(path.parent == folder.resolve() for folder in job.inputs.values()):
        return False
    if path in {source.resolve() for source in job.sources.values()}:
        return True
    return any(path.is_relative_to(folder.resolve()) for folder in (*own, *read))


@contextlib.contextmanager
def _kernel(roots: list[Path], opened: set[Path]) -> Iterator[None]:
    """Add to `opened` every file below `roots` that any code opens meanwhile; nothing without inotify."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        yield
        return
    queue = libc.inotify_init1(IN_NONBLOCK)
    folders = [folder for root in roots for folder in (root, *root.rglob("*")) if folder.is_dir()]
    watched = {libc.inotify_add_watch(queue, os.fsencode(folder), IN_OPEN): folder for folder in folders}
    try:
        yield
    finally:
        opened |= set(_events(queue, watched))
        os.close(queue)


def _events(queue: int, watched: dict[int, Path]) -> Iterator[Path]:
    with contextlib.suppress(BlockingIOError):
        while content := os.read(queue, 1 << 16):
            while content:
                watch, mask, _, length = struct.unpack_from("iIII", content)
                name, content = content[16 : 16 + length].rstrip(b"\0"), content[16 + length :]
                assert watch != -1, "more files were opened than the kernel's queue holds"
                if name and not mask & IN_ISDIR:
                    yield watched[watch] / os.fsdecode(name)
