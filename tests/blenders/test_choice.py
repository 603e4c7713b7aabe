"""Ways to set weights are told apart by rows that were left out, whatever these are like."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.blenders import chosen, shrunk, stack
from pipeline.blenders._choice import TEMPERED_ROWS, errors_of, judged
from pipeline.blenders._seen import Seen
from pipeline.metrics import auc, log_loss
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
