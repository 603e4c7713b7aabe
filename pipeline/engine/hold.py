"""Who uses a result: readers share a lock on its manifest for as long as they refer to it, a sweep needs it alone.

The lock belongs to the open file, so the operating system lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Hold:
    """An open and locked file, closed with the last reference to it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __del__(self) -> None:
        os.close(self.handle)


def hold(path: Path) -> Hold | None:
    """Share the lock of a file that is to stay; None if it is not there (any more)."""
    try:
        held = Hold(os.open(path, os.O_RDONLY))
    except OSError:
        return None
    with suppress(OSError):  # a file system without locks cannot be swept while it is in use; reading works
        fcntl.flock(held.handle, fcntl.LOCK_SH)
    return held if _is_at(held, path) else None


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Lock a file against every holder, and say whether that was possible; never waits."""
    try:
        held = Hold(os.open(path, os.O_RDONLY))
        fcntl.flock(held.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
        return
    yield True


def _is_at(held: Hold, path: Path) -> bool:
    """Tell whether the file was neither moved nor replaced while its lock was waited for."""
    try:
        return os.path.samestat(os.fstat(held.handle), path.stat())
    except OSError:
        return False
