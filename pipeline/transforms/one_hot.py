"""Codes become 0/1 columns, one for each code that occurs in the fitted rows, missing and rare included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

KIND = "general"
READS = "codes"


@dataclass(frozen=True)
class OneHot:
    """pairs: (column position, code) of every output column."""

    pairs: tuple[tuple[int, int], ...]

    def apply(self, codes: np.ndarray) -> np.ndarray:
        """Return (n, number of pairs) float32; a code without a column gives zeros in all of its column's."""
        out = np.empty((len(codes), len(self.pairs)), dtype=np.float32)
        for position, (column, code) in enumerate(self.pairs):
            out[:, position] = codes[:, column] == code
        return out

    def to_dict(self) -> dict[str, Any]:
        return {"pairs": [list(pair) for pair in self.pairs]}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> OneHot:
        return cls(tuple((int(column), int(code)) for column, code in state["pairs"]))


def fit(codes: np.ndarray) -> OneHot:
    """Learn which codes of (n, c) occur; a column with the same code in every row gives no output."""
    pairs: list[tuple[int, int]] = []
    for column in range(codes.shape[1]):
        present = np.unique(codes[:, column])
        if len(present) > 1:
            pairs += [(column, int(code)) for code in present]
    return OneHot(tuple(pairs))
