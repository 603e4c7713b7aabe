"""What every blender must do; a new one is tested by being there."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pytest

from pipeline.blenders._blend import Blend
from pipeline.blenders._library import Blender, Library
from pipeline.blenders._seen import Seen
from pipeline.engine import plugins
from pipeline.metrics import accuracy, auc, log_loss, mae, rmse
from pipeline.types import STOP, TRAIN, VALID, Folds, Metric

METRICS = [Metric.from_module(module) for module in (rmse, mae, log_loss, auc, accuracy)]


@pytest.fixture(params=plugins.names("blenders"))
def blender(request: pytest.FixtureRequest) -> ModuleType:
    return plugins.load(plugins.find("blenders", request.param, where="test"))


def example(metric: Metric, n_entries: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n_entries)
    if metric.reads == "value":
        target = rng.normal(size=120)
        return target[:, None, None] + rng.normal(size=(120, n_entries, 1)), target
    target = np.arange(120) % 2
    odds = np.exp(np.eye(2)[target][:, None] + rng.normal(size=(120, n_entries, 2)))
    return odds / odds.sum(axis=2, keepdims=True), target


def folds_of(n_rows: int, n_folds: int = 4, repeats: int = 1) -> Folds:
    role = np.full((repeats, n_folds, n_rows), TRAIN, dtype=np.int8)
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(n_rows)
        for fold, rows in enumerate(np.array_split(order, n_folds)):
            role[repeat, fold, rows] = VALID
            role[repeat, fold, np.flatnonzero(role[repeat, fold] == TRAIN)[::10]] = STOP
    return Folds(role)


def library_of(metric: Metric, n_entries: int = 3, repeats: int = 2) -> Library:
    folds = folds_of(120, n_folds=3, repeats=repeats)
    oof, target = example(metric, n_entries)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, (repeats, *oof.shape))
    oofs = oof * noise
    if metric.reads != "value":
        oofs /= oofs.sum(axis=3, keepdims=True)
    names = tuple(f"m{entry}" for entry in range(n_entries))
    return Library(names, oofs, oofs[0, :30], target, metric, folds, False, oofs[:, :30])


def cross_fit(library: Library, blender: ModuleType) -> np.ndarray:
    return library.cross_fit([Blender(blender, blender.Options())], 0, lambda: None)[0]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("n_entries", [1, 2, 7])
def test_weights_are_convex_and_repeatable(blender: ModuleType, metric: Metric, n_entries: int) -> None:
    oof, target = example(metric, n_entries)
    kept = oof.copy(), target.copy()
    seen = Seen.of(oof, target, metric, np.arange(120) // 30)
    first, second = (blender.fit_weights(seen, seed=5, options=blender.Options()) for _ in range(2))
    assert first.shape == (n_entries,)
    assert (first >= 0).all()
    assert first.sum() == pytest.approx(1.0, abs=1e-9)
    assert first.tobytes() == second.tobytes()
    np.testing.assert_array_equal(oof, kept[0])
    np.testing.assert_array_equal(target, kept[1])


@pytest.mark.parametrize("part", ["one part", "two parts", "a class missing"])
def test_few_parts_will_do(blender: ModuleType, part: str) -> None:
    metric = METRICS[3]
    oof, target = example(metric, 3)
    parts = np.arange(120) % 2  # the class of every row, so that no part has both
    cut = {"one part": np.zeros(120, dtype=int), "two parts": np.arange(120) // 60, "a class missing": parts}[part]
    weights = blender.fit_weights(Seen.of(oof, target, metric, cut), seed=0, options=blender.Options())
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("metric", [METRICS[0], METRICS[3]], ids=lambda metric: metric.name)
def test_a_row_is_blended_as_if_its_label_were_unknown_in_every_repeat(blender: ModuleType, metric: Metric) -> None:
    library = library_of(metric)
    rows = library.folds.valid_rows(1, 2)
    changed = library.target.copy()
    changed[rows] = changed[rows][::-1] if metric.reads == "value" else 1 - changed[rows]
    other = Library(**{**vars(library), "target": changed})
    np.testing.assert_array_equal(cross_fit(library, blender)[1, rows], cross_fit(other, blender)[1, rows])


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_what_is_stored_predicts_new_rows_one_by_one(blender: ModuleType, metric: Metric) -> None:
    library = library_of(metric)
    blend = library.fit(Blender(blender, blender.Options()), 0)
    stored = Blend.from_dict(json.loads(json.dumps(blend.to_dict())))
    predicted = blend.apply(library.test)
    np.testing.assert_array_equal(stored.apply(library.test), predicted)
    single = [stored.apply(row[None])[0] for row in library.test]
    np.testing.assert_allclose(single, predicted, rtol=1e-12, atol=1e-12)
    if metric.reads != "value":
        np.testing.assert_allclose(predicted.sum(axis=1), 1.0)


def test_nothing_is_gained_on_a_target_of_noise(blender: ModuleType) -> None:
    """A fold's training rows have a low mean where its own rows have a high one, which no blend may make use of."""
    folds, target = folds_of(200, n_folds=5), np.random.default_rng(3).normal(size=200)
    means = np.empty(200)
    for fold in range(5):
        means[folds.valid_rows(0, fold)] = target[folds.train_rows(0, fold)].mean()
    noise = np.random.default_rng(4).normal(size=(200, 6)) * 0.3
    oof = np.column_stack([means, 2 * means, -3 * means, noise])[None, :, :, None]
    names = tuple("abcdefghi")
    library = Library(names, oof, oof[0, :5], target, METRICS[0], folds, False, oof[:, :5])
    assert METRICS[0].error(target, cross_fit(library, blender)[0]) > 0.995 * target.std()


def test_options_are_checked(blender: ModuleType) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        blender.Options(no_such_option=1)
