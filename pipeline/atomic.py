"""Files that are written whole or not at all: aside, then put in place by one rename."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def put_bytes(path: Path, content: bytes) -> None:
    """Replace a file; its folder is made where it is missing. Raises OSError with the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # none for a disk that is full
        raise
    finally:
        aside.unlink(missing_ok=True)  # of a disk that is full


def put_text(path: Path, text: str) -> None:
    """Replace a file by a text, its line feeds as they are."""
    put_bytes(path, text.encode())


def put_json(path: Path, value: Any) -> None:
    """Replace a file by a JSON value, keys sorted."""
    put_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json_if_sound(path: Path) -> Any:
    """Return the value that `put_json` wrote, or None for a file that is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
