"""Remembers on disk what was worked out from a text, so that a fresh process need not parse 60 modules again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.atomic import put_text


class Memo:
    """Values by name, each valid for one text; the whole is void when `scheme`, the code that made them, changes.

    Only ever a shortcut: a file that is missing, torn or not writable is as good as an empty one.
    """

    def __init__(self, path: Path, scheme: bytes) -> None:
        self.path = path
        self.scheme = sha256(scheme).hexdigest()
        self.values: dict[str, Any] = self._load()
        self.grown = False

    def get(self, name: str, text: bytes) -> Mapping[str, Any] | None:
        """Return the value of `name` if it was worked out from this very text."""
        text_digest, value = self.values.get(name, (None, None))
        return value if text_digest == sha256(text).hexdigest() else None

    def put(self, name: str, text: bytes, value: Mapping[str, Any]) -> None:
        """Remember the value of `name` for this text, instead of the one for an earlier text."""
        self.values[name] = (sha256(text).hexdigest(), dict(value))
        self.grown = True

    def save(self) -> None:
        """Write what is new, whole or not at all."""
        if not self.grown:
            return
        self.grown = False
        with suppress(OSError):  # a package that is installed read-only is parsed each time
            put_text(self.path, json.dumps({"scheme": self.scheme, "values": self.values}))

    def _load(self) -> dict[str, Any]:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(stored["values"]) if stored["scheme"] == self.scheme else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
