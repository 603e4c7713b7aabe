"""Leaks planted in models and features are caught by the checks that run the stages again; honest ones are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.audit import permuted_target, validation_rows, validation_target
from pipeline.audit._deal import deal, movable
from pipeline.audit._rehearsal import sample
from pipeline.blenders import stack
from pipeline.engine.stage import Job
from pipeline.models import catboost, lightgbm, linear, ridge
from pipeline.types import CrossFit, Table

CHECKS = {check.__name__.rpartition(".")[2]: check for check in (permuted_target, validation_rows, validation_target)}
LINEAR = {"linear": (linear, {})}


def audited(jobs: Any, name: str, models: dict[str, Any], features: dict[str, Any] | None = None) -> list:
    return CHECKS[name].check(jobs(name, models, features))


def leaks(findings: list) -> list[str]:
    return [finding.where for finding in findings if finding.severity == "leak"]


def before_fitting(change: Any) -> dict[str, Any]:
    """Return linear regression that changes the table, all rows of it, before it is cut by folds."""

    def cross_fit(recipes: Any, table: Table, folds: Any, **more: Any) -> dict[str, CrossFit]:
        return linear.cross_fit(recipes, change(table), folds, **more)

    own = SimpleNamespace(**{**vars(linear), "cross_fit": cross_fit})
    return {"leaky": (own, {})}


def scaled_on_all_rows(table: Table) -> Table:
    mean, scale = table.train.mean(), table.train.abs().max()
    return replace(table, train=(table.train - mean) / scale, test=(table.test - mean) / scale)


def encoded_without_folds(table: Table) -> Table:
    """Target means of the levels of a column that has nearly as many levels as rows."""
    train, test = (rows["log_triglycerides"].round(2) for rows in (table.train, table.test))
    means = pd.Series(table.target).groupby(train).mean()
    encoded = {"train": table.train.assign(code=train.map(means)), "test": table.test.assign(code=test.map(means))}
    return replace(table, **encoded)


def selected_on_all_rows(table: Table) -> Table:
    best = table.train.corrwith(pd.Series(table.target)).abs().nlargest(2).index
    return replace(table, train=table.train[best], test=table.test[best])


@pytest.mark.parametrize("check", CHECKS)
def test_honest_models_pass(jobs: Any, check: str) -> None:
    found = audited(jobs, check, LINEAR | {"lightgbm": (lightgbm, {"rounds": 30})})
    assert leaks(found) == []


def test_what_is_chosen_inside_the_fold_is_chosen_there_in_small_too(jobs: Any) -> None:
    tried: list[Any] = []

    def cross_fit(recipes: Any, *given: Any, **more: Any) -> dict[str, CrossFit]:
        tried.extend(recipes.values())
        return lightgbm.cross_fit(recipes, *given, **more)

    spied = SimpleNamespace(**{**vars(lightgbm), "cross_fit": cross_fit})
    assert leaks(audited(jobs, "permuted_target", {"spied": (spied, {})})) == []
    assert {recipe.stop_on for recipe in tried} == {"inner"}
    assert max(recipe.rounds for recipe in tried) <= 100


@pytest.mark.parametrize("check", ["validation_rows", "validation_target"])
def test_a_file_that_differs_with_every_fit_is_no_trace(jobs: Any, check: str) -> None:
    """CatBoost writes the time and an id of the fit into its model."""
    assert audited(jobs, check, {"catboost": (catboost, {"rounds": 20})}) == []


@pytest.mark.parametrize(
    ("check", "change", "caught"),
    [
        ("validation_rows", scaled_on_all_rows, True),
        ("validation_target", scaled_on_all_rows, False),
        ("validation_target", encoded_without_folds, True),
        ("permuted_target", encoded_without_folds, True),
        ("validation_target", selected_on_all_rows, True),
    ],
)
def test_what_is_fitted_outside_the_folds_is_caught(jobs: Any, check: str, change: Any, caught: bool) -> None:
    found = leaks(audited(jobs, check, before_fitting(change)))
    assert [where for where in found if "leaky" in where] == (found[:1] if caught else [])
    assert bool(found) == caught


def test_stopping_on_the_fold_is_said_and_not_failed(jobs: Any) -> None:
    models = {"lightgbm": (lightgbm, {"rounds": 40, "lr": 0.3, "stop_on": "fold"})}
    found = audited(jobs, "validation_target", models)
    assert [(finding.severity, finding.where) for finding in found] == [("note", "lightgbm")]
    assert "as its mark says" in found[0].what


def test_a_model_that_does_not_say_how_it_stops_is_listed(jobs: Any) -> None:
    from pipeline.models import autogluon

    for name in CHECKS:
        found = audited(jobs, name, {"autogluon": (autogluon, {})})
        assert [(finding.severity, finding.where) for finding in found] == [("note", "autogluon")]


def steal(rows: pd.DataFrame) -> pd.Series:
    """Find the training rows among the callers' variables and look the target up by id: row-local, and a leak."""
    frame = sys._getframe()
    while frame is not None:
        train = frame.f_locals.get("train")
        if isinstance(train, pd.DataFrame) and "progression" in train:
            return rows["id"].map(train.set_index("id")["progression"]).astype(float)
        frame = frame.f_back
    return pd.Series(np.nan, rows.index)


