"""What averaging folds' models is said to gain is what it gains on rows whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_folds import alternating

from pipeline.apart import keep_apart
from pipeline.blenders._alone import ALONE, fit_alone
from pipeline.blenders._library import Library, build_library
from pipeline.honesty.averaging import averaging_gain, draw_values, gain_alone, gain_blended
from pipeline.metrics import accuracy, auc, f1, log_loss, mae, mse, rmse, rmsle, rmspe
from pipeline.types import CrossFit, Metric

N, N_MODELS = 1_000, 5
FOLDS = alternating(N, N_MODELS)


def library_of(
    module: ModuleType, seed: int = 0, noise: float = 0.6, rare: float = 0.0, known: bool = True
) -> tuple[Library, np.ndarray]:
    """Return a library of one entry whose models each stray from the truth in a way of their own, and test's truth."""
    rng = np.random.default_rng(seed)
    metric = Metric.from_module(module)

    def part() -> tuple[np.ndarray, list[np.ndarray]]:
        signal = rng.normal(size=N)
        strayed = [signal + noise * rng.normal(size=N) for _ in range(N_MODELS)]
        if metric.reads == "value":
            if metric.name == "rmsle":
                return np.expm1(2 + signal + rng.normal(size=N)).clip(0), [np.expm1(2 + s)[:, None] for s in strayed]
            return signal + rng.normal(size=N), [one[:, None] for one in strayed]
        sure = [1 / (1 + np.exp(-one + rare)) for one in (signal, *strayed)]
        return (rng.random(N) < sure[0]).astype(np.int64), [np.column_stack([1 - p, p]) for p in sure[1:]]

    target, ours = part()
    truth, tests = part()
    fold = np.arange(N) % N_MODELS
    oof = np.stack(ours)[fold, np.arange(N)][None]
    unknown = np.full((1, N_MODELS), np.nan)
    apart = keep_apart(tests) if known else None
    entry = CrossFit(oof, np.mean(tests, axis=0), unknown, unknown, unknown, "none", apart=apart)
    return build_library({"net": entry}, target, metric, FOLDS), truth


def gained(library: Library, truth: np.ndarray, metric: Metric) -> float:
    """Return what averaging gains on the true values; labels are decided as the entry would be alone."""
    blend = fit_alone(library)
    submit = blend.apply if metric.name == "f1" else lambda predictions: predictions[:, 0]
    truth = np.log1p(truth) if library.logs else truth
    errors = [library.metric.error(truth, submit(one)) for one in library.apart]
    return float(np.mean(errors) - library.metric.error(truth, submit(library.together)))


@pytest.mark.parametrize(
    ("module", "rare", "near"),
    [
        (rmse, 0, 0.15),
        (mse, 0, 0.15),
        (mae, 0, 0.15),
        (rmsle, 0, 0.15),
        (auc, 0, 0.15),
        (log_loss, 0, 0.15),
        (accuracy, 0, 0.3),
        (f1, 2.0, 0.3),
    ],
)
def test_what_is_said_is_what_is_gained(module: ModuleType, rare: float, near: float) -> None:
    metric = Metric.from_module(module)
    made = [library_of(module, seed, rare=rare) for seed in range(6)]
    said = np.mean([gain_alone(library, "net", 0) for library, _ in made])
    found = np.mean([gained(library, truth, metric) for library, truth in made])
    assert said > 0
    assert said == pytest.approx(found, rel=near)


def hardened(predictions: np.ndarray) -> np.ndarray:
    return np.where(predictions > 0.4, 0.9, 0.1) if predictions.shape[1] > 1 else np.where(predictions > 10, 20.0, 2.0)


@pytest.mark.parametrize(("module", "rare"), [(log_loss, 1.0), (auc, 1.0), (rmsle, 0.0)])
def test_what_is_said_of_finished_predictions_is_what_is_gained(module: ModuleType, rare: float) -> None:
    """A threshold takes much of what averaging gains, or adds to it."""
    said, found = [], []
    for seed in range(6):
        library, truth = library_of(module, seed, noise=1.0, rare=rare)
        errors = [
            Metric.from_module(module).error(truth, hardened(np.expm1(one) if library.logs else one))
            for one in (*library.apart[:, :, 0], library.together[:, 0])
        ]
        found.append(np.mean(errors[:-1]) - errors[-1])
        said.append((gain_alone(library, "net", 0, hardened), gain_alone(library, "net", 0)))
    finished, plain = np.mean(said, axis=0)
    assert abs(finished - np.mean(found)) < abs(plain - np.mean(found)) / 1.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 6))
def test_of_squared_errors_it_is_what_the_models_stray_by_whatever_the_truth(seed: int, n: int, n_models: int) -> None:
    rng = np.random.default_rng(seed)
    apart, truths = rng.normal(size=(n_models, n, 1)), 5 * rng.normal(size=(3, n))
    found = averaging_gain(apart, apart.mean(axis=0), truths, Metric.from_module(mse))
    assert found == pytest.approx(apart.var(axis=0).mean(), abs=1e-9)


