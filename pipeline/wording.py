"""How messages word what many of them tell."""

from __future__ import annotations

from collections.abc import Iterable


def first_few(names: Iterable[object], most: int = 6, between: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = len(listed) - most
    return between.join(listed[:most]) + (f" and {more} more" if more > 0 else "")
