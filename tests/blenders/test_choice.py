"""Ways to set weights are told apart by rows that were left out, whatever these are like."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.blenders import chosen, shrunk, stack
from pipeline.blenders._choice import TEMPERED_ROWS, between, errors_of, judged, plausible
from pipeline.blenders._seen import Seen
from pipeline.blenders._temperature import temper
from pipeline.metrics import auc, log_loss, rmse
from pipeline.types import Metric


def test_errors_do_not_depend_on_the_order_of_the_rows() -> None:
    """Of a part with twice as many rows as say how bold a blend should be, which leans to one of two classes."""
    rng = np.random.default_rng(0)
    target = np.arange(2 * TEMPERED_ROWS) % 2
    second = 1 / (1 + np.exp(-(2.0 * target + rng.normal(size=len(target)))))
    blend = np.stack([1 - second, second], axis=1)

    def error(order: np.ndarray) -> float:
        oof, part = np.tile(blend[order], (2, 1))[:, None], np.repeat([0, 1], len(order))
        seen = Seen.of(oof, np.tile(target[order], 2), Metric.from_module(log_loss), part)
        return errors_of([blend[order]], seen, 0)[0]

    assert error(np.arange(len(target))) == pytest.approx(error(rng.permutation(len(target))), rel=0.01)


def test_how_bold_a_blend_is_does_not_count() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(3, size=300)
    odds = np.exp(np.eye(3)[target] + rng.normal(size=(300, 3)))
    blend = odds / odds.sum(axis=1, keepdims=True)
    seen = Seen.of(blend[:, None], target, Metric.from_module(log_loss), np.arange(300) % 2)
    as_it_is, timid = errors_of([own[seen.part == 0] for own in (blend, temper(blend, 3.0))], seen, 0)
    assert timid == pytest.approx(as_it_is, rel=0.01)


def test_what_is_good_on_the_rows_that_it_was_fitted_on_alone_is_not_taken() -> None:
    rng = np.random.default_rng(0)
    target, (good, bad, fair) = np.zeros(200), np.eye(3)
    oof = rng.normal(size=(200, 3, 1)) * np.array([0.1, 3.0, 1.0])[:, None]
    seen = Seen.of(oof, target, Metric.from_module(rmse), np.arange(200) % 4)
    weights = between(lambda shown: np.stack([good if shown.all() else bad, fair]), seen)
    np.testing.assert_allclose(weights, fair, atol=0.01)


def test_a_way_without_an_error_has_no_share_and_hides_no_other() -> None:
    shares = plausible(np.array([[np.inf, 2.0, 1.0], [1.0, 2.1, 1.2], [1.0, 2.0, 1.1]]))
    np.testing.assert_allclose(shares, [0, 0, 1], atol=0.01)


def test_parts_that_no_way_can_be_judged_on_are_left_out() -> None:
    none, some = [np.nan, np.nan, np.inf], [0.2, 0.3, np.nan]
    np.testing.assert_array_equal(judged([none, some]), [[0.2, 0.3, np.inf]])
    np.testing.assert_array_equal(judged([some, some]), [[0.2, 0.3, np.inf]] * 2)
    assert np.isinf(judged([none, none])).all()


@pytest.mark.parametrize("blender", [chosen, shrunk, stack])
def test_a_part_of_one_class_does_not_hide_what_the_others_tell(blender: ModuleType) -> None:
    """It has no AUC. One entry of seven is good; without any say of rows left out it has .57 or .65, or a seventh."""
    rng = np.random.default_rng(0)
    part = np.arange(500) % 5
    target = ((rng.random(500) < 0.1) & (part > 0)).astype(np.int64)
    second = 1 / (1 + np.exp(2 - rng.normal(size=(500, 7)) - 4.0 * target[:, None] * (np.arange(7) == 0)))
    oof = np.stack([1 - second, second], axis=2)
    weights = fitted(blender, Seen.of(oof, target, Metric.from_module(auc), part))
    assert weights[0] / weights.sum() > 0.7


def fitted(blender: Any, seen: Seen) -> np.ndarray:
    """Return the weights, whether the blender has others beside them or not."""
    if blender is shrunk:
        return shrunk.fit_weights(seen, seed=0, options=shrunk.Options())
    weights: np.ndarray = blender.fit_combination(seen, seed=0, options=blender.Options()).weights
    return weights