@pytest.mark.parametrize("module", [rmse, auc])
def test_models_that_agree_and_predictions_of_unknown_folds_gain_nothing(module: ModuleType) -> None:
    for library, _ in (library_of(module, noise=0.0), library_of(module, known=False)):
        assert gain_alone(library, "net", 0) == pytest.approx(0.0, abs=1e-6)


def test_a_blend_gains_less_than_entries_that_stray_apart() -> None:
    one, _ = library_of(rmse, 0)
    rng = np.random.default_rng(1)
    target, metric = one.target, one.metric
    signal = rng.normal(size=N)
    entries = {}
    for name in ("left", "right", "third"):
        tests = [(signal + 0.6 * rng.normal(size=N))[:, None] for _ in range(N_MODELS)]
        unknown = np.full((1, N_MODELS), np.nan)
        oof = (target + rng.normal(size=N))[None, :, None]
        entries[name] = CrossFit(oof, np.mean(tests, axis=0), *[unknown] * 3, "none", apart=keep_apart(tests))
    library = build_library(entries, target, metric, FOLDS)
    blend = library.fit(ALONE, 0)
    assert gain_blended(library, blend, 0) < 0.6 * gain_alone(library, "left", 0)


def test_values_are_drawn_within_train_and_a_tiny_test_file_is_no_error() -> None:
    rng = np.random.default_rng(0)
    target = rng.exponential(size=200)
    apart = rng.normal(size=(3, 2, 1)) + 9
    found = draw_values(apart, (target + rng.normal(size=200))[:, None], target, 0)
    assert found.shape == (200, 2)
    assert found.min() >= target.min()
    assert found.max() <= target.max()
    library, _ = library_of(rmse)
    assert gain_alone(replace(library, test=library.test[:0], apart=library.apart[:, :0]), "net", 0) == 0.0


def test_percentage_errors_are_judged_by_targets_that_occur() -> None:
    """Counts with zeros, which RMSPE leaves out: a truth of a thousandth would cost a thousand times the error."""
    rng = np.random.default_rng(0)
    rate = rng.exponential(2.0, size=N)
    target = rng.poisson(rate).astype(float)
    strayed = rate + 0.3 * rng.normal(size=(N_MODELS, N))
    oof, apart = strayed[FOLDS.valid_fold[0], np.arange(N)], strayed[:, :, None]
    truths = draw_values(apart, oof[:, None], target, 0)
    assert set(truths.ravel()) <= set(target)
    metric = Metric.from_module(rmspe)
    gain = averaging_gain(apart, apart.mean(axis=0), truths, metric)
    assert 0 < gain < 0.1 * metric.error(target, oof[:, None])


@pytest.mark.parametrize("module", [rmse, mae])
def test_where_models_part_beyond_what_they_know_nothing_is_said_to_be_gained(module: ModuleType) -> None:
    """On test rows unlike train's the models of all folds may go anywhere; CV has judged none of that."""
    library, _ = library_of(module)
    far = library.apart + 5 * np.arange(N_MODELS)[:, None, None, None]
    assert gain_alone(replace(library, apart=far, test=library.test + 10), "net", 0) == 0.0
    in_time = replace(library, folds=replace(library.folds, kind="time"))
    assert gain_alone(in_time, "net", 0) == 0.0


def test_a_blend_of_one_entry_gains_what_the_entry_does() -> None:
    library, _ = library_of(rmsle)
    assert gain_blended(library, library.fit(ALONE, 0), 0) == pytest.approx(gain_alone(library, "net", 0), rel=0.1)


def test_draws_for_which_the_metric_is_not_defined_are_left_out() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((3, 30))
    apart, together = (np.stack([1 - own, own], axis=-1) for own in (p, p.mean(axis=0)))
    truths, metric = rng.integers(0, 2, (4, 30)), Metric.from_module(auc)
    one_class = np.vstack([truths, np.zeros((1, 30), dtype=int)])
    assert averaging_gain(apart, together, one_class, metric) == averaging_gain(apart, together, truths, metric)
    assert averaging_gain(apart, together, one_class[4:], metric) == 0.0


def test_an_error_is_that_of_rows_with_a_prediction_like_it() -> None:
    """Low values are predicted without an error, high ones off by four."""
    rng = np.random.default_rng(0)
    oof = rng.uniform(0, 100, size=N)
    target = oof + np.where(oof > 50, rng.choice([-4.0, 4.0], size=N), 0.0)
    found = draw_values(np.full((2, 2, 1), [[20.0], [80.0]]), oof[:, None], target, 0)
    off = np.abs(found - [20.0, 80.0]).mean(axis=0)
    assert off[0] < 1
    assert off[1] == pytest.approx(4, abs=1)


def test_models_of_unknown_folds_are_taken_to_say_what_is_submitted_of_the_same_rows() -> None:
    library, _ = library_of(rmse)
    oof, test = library.oof[:, :, 0], np.random.default_rng(0).normal(size=(2_500, 1))
    unknown = np.full((1, N_MODELS), np.nan)
    net, other = (
        CrossFit(oof, test, *[unknown] * 3, "none", apart=apart) for apart in (keep_apart([test] * N_MODELS), None)
    )
    both = build_library({"net": net, "other": other}, library.target, library.metric, FOLDS)
    np.testing.assert_allclose(both.apart, np.broadcast_to(both.together, both.apart.shape), rtol=1e-6)
