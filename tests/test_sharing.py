"""Minutes shared out: nobody gets more than is wanted, nothing is left lying, and who cannot begin is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sharing import SMALL, STRETCH, Claim, affordable, rounded, share_out

SECONDS = st.floats(0.0, 1e4)
CLAIMS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.builds(Claim, st.floats(0.1, 2.0), st.floats(0.1, 10.0), st.floats(10.0, 1e4)),
    min_size=1,
)


@given(SECONDS, CLAIMS)
def test_all_is_given_and_nobody_gets_more_than_is_wanted(seconds: float, claims: dict[str, Claim]) -> None:
    given_out = share_out(seconds, claims)
    assert given_out.keys() == claims.keys()
    assert all(0 <= share <= claims[name].wanted for name, share in given_out.items())
    assert sum(given_out.values()) == pytest.approx(min(seconds, sum(c.wanted for c in claims.values())))


@given(SECONDS, CLAIMS)
def test_those_who_are_cut_get_by_weight_and_no_less_than_those_who_are_not(
    seconds: float, claims: dict[str, Claim]
) -> None:
    given_out = share_out(seconds, claims)
    units = {name: share / claims[name].weight for name, share in given_out.items()}
    cut = [name for name, share in given_out.items() if share < claims[name].wanted]
    for name in cut:
        assert units[name] == pytest.approx(max(units.values()))


@given(SECONDS, CLAIMS)
def test_who_stays_can_begin_and_one_always_stays(seconds: float, claims: dict[str, Claim]) -> None:
    kept = affordable(seconds, claims)
    assert kept
    shares = share_out(seconds, {name: claims[name] for name in kept})
    enough = [STRETCH * shares[name] >= claims[name].least or claims[name].least <= SMALL * seconds for name in kept]
    assert len(kept) == 1 or all(enough)
    assert affordable(seconds, claims, must=list(claims)) == list(claims)


def test_what_wants_nothing_has_no_part() -> None:
    assert share_out(10.0, {"own": Claim(0.0, 0.0, 0.0), "ridge": Claim(1.0, 1.0, 60.0)}) == {"own": 0.0, "ridge": 10.0}


def test_a_near_miss_is_no_reason_to_cut() -> None:
    claim = Claim(1.0, least=10.0, wanted=100.0)
    assert rounded(claim, 85.0) == 100.0
    assert rounded(claim, 60.0) == 60.0
    assert rounded(claim, 5.0) == 10.0
