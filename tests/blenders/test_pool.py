"""Pools of probabilities: what their pulls are shares of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from pipeline.blenders._pool import Pool


def test_pulls_are_shares_of_the_mean_log_loss_of_the_entries() -> None:
    rng = np.random.default_rng(0)
    oof, target = rng.dirichlet(np.ones(3), (50, 2)), rng.integers(0, 3, 50)
    losses = [log_loss(target, entry) for entry in np.moveaxis(oof, 1, 0)]
    assert Pool.of(oof, target).scale == pytest.approx(np.mean(losses))
