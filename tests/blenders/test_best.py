"""The best single entry is the one that would be best if it were submitted."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from pipeline.blenders import best
from pipeline.blenders._seen import Seen
from pipeline.metrics import accuracy, balanced_accuracy, f1, mcc
from pipeline.types import Metric


def chosen(metric: ModuleType, entries: list[np.ndarray], target: np.ndarray) -> int:
    oof = np.stack([np.column_stack([1 - p, p]) for p in entries], axis=1)
    seen = Seen.of(oof, target, Metric.from_module(metric), np.arange(len(target)) % 5)
    return int(best.fit_weights(seen, seed=0, options=best.Options()).argmax())


@pytest.mark.parametrize("metric", [f1, mcc, balanced_accuracy])
def test_of_a_rare_class_that_no_entry_calls_likeliest_the_one_that_knows_it_is_taken(metric: ModuleType) -> None:
    """As the likeliest class both give the same labels; decided afterwards, the second finds it."""
    rng = np.random.default_rng(0)
    p = 0.4 * rng.random(1_000) ** 8
    target = (rng.random(1_000) < p).astype(np.int64)
    assert chosen(metric, [rng.permutation(p), p], target) == 1


def test_of_labels_that_are_submitted_as_they_are_the_most_right_ones_are_taken() -> None:
    """The bolder entry has the lower log loss, the timid one more rows right."""
    target = np.array([1] * 6 + [0] * 4)
    timid = np.where(np.arange(10) < 7, 0.51, 0.49)
    bold = np.array([0.99] * 5 + [0.49] + [0.51] + [0.01] * 3)
    assert chosen(accuracy, [bold, timid], target) == 1
