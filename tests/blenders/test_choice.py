"""Ways to set weights are told apart by rows that were left out, whatever these are like."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.blenders._choice import TEMPERED_ROWS, errors_of
from pipeline.blenders._seen import Seen
from pipeline.metrics import log_loss
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
