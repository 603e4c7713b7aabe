"""Keeps a competition's own code to what its key knows: the rows it is given and its text, no other file.

Python's audit events tell of every file that is opened. A hook cannot be removed, so there is one, which listens
only inside `sealed`; other threads (progress, the log) are not heard, since each has a context of its own.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pipeline.errors import FeatureError

OWN = ("features.py", "metric.py", "postprocess.py")
METADATA = (".dist-info", ".egg-info")
CODE = (".py", ".pyc", ".so", ".pyd")
LIBRARIES = tuple(
    f"{Path(path).expanduser().resolve()}{os.sep}"
    for path in (
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *("/usr/share", "/usr/lib", "/usr/local/lib", "/etc", "/dev", "/proc", "/sys", "/var/db/timezone"),
        *("~/.cache", "~/.config"),
    )
)
"""Where installed libraries and the system keep their files: time zones, fonts, settings."""

_opened: ContextVar[list[str] | None] = ContextVar("opened", default=None)


@contextmanager
def sealed(who: str) -> Iterator[None]:
    """Refuse to open files for reading, except code and what belongs to libraries.

    A refused file is a FeatureError that begins with `who`, even if the code inside catches what `open` raises.
    """
    opened: list[str] = []
    token = _opened.set(opened)
    try:
        yield
    except SystemExit as error:
        raise FeatureError(f"{who} ends the program (exit {error.code})", hint="raise an error instead") from error
    finally:
        _opened.reset(token)
        if opened:
            raise FeatureError(
                f"{who} opens {opened[0]}, which is not in the cache key: results would stay as the file changes",
                hint="write its values into the .py file itself, or merge it into the raw train and test files",
            )


def _of_imports(path: str) -> bool:
    """Say whether imports open a file, for the code in it or to learn what is installed: scikit-learn's look there."""
    if path.endswith(CODE):
        return not _beside_own(path)
    return Path(path).parent.suffix in METADATA or path in {str(Path(entry).resolve()) for entry in sys.path}


def _beside_own(path: str) -> bool:
    """Say whether code lies beside a competition's own files without being one of them, so that no key knows it."""
    folder = Path(path).parent
    folder = folder.parent if folder.name == "__pycache__" else folder
    return Path(path).name not in OWN and (folder / "competition.toml").is_file()


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "sqlite3.connect") or (opened := _opened.get()) is None or isinstance(arguments[0], int):
        return
    path, flags = str(Path(os.fsdecode(arguments[0])).resolve()), arguments[2] if event == "open" else 0
    if flags & os.O_WRONLY or path.startswith(LIBRARIES) or _of_imports(path):
        return
    opened.append(path)
    raise PermissionError(f"{path} is not in the cache key")


sys.addaudithook(_hook)
