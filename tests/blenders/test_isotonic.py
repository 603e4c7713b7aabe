"""Isotonic calibration: shares come true, the order of rows stays, nothing becomes certain."""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_folds import alternating

from pipeline.blenders import mean
from pipeline.blenders._blend import Blend
from pipeline.blenders._blender import Blender
from pipeline.blenders._isotonic import fit_curves
from pipeline.blenders._library import Library
from pipeline.metrics import f1, log_loss
from pipeline.types import Metric


def bent(seed: int, n_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is true of each row, what is said (no temperature repairs it), and classes drawn with what is true."""
    rng = np.random.default_rng(seed)
    said = rng.uniform(0.02, 0.98, n_rows)
    true = 0.3 + 0.1 * said + 0.5 * (said > 0.7)
    return true, np.column_stack([1 - said, said]), (rng.random(n_rows) < true).astype(int)


def test_shares_come_true_on_new_rows() -> None:
    _, said, target = bent(0, 20_000)
    true, new, _ = bent(1, 5_000)
    found = fit_curves(said, target).apply(new)[:, 1]
    assert np.abs(found - true).mean() < 0.02
    assert np.abs(new[:, 1] - true).mean() > 0.1


@given(st.integers(0, 1000), st.integers(2, 5), st.integers(3, 200))
def test_rows_sum_to_one_and_none_is_certain(seed: int, n_classes: int, n_rows: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.dirichlet(np.full(n_classes, 0.3), n_rows)
    found = fit_curves(said, rng.integers(0, n_classes, n_rows)).apply(rng.dirichlet(np.full(n_classes, 0.3), 20))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found > 0).all()
    assert (found < 1).all()


@given(st.integers(0, 1000))
def test_of_two_classes_the_order_of_rows_stays(seed: int) -> None:
    _, said, target = bent(seed, 100)
    found = fit_curves(said, target).apply(said)[:, 1]
    assert (np.diff(found[said[:, 1].argsort()]) >= -1e-12).all()


def library(isotonic: bool, judge: ModuleType = log_loss) -> Library:
    _, said, target = bent(2, 3_000)
    folds = alternating(3_000, 5)
    oof = said[None, :, None]
    metric = Metric.from_module(judge)
    return Library(("m",), oof, oof[0, :20], target, metric, folds, False, oof[:, :20], isotonic)


def test_a_bent_blend_is_repaired_by_rows_that_it_is_not_judged_by() -> None:
    straight, curved = library(isotonic=False), library(isotonic=True)
    plain = Blender(mean, mean.Options())
    errors = [own.metric.error(own.target, own.cross_fit([plain], 0, lambda: None)[0][0]) for own in (straight, curved)]
    assert errors[1] < errors[0] - 0.02


def test_labels_are_decided_by_what_the_curves_have_made_of_the_shares() -> None:
    """A rare class that is said to be far likelier than it is: after the curves no row comes near to a half."""
    own = library(isotonic=True, judge=f1)
    said = own.oof[0, :, 0, 1]
    own = replace(own, target=(np.random.default_rng(3).random(len(said)) < 0.05 + 0.3 * said).astype(int))
    blends = [one.fit(Blender(mean, mean.Options()), 0) for one in (own, replace(own, isotonic=False))]
    errors = [own.metric.error(own.target, blend.apply(own.oof[0])) for blend in blends]
    assert errors[0] == pytest.approx(errors[1], abs=0.01)


def test_what_is_stored_predicts_the_same_bits() -> None:
    own = library(isotonic=True)
    blend = own.fit(Blender(mean, mean.Options()), 0)
    assert blend.curves.corners
    stored = Blend.from_dict(json.loads(json.dumps(blend.to_dict())))
    np.testing.assert_array_equal(stored.apply(own.test), blend.apply(own.test))


def test_a_class_that_nobody_has_is_no_failure() -> None:
    said = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    found = fit_curves(said, np.zeros(50, dtype=int)).apply(said)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert (found.argmax(axis=1) == 0).all()
