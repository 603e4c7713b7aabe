"""What every blender must do; a new one is tested by being there."""

from __future__ import annotations

import json
from dataclasses import replace
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from small_folds import shuffled

from pipeline.blenders import stack
from pipeline.blenders._blend import Blend, read_blend
from pipeline.blenders._blender import Blender
from pipeline.blenders._combination import Combination
from pipeline.blenders._library import Library
from pipeline.blenders._seen import Seen
from pipeline.engine import plugins
from pipeline.metrics import accuracy, auc, log_loss, mae, rmse
from pipeline.nested.rounds import rounds
from pipeline.types import Metric

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


def library_of(metric: Metric, n_entries: int = 3, repeats: int = 2) -> Library:
    folds = shuffled(120, n_folds=3, repeats=repeats)
    oof, target = example(metric, n_entries)
    rng = np.random.default_rng(0)
    oofs, nested = (oof * rng.uniform(0.9, 1.1, (n, *oof.shape)) for n in (repeats, repeats * len(rounds(3))))
    if metric.reads != "value":
        oofs /= oofs.sum(axis=3, keepdims=True)
        nested /= nested.sum(axis=3, keepdims=True)
    names = tuple(f"m{entry}" for entry in range(n_entries))
    return Library(names, oofs, oofs[0, :30], target, metric, folds, False, oofs[:, :30], nested=nested)


def fit(blender: ModuleType, seen: Seen, seed: int = 0) -> Combination:
    return Blender(blender, blender.Options()).fit(seen, seed)


def cross_fit(library: Library, blender: ModuleType) -> np.ndarray:
    return library.cross_fit([Blender(blender, blender.Options())], 0, lambda: None)[0]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_what_is_left_out_has_no_weight(blender: ModuleType, metric: Metric) -> None:
    """And what is fitted with all entries that may be used is what it is when nothing is left out."""
    oof, target = example(metric, 6)
    seen = Seen.of(oof, target, metric, np.arange(120) // 30)
    among, left_out = np.array([0, 2, 3, 5]), [np.array([2]), np.array([0, 3])]
    wanted = Blender(blender, blender.Options(), among, left_out)
    whole, *others = wanted.fits(seen, 5)
    assert whole.key == wanted.fit(seen, 5).key
    assert not whole.weights[[1, 4]].any()
    for left, found in zip(left_out, others, strict=True):
        assert not found.weights[[1, 4, *left]].any()
        assert found.offset is not None or found.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("n_entries", [1, 2, 7])
def test_weights_are_repeatable_and_convex_unless_they_are_a_stack(
    blender: ModuleType, metric: Metric, n_entries: int
) -> None:
    """What is no average is judged on nested predictions, or it would be paid for leaks."""
    oof, target = example(metric, n_entries)
    kept = oof.copy(), target.copy()
    seen = Seen.of(oof, target, metric, np.arange(120) // 30)
    first, second = (fit(blender, seen, seed=5) for _ in range(2))
    assert first.weights.shape == (n_entries,)
    if first.offset is None:
        assert (first.weights >= 0).all()
        assert first.weights.sum() == pytest.approx(1.0, abs=1e-9)
    else:
        assert blender.Options().nested
        assert first.offset.shape == oof.shape[2:]
    assert first.average(oof).tobytes() == second.average(oof).tobytes()
    np.testing.assert_array_equal(oof, kept[0])
    np.testing.assert_array_equal(target, kept[1])


@pytest.mark.parametrize("part", ["one part", "two parts", "a class missing"])
def test_few_parts_will_do(blender: ModuleType, part: str) -> None:
    metric = METRICS[3]
    oof, target = example(metric, 3)
    parts = np.arange(120) % 2  # the class of every row, so that no part has both
    cut = {"one part": np.zeros(120, dtype=int), "two parts": np.arange(120) // 60, "a class missing": parts}[part]
    blended = fit(blender, Seen.of(oof, target, metric, cut)).average(oof)
    np.testing.assert_allclose(blended.sum(axis=1), 1.0)


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


def of_noise(n_folds: int = 10) -> Library:
    """A library of a target of noise: models that predict the mean of their training rows, nested ones too, and others.

    A fold's training rows have a low mean where its own rows have a high one, which no blend may make use of.
    """
    folds, target = shuffled(200, n_folds), np.random.default_rng(3).normal(size=200)
    fold = folds.role[0].argmax(axis=0)
    means, pairs = np.empty((1, 200)), np.empty((len(rounds(n_folds)), 200))
    for number in range(n_folds):
        means[0, fold == number] = target[fold != number].mean()
    for number, round_ in enumerate(rounds(n_folds)):
        for pair in round_:
            out = np.isin(fold, pair)
            pairs[number, out] = target[~out].mean()
    noise = np.random.default_rng(4).normal(size=(200, 6)) * 0.3
    oof, nested = (
        np.concatenate([np.stack([m, 2 * m, -3 * m], axis=2), np.broadcast_to(noise, (len(m), 200, 6))], axis=2)
        for m in (means, pairs)
    )
    oof, nested = oof[..., None], nested[..., None]
    return Library(tuple("abcdefghi"), oof, oof[0, :5], target, METRICS[0], folds, False, oof[:, :5], nested=nested)


def test_nothing_is_gained_on_a_target_of_noise(blender: ModuleType) -> None:
    library = of_noise()
    assert METRICS[0].error(library.target, cross_fit(library, blender)[0]) > 0.995 * library.target.std()


def test_a_stack_that_is_not_nested_would_gain_on_a_target_of_noise() -> None:
    """Were a stack judged on ordinary out-of-fold predictions, as averages may be, its score would be a lie."""

    class Plain(stack.Options):
        nested: ClassVar[bool] = False

    library = of_noise()
    means = replace(library, oof=library.oof[:, :, :3], nested=library.nested[:, :, :3], names=tuple("abc"))
    blenders = [Blender(stack, stack.Options()), Blender(stack, Plain())]
    nested, plain = (METRICS[0].error(means.target, own[0]) for own in means.cross_fit(blenders, 0, lambda: None))
    assert plain < 0.985 * means.target.std()
    assert nested > 0.995 * means.target.std()


def test_options_are_checked(blender: ModuleType) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        blender.Options(no_such_option=1)


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric.reads == "value"], ids=lambda m: m.name)
def test_of_several_targets_each_is_blended_as_if_it_were_alone(blender: ModuleType, metric: Metric) -> None:
    one = library_of(metric)
    arrays = {name: getattr(one, name) for name in ("oof", "test", "apart", "nested")}
    other = replace(one, target=-9 * one.target, **{name: -9 * found**3 for name, found in arrays.items()})
    joined = {name: np.concatenate([found, getattr(other, name)], axis=-1) for name, found in arrays.items()}
    both = replace(one, target=np.column_stack([one.target, other.target]), **joined)
    alone = np.concatenate([cross_fit(one, blender), cross_fit(other, blender)], axis=-1)
    np.testing.assert_array_equal(cross_fit(both, blender), alone)
    blend = both.fit(Blender(blender, blender.Options()), 0)
    again = read_blend(json.loads(json.dumps(blend.to_dict())))
    np.testing.assert_array_equal(again.apply(both.test), blend.apply(both.test))
