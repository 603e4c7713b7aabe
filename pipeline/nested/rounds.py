"""The tournament of folds: in which round two folds are left out together."""

from __future__ import annotations

from collections.abc import Iterator

Pair = tuple[int, int]


def rounds(n_folds: int) -> list[list[Pair]]:
    """Return rounds of pairs of folds: no fold twice in a round, and every two folds together in exactly one.

    The circle method of round-robin tournaments: one fold stays, the others go round it; where their number is odd,
    each has one round of rest.
    """
    players = [*range(n_folds)] + [-1] * (n_folds % 2)
    found = []
    for _ in range(len(players) - 1):
        pairs = zip(players[: len(players) // 2], reversed(players), strict=False)
        found.append([(min(pair), max(pair)) for pair in pairs if -1 not in pair])
        players = [players[0], players[-1], *players[1:-1]]
    return found


def meetings(n_folds: int, fold: int) -> Iterator[Pair]:
    """Yield, for a fold, each other fold and the round in which both are left out."""
    for number, pairs in enumerate(rounds(n_folds)):
        for pair in pairs:
            if fold in pair:
                yield sum(pair) - fold, number
