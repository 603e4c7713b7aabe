"""The choice among trials: a steady trial before a lucky one; and luck is found where there is nothing but luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_folds import alternating

from pipeline.metrics import rmse
from pipeline.tuning.choice import optimism, persistence, safest
from pipeline.types import Metric, Table, Task


def test_a_fold_that_is_hard_for_all_says_nothing_about_a_trial() -> None:
    hard = np.array([[1.0, 1.0, 9.0]])
    better = hard - 0.1
    assert safest(np.stack([hard, better]), 0.25) == 1


def test_a_trial_that_is_lucky_in_one_fold_loses_to_a_steady_one() -> None:
    usual = np.array([[1.0, 1.0, 1.0, 1.0]])
    steady, lucky = usual - 0.1, usual - np.array([[0.5, 0.0, 0.0, 0.0]])
    assert lucky.mean() < steady.mean()
    assert safest(np.stack([usual, lucky, steady, usual]), 0.25) == 2


def test_with_one_fold_error_it_is_the_lowest() -> None:
    assert safest(np.array([[[3.0]], [[1.0]], [[2.0]]]), 0.25) == 1


def table_of(target: np.ndarray, groups: np.ndarray | None = None) -> Table:
    n = len(target)
    rows = pd.DataFrame({"x": np.zeros(n)})
    task = Task("regression", Metric.from_module(rmse))
    return Table(task, rows, rows, target, np.arange(n), np.arange(n), groups)


def test_the_best_of_many_guesses_at_noise_is_told_to_be_no_better_than_they_are() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=100)
    oofs = [generator.normal(size=(1, 100, 1)) * 0.3 for _ in range(40)]
    table, folds = table_of(target), alternating(100, 2)
    errors = [float(np.sqrt(np.mean((target - oof[0, :, 0]) ** 2))) for oof in oofs]
    corrected = min(errors) + optimism(table, folds, oofs, seed=0).cautious
    assert abs(corrected - np.mean(errors)) < abs(min(errors) - np.mean(errors)) / 2


def test_the_plain_figure_is_what_the_choice_flatters_on_average() -> None:
    """Ten recipes that are equally good: the lowest error on 80 rows is too low by what can be told by making more."""
    said, flattered = [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        target = generator.normal(size=80)
        oofs = [generator.normal(size=(1, 80, 1)) * 0.5 for _ in range(10)]
        errors = [float(np.sqrt(np.mean((target - oof[0, :, 0]) ** 2))) for oof in oofs]
        said.append(optimism(table_of(target), alternating(80, 2), oofs, seed=seed).plain)
        flattered.append(np.sqrt(1.25) - min(errors) - (np.sqrt(1.25) - np.mean(errors)))
    assert np.mean(said) == pytest.approx(np.mean(flattered), rel=0.35)


@pytest.mark.parametrize(("shared", "least", "most"), [(1.0, 0.9, 1.0), (0.5, 0.1, 0.6), (0.0, 0.0, 0.25)])
def test_luck_of_the_rows_persists_on_other_folds_and_luck_of_the_folds_does_not(
    shared: float, least: float, most: float
) -> None:
    generator = np.random.default_rng(0)
    target, n = generator.normal(size=400), 400
    rows = [generator.normal(size=(1, n, 1)) for _ in range(2)]  # what two recipes make of a row, whatever the folds

    def oofs() -> list[np.ndarray]:
        return [0.4 * (shared * own + (1 - shared) * generator.normal(size=(1, n, 1))) for own in rows]

    found = persistence(table_of(target), (alternating(n, 2), oofs()), (alternating(n, 2), oofs()), seed=0)
    assert least <= found <= most


def test_a_gain_that_is_half_as_large_on_fresh_folds_persists_by_half() -> None:
    generator, folds = np.random.default_rng(0), alternating(400, 2)
    target, (mean, apart) = generator.normal(size=400), 0.3 * generator.normal(size=(2, 1, 400, 1))
    searched, fresh = ([mean + share * apart, mean - share * apart] for share in (1.0, 0.5))
    assert persistence(table_of(target), (folds, searched), (folds, fresh), seed=0) == pytest.approx(0.5, abs=0.05)


def test_one_trial_was_not_chosen() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=400)
    found = optimism(table_of(target), alternating(400, 2), [np.zeros((1, 400, 1))], seed=0)
    assert found.cautious == pytest.approx(0.0, abs=0.01)
    assert found.plain == 0.0


def test_rows_of_a_group_are_drawn_together() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    target = np.repeat(generator.normal(size=10), 20)  # 200 rows that say as much as 10
    oofs = [np.repeat(generator.normal(size=10), 20).reshape(1, 200, 1) for _ in range(20)]
    apart = optimism(table_of(target), alternating(200, 2), oofs, seed=0)
    together = optimism(table_of(target, groups), alternating(200, 2), oofs, seed=0)
    assert together.cautious > apart.cautious
