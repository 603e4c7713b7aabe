"""Predictions are finished the same way out-of-fold, for test and for new rows, by what their fold may know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_folds import alternating

from pipeline.errors import FeatureError
from pipeline.postprocess import Finish, Finisher, finish_of
from pipeline.sections import Submit

N = 40
FOLDS = alternating(N)
TARGET = np.arange(N, dtype=float)


def finisher(**how: Any) -> Finisher:
    return Finisher(**({"clip": None, "round": None, "own": None, "target": TARGET, "folds": FOLDS} | how))


def total(predictions: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Make the predictions of each shop sum up to its stock."""
    sums = pd.Series(predictions).groupby(rows["shop"]).transform("sum").to_numpy()
    return predictions * rows["stock"].to_numpy() / sums


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.sampled_from([0.01, 0.5, 1.0, 5.0]))
def test_values_are_in_range_and_multiples(values: list[float], multiple: float) -> None:
    done = Finish((-100.0, 100.0), multiple).apply(np.array(values)[:, None], None)
    assert np.abs(done).max() <= 100
    np.testing.assert_allclose(done / multiple, np.round(done / multiple), atol=1e-6)


@pytest.mark.parametrize(
    ("clip", "multiple", "wanted"),
    [((0, 11), 4, [0, 8]), ((0.3, 9.8), 0.5, [0.5, 9.5]), ((0.3, 0.9), 0.1, [0.3, 0.9]), ((0.2, 0.4), 1, [0, 0])],
)
def test_rounding_leads_out_of_no_range_that_holds_a_multiple(clip: Any, multiple: float, wanted: list[float]) -> None:
    ends = np.array([[-5.0], [50.0]])
    assert Finish(clip, multiple).apply(ends, None).ravel() == pytest.approx(wanted)
    out_of_fold = finisher(clip=clip, round=multiple).oof(np.full((1, N, 1), 50.0))
    assert out_of_fold == pytest.approx(wanted[1])


def test_a_fold_is_clipped_by_what_it_trains_on() -> None:
    oof = np.full((1, N, 1), 1e9)
    done = finisher(clip="train").oof(oof)[0, :, 0]
    assert done[39] == 38  # its own fold does not train on it
    assert done[0] == 39
    assert finisher(clip="train").of_test(np.array([[1e9], [-1e9]])).ravel().tolist() == [39, 0]


def test_totals_of_groups_hold_over_all_folds_of_a_repeat() -> None:
    rows = pd.DataFrame({"shop": np.arange(N) // 8, "stock": 10.0 * (1 + np.arange(N) // 8)})
    oof = np.random.default_rng(0).uniform(1, 2, (1, N, 1))
    oof[0, -3:] = np.nan  # validated by no fold
    done = finisher(own=total, train=rows, test=rows.head(8)).oof(oof)[0, :, 0]
    assert np.isnan(done[-3:]).all()
    assert pd.Series(done).groupby(rows["shop"]).sum().tolist() == pytest.approx([10, 20, 30, 40, 50])


def test_new_rows_are_finished_like_those_of_test() -> None:
    rows = pd.DataFrame({"shop": [0, 0, 1], "stock": [5.0, 5.0, 100.0]})
    asked = finisher(clip="train", round=0.5, own=total, test=rows)
    test = np.array([[3.3], [4.4], [99.0]])
    again = finish_of(asked.to_dict(), total).apply(test, rows)
    assert again.tobytes() == asked.of_test(test).tobytes()
    assert again.ravel().tolist() == pytest.approx([5 * 3.5 / 8, 5 * 4.5 / 8, 100])


def test_without_a_word_nothing_moves() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 5) * (1 + 1e-15)
    assert finisher().of_test(probabilities) is probabilities
    np.testing.assert_array_equal(finisher().oof(probabilities[None]), probabilities[None])


def test_probabilities_sum_to_one_again() -> None:
    done = Finish((0.1, 0.9)).apply(np.array([[1.0, 0.0, 0.0]]), None)
    np.testing.assert_allclose(done, [[0.9 / 1.1, 0.1 / 1.1, 0.1 / 1.1]])


@pytest.mark.parametrize("shares", [[-0.1, 1.1], [0.0, 0.0]])
def test_what_are_no_probabilities_is_refused(shares: list[float]) -> None:
    with pytest.raises(FeatureError, match=r"returned probabilities below 0, or a row of zeros") as caught:
        Finish(own=lambda *_: np.array([[0.5, 0.5], shares])).apply(np.full((2, 2), 0.5), pd.DataFrame({"id": [1, 2]}))
    assert caught.value.hint == "they need not sum to 1"


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (lambda predictions, _: predictions[:-1], r"returned \(2,\) for predictions \(3,\)"),
        (lambda predictions, _: predictions * np.nan, "3 missing or infinite"),
        (
            lambda predictions, _: predictions + np.random.default_rng().random(3),
            "other values when it was asked again",
        ),
        (lambda predictions, rows: predictions * rows["price"], "KeyError: 'price'"),
        (lambda predictions, _: predictions + len(Path("setup.txt").read_text()), "not in the cache key"),
    ],
)
def test_a_function_that_cannot_be_submitted_is_refused(own: Any, told: str) -> None:
    with pytest.raises(FeatureError, match=told):
        Finish(own=own).apply(np.ones((3, 1)), pd.DataFrame({"id": [1, 2, 3]}))


@pytest.mark.parametrize(
    ("settings", "task", "submission"),
    [
        ({"round": 1.0}, "binary", "probability"),
        ({"clip": "train"}, "multiclass", "probabilities"),
        ({"clip": (0.1, 0.9)}, "binary", "label"),
        ({"clip": (0.0, 2.0)}, "binary", "probability"),
    ],
)
def test_what_does_not_suit_the_task_is_refused(settings: dict[str, Any], task: str, submission: str) -> None:
    assert Submit(**settings).refusal(task, submission)
    assert not Submit(clip=(0.1, 0.9)).refusal("binary", "probability")


def test_a_range_ascends() -> None:
    with pytest.raises(ValidationError, match="lowest value comes first"):
        Submit(clip=(1.0, 0.0))
