"""The interval of the expected score: it covers, whole groups are drawn, and names and places of rows do not matter."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_folds import dealt

from pipeline.honesty import expectation, resample
from pipeline.honesty.expectation import Bias, Expectation, expect, flattered_share, own_factor
from pipeline.honesty.resample import Pool, draw, pool, stretches
from pipeline.metrics import auc, brier, f1, log_loss, mae, mcc, rmse
from pipeline.types import Folds, Metric

N_FOLDS = 5


def rows_of(target: np.ndarray, groups: np.ndarray | None = None, module: object = mae) -> tuple[Pool, Folds]:
    unit = np.arange(len(target)) if groups is None else np.unique(groups, return_inverse=True)[1]
    folds = dealt(unit % N_FOLDS)
    return pool(target, folds, Metric.from_module(module), groups, None), folds


def grouped(rng: np.random.Generator, n_groups: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return errors that a group mostly shares, and the groups."""
    shared = np.repeat(rng.normal(size=n_groups), size)
    return shared + 0.3 * rng.normal(size=n_groups * size), np.repeat(np.arange(n_groups), size)


@pytest.mark.parametrize(("by_group", "least", "most"), [(True, 0.84, 1.0), (False, 0.0, 0.75)])
def test_the_interval_covers_only_if_it_knows_what_hangs_together(
    monkeypatch: pytest.MonkeyPatch, by_group: bool, least: float, most: float
) -> None:
    monkeypatch.setattr(expectation, "DRAWS", 80)
    rng, covered = np.random.default_rng(0), []
    for seed in range(50):
        target, groups = grouped(rng, 40, 8)
        held, _ = grouped(rng, 40, 8)
        rows, folds = rows_of(target, groups)
        if not by_group:
            rows = replace(rows, unit=np.arange(len(target)))
        found = expect(rows, folds, target, np.zeros((1, len(target), 1)), Bias(), n_private=320, seed=seed)
        covered.append(found.low <= np.abs(held).mean() <= found.high)
    assert least <= np.mean(covered) <= most


