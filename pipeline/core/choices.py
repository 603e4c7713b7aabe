"""Choices by name: another word is refused where it stands, before something else is done in its place."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints


def refuse_unknown(stated: Any) -> None:
    """Raise ValueError where a field of a dataclass holds none of the names that its type lists."""
    for name, choices in _choices(stated.__class__).items():
        if (found := getattr(stated, name)) not in choices:
            raise ValueError(f"{name} is {found!r}; there are {', '.join(choices)}")


@cache
def _choices(kind: Any) -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(kind)
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
