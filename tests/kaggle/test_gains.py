"""Which gains are real, and where a score would stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import KaggleError
from pipeline.kaggle.gains import figure, gains, scored_by_name
from pipeline.kaggle.leaderboard import scores_of, standing
from pipeline.kaggle.ledger import Line
from pipeline.report.plots import png


def line(public: float | None, se: float | None = 0.1, name: str = "a", status: str = "complete") -> Line:
    return Line("2026-11-21 12:00:00", status, experiment=name, public=public, cv=0.5, cv_se=se, ref=str(public))


def verdicts(*lines: Line, greater_is_better: bool = True) -> list[str]:
    return [gain.verdict for gain in gains(lines, greater_is_better)]


def test_a_gain_within_the_noise_is_none() -> None:
    assert verdicts(line(0.5), line(0.55), line(0.7), line(0.65), line(0.3)) == [
        "first",
        "inside the noise",
        "better",
        "inside the noise",
        "worse",
    ]


def test_lower_may_be_better() -> None:
    assert verdicts(line(0.5), line(0.3), greater_is_better=False) == ["first", "better"]
    assert gains([line(0.5), line(0.3)], False)[1].gain == pytest.approx(0.2)


def test_each_is_held_against_the_best_before_it_and_the_larger_noise() -> None:
    found = gains([line(0.5), line(0.9), line(0.6), line(0.95, se=0.01)], True)
    assert [gain.gain for gain in found][1:] == pytest.approx([0.4, -0.3, 0.05])
    assert found[3].verdict == "inside the noise"


def test_what_has_no_score_or_no_cv_is_not_judged() -> None:
    assert verdicts(line(None, status="pending"), line(0.5), line(None, status="error")) == ["first"]
    assert verdicts(line(0.5, se=None), line(0.9, se=None)) == ["first", "noise not known"]


def test_the_newest_score_of_every_experiment() -> None:
    assert scored_by_name([line(0.5), line(0.4), line(0.3, name="b"), line(None, name="c")]) == {"a": 0.4, "b": 0.3}


@pytest.mark.parametrize("lines", [[], [line(0.5)], [line(0.5), line(0.6, se=None, name="with $ign")]])
def test_any_ledger_can_be_drawn(lines: list[Line]) -> None:
    assert png(figure(lines, "rmse")).startswith(b"\x89PNG")


def test_the_band_around_the_promise_is_the_noise() -> None:
    """CV = public is the line; the band reaches one standard error of the CV (the median of all) up and down."""
    lines = [line(0.5, se=0.1), line(0.6, se=0.2), line(0.7, se=0.2), line(None, status="error")]
    (axes,) = figure(lines, "rmse").axes
    band = next(drawn for drawn in axes.collections if drawn.get_label() == "± se of the CV")
    corners = band.get_paths()[0].vertices
    assert sorted({round(abs(y - x), 6) for x, y in corners}) == [0.2]
    points = axes.lines[0].get_xydata()
    assert points.tolist() == [[0.5, 0.5], [0.5, 0.6], [0.5, 0.7]]


@given(scores=st.lists(st.floats(-10, 10), max_size=30), score=st.floats(-10, 10), up=st.booleans())
def test_a_rank_counts_who_is_strictly_better(scores: list[float], score: float, up: bool) -> None:
    stands = standing(score, scores, up)
    ordered = sorted([*scores, score], reverse=up)
    assert stands.rank == ordered.index(score) + 1
    assert stands.teams == len(scores)
    assert 0 < stands.share <= 1


def test_a_leaderboard_is_read_by_the_name_of_its_column() -> None:
    assert scores_of("\ufeffRank,TeamName,Score\n1,a,0.9\n2,b,\n3,c,0.7\n".removeprefix("\ufeff")) == [0.9, 0.7]
    with pytest.raises(KaggleError, match="no column Score: found Rank, Points"):
        scores_of("Rank,Points\n1,2\n")