@pytest.mark.parametrize(("in_time", "least", "most"), [(True, 0.8, 1.0), (False, 0.0, 0.75)])
def test_in_time_the_interval_covers_only_if_stretches_are_drawn(
    monkeypatch: pytest.MonkeyPatch, in_time: bool, least: float, most: float
) -> None:
    """Errors that last: each row's is nearly that of the row before."""
    monkeypatch.setattr(expectation, "DRAWS", 80)
    rng, covered, time = np.random.default_rng(0), [], np.arange(400)

    def lasting() -> np.ndarray:
        errors = np.zeros(500)
        for row in range(1, 500):
            errors[row] = 0.8 * errors[row - 1] + rng.normal()
        return 3 + errors[100:]

    for seed in range(50):
        target, held = lasting(), lasting()
        folds = dealt(time * N_FOLDS // 400, kind="time" if in_time else "kfold")
        rows = pool(target, folds, Metric.from_module(mae), None, time)
        found = expect(rows, folds, target, np.zeros((1, 400, 1)), Bias(), n_private=400, seed=seed)
        covered.append(found.low <= np.abs(held).mean() <= found.high)
    assert least <= np.mean(covered) <= most


@pytest.mark.parametrize("module", [rmse, auc])
def test_metrics_that_are_no_means_of_rows_are_covered_too(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    monkeypatch.setattr(expectation, "DRAWS", 80)
    rng, covered, gaps = np.random.default_rng(1), [], []

    def sample(n: int) -> tuple[np.ndarray, np.ndarray]:
        signal = rng.normal(size=n)
        if module is rmse:
            return signal + rng.normal(size=n), signal[:, None]
        p = 1 / (1 + np.exp(-signal))
        return (rng.random(n) < p).astype(np.int64), np.column_stack([1 - p, p])

    metric = Metric.from_module(module)
    for seed in range(50):
        target, oof = sample(250)
        rows, folds = rows_of(target, module=module)
        found = expect(rows, folds, target, oof[None], Bias(), n_private=120, seed=seed)
        held = metric.error(*sample(120))
        covered.append(found.low <= held <= found.high)
        gaps.append(held - found.error)
    assert np.mean(covered) >= 0.84
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(len(gaps))


def test_more_private_rows_narrow_the_interval_down_to_our_own_uncertainty() -> None:
    target = np.random.default_rng(0).normal(size=400)
    rows, folds = rows_of(target)
    few, many, all_of_them = (
        expect(rows, folds, target, np.zeros((1, 400, 1)), Bias(), n_private=n, seed=0) for n in (40, 4000, 10**8)
    )
    assert few.test_se == pytest.approx(10 * many.test_se, rel=0.2)
    assert all_of_them.test_se < 2e-3 * all_of_them.own_se
    assert all_of_them.own_se == pytest.approx(1.5 * np.abs(target).std() / np.sqrt(400), rel=0.15)


def test_stopping_on_the_fold_is_paid_for_by_its_share() -> None:
    target = np.random.default_rng(0).normal(size=200)
    rows, folds = rows_of(target)
    none, half, whole = (
        expect(rows, folds, target, np.zeros((1, 200, 1)), Bias(flattered=share), n_private=100, seed=0)
        for share in (0.0, 0.5, 1.0)
    )
    assert none.optimism == 0.0
    assert 0 < half.optimism == pytest.approx(whole.optimism / 2)
    assert whole.error - none.error == pytest.approx(whole.optimism)
    assert flattered_share({"a": 0.75, "b": 0.25}, {"a": "inner", "b": "fold"}) == 0.25


def test_own_uncertainty_is_that_of_nadeau_and_bengio() -> None:
    assert own_factor(dealt(np.arange(100) % N_FOLDS)) == pytest.approx(1.5)


def test_a_score_cannot_be_better_than_perfect() -> None:
    target = np.repeat([0, 1], 50)
    rows, folds = rows_of(target, module=auc)
    p = target * 0.8 + 0.1
    found = expect(rows, folds, target, np.column_stack([1 - p, p])[None], Bias(), n_private=50, seed=0)
    assert found.scores(rows.metric) == {"expected": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(("module", "worst"), [(f1, 0.0), (mcc, -1.0), (brier, 1.0), (log_loss, None)])
def test_a_score_cannot_be_worse_than_the_worst(module: ModuleType, worst: float | None) -> None:
    metric = Metric.from_module(module)
    found = Expectation(2.4, -0.3, 2.5, *([0.0] * 7)).scores(metric)
    assert found["expected"] == (2.4 if worst is None else worst)
    ends = {metric.optimum, 2.5 if worst is None else worst}
    assert (found["low"], found["high"]) == (min(ends), max(ends))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=6, max_size=20), st.integers(0, 99))
def test_groups_are_drawn_whole(sizes: list[int], seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    whole = np.array(sizes)

    def check(target: np.ndarray, _: np.ndarray) -> float:
        counts = np.bincount(target.astype(int), minlength=len(sizes))
        assert (counts % whole == 0).all()
        return 0.0

    rows, _ = rows_of(groups.astype(float), groups)
    rows = replace(rows, metric=Metric("spy", "value", False, 0.0, check))
    draw(rows, [np.zeros((1, len(groups), 1))], len(groups) / 2, 5, np.random.default_rng(seed))


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 80), st.integers(0, 99))
def test_neither_the_order_of_rows_nor_names_of_groups_matter(n_rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, groups = rng.normal(size=n_rows), rng.permutation(n_rows) % 8
    order = rng.permutation(n_rows)
    rows, _ = rows_of(target, groups)
    moved, _ = rows_of(target[order], np.char.add("group ", groups[order].astype(str)))
    oofs = [np.zeros((1, n_rows, 1))]
    one, other = (draw(r, oofs, n_rows / 2, 30, np.random.default_rng(0)).errors for r in (rows, moved))
    np.testing.assert_allclose(one, other)


def test_balanced_draws_have_the_pools_mean_and_large_sets_stray_less(monkeypatch: pytest.MonkeyPatch) -> None:
    target = np.random.default_rng(0).normal(size=100)
    rows, _ = rows_of(target)
    oofs = [np.zeros((1, 100, 1))]
    found = draw(rows, oofs, 50, 400, np.random.default_rng(0))
    assert found.growth[0] == pytest.approx(0.0, abs=1e-12)
    monkeypatch.setattr(resample, "MOST_ROWS", 50)
    large = draw(rows, oofs, 5000, 400, np.random.default_rng(0))
    assert large.deviations.std() == pytest.approx(found.deviations.std() / 10)


def test_what_the_size_does_to_an_error_fades_as_sets_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root of a mean is lower, on average, the fewer rows it is of."""
    monkeypatch.setattr(resample, "MOST_ROWS", 50)
    rows, _ = rows_of(np.random.default_rng(0).exponential(size=200), module=rmse)
    oofs = [np.zeros((1, 200, 1))]
    small, large = (draw(rows, oofs, size, 100, np.random.default_rng(0)).growth[0] for size in (50, 200))
    assert large == pytest.approx(small / 4)
    assert small < 0


def test_of_a_split_in_time_stretches_are_drawn_and_rows_without_prediction_are_not() -> None:
    time = np.repeat(np.arange(27), 4)
    fold = np.where(time < 24, time // 4 - 1, -1)
    rows = pool(np.zeros(108), dealt(fold, kind="time"), Metric.from_module(mae), None, time)
    assert len(np.unique(stretches(time))) == 9
    assert rows.n_units == 7
    assert rows.positions.min() == 16
    others = dealt(np.where(time < 20, time // 4 - 1, -1), kind="time")
    compared = pool(np.zeros(108), dealt(fold, kind="time"), rows.metric, None, time, [others])
    assert (compared.positions.min(), compared.positions.max()) == (16, 79)


@pytest.mark.parametrize(("n_units", "rows_each"), [(100, 10), (60, 2000), (52, 4000), (40, 10_000)])
def test_sets_of_large_groups_stray_as_their_number_says(n_units: int, rows_each: int) -> None:
    unit = np.repeat(np.arange(n_units), rows_each)
    off = 2 + np.random.default_rng(0).normal(size=n_units)[unit] / 2
    rows = Pool(np.zeros(len(unit)), unit, np.arange(len(unit)), Metric.from_module(mae))
    drawn = draw(rows, [off[None, :, None]], 15 * rows_each, 400, np.random.default_rng(1))
    assert drawn.deviations.std() == pytest.approx(off[::rows_each].std() / np.sqrt(15), rel=0.12)


def test_who_has_more_folds_is_expected_no_better() -> None:
    """The same predictions, judged by five folds and by twenty: what RMSE gains by small folds is taken off again."""
    found = {n: [] for n in (5, 20)}
    for seed in range(10):
        rng = np.random.default_rng(seed)
        target = rng.normal(size=200)
        oof = (target + 0.7 * rng.standard_t(5, size=200))[None, :, None]
        folds = {n: dealt(rng.permutation(200) % n) for n in found}
        rows = pool(target, folds[5], Metric.from_module(rmse), None, None, [folds[20]])
        for n, own in folds.items():
            found[n].append(expect(rows, own, target, oof, Bias(), n_private=500, seed=0).error)
    assert np.mean(found[20]) == pytest.approx(np.mean(found[5]), rel=0.01)