def test_a_feature_that_gets_hold_of_the_target_is_caught(jobs: Any) -> None:
    found = audited(jobs, "validation_target", LINEAR, {"stolen": steal})
    assert leaks(found) == ["column stolen"]


def test_a_feature_that_remembers_other_rows_is_caught(jobs: Any) -> None:
    """The mean that the first call of a run sees stays for all later calls, so that halves of the rows agree."""
    seen: dict[int, float] = {}

    def above_mean(rows: pd.DataFrame) -> pd.Series:
        if len(rows) > 200:
            seen[0] = rows["bmi"].mean()
        return rows["bmi"] - seen[0]

    assert leaks(audited(jobs, "validation_rows", LINEAR, {"above_mean": above_mean})) == ["column above_mean"]


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_groups_exchange_targets_as_a_whole(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    dealt = deal(len(groups), groups, rng)
    assert sorted(dealt) == list(range(len(groups)))
    assert movable(groups) >= (dealt != np.arange(len(groups))).mean()
    for group, size in enumerate(sizes):
        given_by = set(groups[dealt[groups == group]])
        assert len(given_by) == 1
        assert sizes[given_by.pop()] == size


def test_groups_that_cannot_change_places_are_no_proof(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permuted_target, "movable", lambda _: 0.3)
    first, *_ = audited(jobs, "permuted_target", LINEAR)
    assert (first.severity, first.what) == ("note", "not tried")


@pytest.mark.parametrize(("n_groups", "size", "n_kept"), [(60, 300, 40), (7, 2_000, 7), (9, 100, 9), (500, 5, 200)])
def test_rows_of_big_groups_are_rehearsed_with_enough_groups_for_folds(
    tmp_path: Path, n_groups: int, size: int, n_kept: int
) -> None:
    rows = pd.DataFrame({"id": range(n_groups * size), "groups": np.repeat(np.arange(n_groups), size)})
    rows[["groups"]].to_parquet(tmp_path / "rows.parquet")
    for part in ("train", "test"):
        rows.to_parquet(tmp_path / f"{part}.parquet")
    folders = {"ingest": tmp_path, "preprocess": tmp_path}
    drawn = sample(Job({"split": {"n_folds": 5}}, folders, {}, {}, tmp_path, tmp_path, 0, Heard())).train
    assert drawn["groups"].nunique() == n_kept
    assert len(drawn) == min(n_groups * size, 1_000 // n_kept * n_kept)
    assert drawn["id"].is_monotonic_increasing


def test_a_stack_is_rehearsed_with_nested_predictions_and_at_chance(jobs: Any) -> None:
    job = jobs("permuted_target", LINEAR | {"ridge": (ridge, {"penalty": 0.1})})
    config = {**job.config, "ensemble": {"kind": "stack", "options": {}}}
    said: list[str] = []

    def fit(seen: Any, **how: Any) -> Any:
        said.append("nested")
        return stack.fit_combination(seen, **how)

    own = SimpleNamespace(**{**vars(stack), "fit_combination": fit})
    found = permuted_target.check(replace(job, config=config, plugins={**job.plugins, "blender": own}))
    assert leaks(found) == []
    assert said
