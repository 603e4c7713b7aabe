"""The choice between blenders is that of rows which were left out."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from pipeline.blenders import best, chosen, greedy, mean
from pipeline.blenders._blender import Blender
from pipeline.blenders._combination import Combination
from pipeline.blenders._seen import Seen
from pipeline.metrics import log_loss, rmse
from pipeline.types import Metric


def values(noise: list[float]) -> Seen:
    rng = np.random.default_rng(0)
    target = rng.normal(size=200)
    oof = target[:, None, None] + rng.normal(size=(200, len(noise), 1)) * np.array(noise)[:, None]
    return Seen.of(oof, target, Metric.from_module(rmse), np.arange(200) % 5)


@pytest.mark.parametrize(("noise", "wanted"), [([1.0] * 8, mean), ([0.01, 3.0, 3.0], best)])
def test_what_suits_the_entries_is_taken(noise: list[float], wanted: ModuleType) -> None:
    seen = values(noise)
    options = chosen.Options(among=("best", "mean"))
    found = chosen.fit_combination(seen, seed=0, options=options).weights
    np.testing.assert_array_equal(found, wanted.fit_weights(seen, seed=0, options=wanted.Options()))


@pytest.mark.parametrize(("noise", "wanted"), [([1.0] * 8, mean), ([0.01, 3.0, 3.0], best)])
def test_without_entries_the_blender_is_the_one_that_was_taken(noise: list[float], wanted: ModuleType) -> None:
    seen, left_out = values(noise), [np.array([0]), np.array([1, 2])]
    found = chosen.fit_without(seen, left_out, seed=0, options=chosen.Options(among=("best", "mean")))
    same = Blender(wanted, wanted.Options(), left_out=left_out).fits(seen, 0)
    assert [own.key for own in found] == [own.key for own in same]


def test_stacks_that_add_something_else_are_not_the_same() -> None:
    weights = np.array([0.5, 0.5])
    keys = {Combination(weights, offset).key for offset in (None, np.array([0.0]), np.array([1.0]))}
    assert len(keys) == 3


def test_what_only_looks_good_on_its_own_rows_is_not_taken() -> None:
    """Among forty guesses greedy finds some that were lucky."""
    rng = np.random.default_rng(1)
    target = rng.integers(2, size=100)
    first = rng.uniform(0.1, 0.9, size=(100, 40))
    seen = Seen.of(np.stack([first, 1 - first], axis=2), target, Metric.from_module(log_loss), np.arange(100) % 5)
    found = chosen.fit_combination(seen, seed=0, options=chosen.Options(among=("greedy", "mean"))).weights
    assert not np.array_equal(found, greedy.fit_weights(seen, seed=0, options=greedy.Options()))
    assert np.ptp(found) == 0.0


def test_a_stack_is_taken_where_entries_are_timid_and_asks_for_nested_predictions() -> None:
    seen = values([0.3, 0.3])
    timid = Seen.of(seen.oof / 3, seen.target, seen.metric, seen.part)
    options = chosen.Options(among=("mean", "shrunk", "stack"))
    found = chosen.fit_combination(timid, seed=0, options=options)
    assert found.offset is not None
    assert found.weights.sum() == pytest.approx(3.0, rel=0.1)
    assert options.nested
    assert not chosen.Options().nested


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        chosen.Options(among=())
