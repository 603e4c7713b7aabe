"""Minutes shared out by weight: nobody gets more than it can use, and what it leaves goes to the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

SMALL, STRETCH, NEARLY = 0.05, 1.5, 1.25
"""Who needs only this part of all, so many times its share to begin, or so many times its share for all that it wants,
is given it at the expense of the others."""


@dataclass(frozen=True)
class Claim:
    """What a piece of work has a claim to; seconds. least: with less it cannot be done; wanted: more is of no use."""

    weight: float
    least: float
    wanted: float


def rounded(claim: Claim, seconds: float) -> float:
    """Return what is given to one whose share is so many seconds: all that it wants, if it is nearly that."""
    return claim.wanted if claim.wanted <= NEARLY * seconds else max(seconds, claim.least)


def eased(claim: Claim, seconds: float) -> Claim:
    """Return a claim to so little of all that cutting it would save nothing as one that cannot be cut."""
    return replace(claim, least=claim.wanted) if claim.wanted <= SMALL * seconds else claim


def share_out(seconds: float, claims: Mapping[str, Claim]) -> dict[str, float]:
    """Return what each gets, in proportion to its weight, none more than is wanted (water filling).

    All that is there is given, unless everybody has enough.
    """
    given: dict[str, float] = {}
    left = dict(claims)
    while left:
        unit = max(seconds, 0.0) / (sum(claim.weight for claim in left.values()) or 1.0)
        sated = {name: claim.wanted for name, claim in left.items() if claim.wanted <= unit * claim.weight}
        if not sated:
            return given | {name: unit * claim.weight for name, claim in left.items()}
        given |= sated
        seconds -= sum(sated.values())
        left = {name: claim for name, claim in left.items() if name not in sated}
    return given


def affordable(seconds: float, claims: Mapping[str, Claim], must: Collection[str] = ()) -> list[str]:
    """Return the names of those whose share is (nearly) enough for the least that they can do, in their order.

    The one that is furthest from it goes first, and leaves its share to the others. Those in `must`, those that need
    little, and the last one stay in any case.
    """
    must = {*must, *(name for name, claim in claims.items() if claim.least <= SMALL * seconds)}
    kept = dict(claims)
    while True:
        shares = share_out(seconds, kept)
        short = {n: shares[n] / kept[n].least for n in kept if n not in must and STRETCH * shares[n] < kept[n].least}
        if not short or len(kept) == 1:
            return list(kept)
        del kept[min(short, key=short.__getitem__)]
