"""Seeds derived by name, so that adding a model or a stage moves no other model's numbers."""

from __future__ import annotations

import hashlib


def derive(seed: int, *names: object) -> int:
    """Return a 31-bit seed that depends on `seed` and on every one of `names`, in order."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
