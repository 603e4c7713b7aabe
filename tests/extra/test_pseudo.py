"""Test rows are labelled fold by fold, by models that saw no label of the fold's own rows, where they are sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from heard import Heard
from model_cases import QUICK, folds, module, table
from small_folds import alternating

from pipeline.extra.pseudo import UNLABELLED, cross_fit_twice
from pipeline.extra.rows import Extra
from pipeline.types import TRAIN, CrossFit, Folds, Table

HOW: dict[str, Any] = {"confidence": 0.8, "weight": 0.5, "seed": 0, "log": Heard()}
RECIPES = {
    "ridge": {"penalty": 0.1},
    "lightgbm": QUICK["lightgbm"] | {"rounds": 20},
    "mlp": QUICK["mlp"] | {"epochs": 10},
}
"""In closed form, by stopping rows, and all folds as one."""


def recipe_of(name: str) -> dict[str, Any]:
    return {"entry": module(name).Recipe(**RECIPES[name])}


def once(name: str, data: Table, cut: Folds) -> CrossFit:
    return module(name).cross_fit(recipe_of(name), data, cut, seed=0, log=Heard())["entry"]


def twice(name: str, data: Table) -> CrossFit:
    return cross_fit_twice(module(name), recipe_of(name), data, folds(), None, **HOW)["entry"]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_a_folds_own_labels_do_not_reach_its_predictions_by_way_of_test(name: str, kind: str) -> None:
    data, rows = table(kind), folds().valid_rows(0, 0)
    target = data.target.copy()
    target[rows] = target[rows][::-1]
    before, after = twice(name, data), twice(name, replace(data, target=target))
    assert before.oof.shape == (2, 120, data.task.n_outputs)
    assert np.nanmax(np.abs(before.oof - once(name, data, folds()).oof)) > 0
    np.testing.assert_allclose(after.oof[0, rows], before.oof[0, rows], rtol=1e-4, atol=1e-6)


def test_where_time_is_up_the_entry_without_labelled_rows_serves() -> None:
    log, data = Heard(), table("regression")

    def cross_fit(*what: Any, **how: Any) -> dict[str, CrossFit]:
        found = module("ridge").cross_fit(*what, **how)
        log.patience = 0
        return found

    model = SimpleNamespace(cross_fit=cross_fit)
    entry = cross_fit_twice(model, recipe_of("ridge"), data, folds(), None, **HOW | {"log": log})["entry"]
    assert entry.truncated == "not fitted on labelled test rows"
    assert entry.findings == ()
    np.testing.assert_array_equal(entry.oof, once("ridge", data, folds()).oof)


def spied(name: str) -> tuple[Any, list[tuple[Table, Folds]]]:
    """Return a model that notes what it is fitted on."""
    seen: list[tuple[Table, Folds]] = []

    def cross_fit(recipes: Mapping[str, Any], data: Table, cut: Folds, **how: Any) -> dict[str, CrossFit]:
        seen.append((data, cut))
        return module(name).cross_fit(recipes, data, cut, **how)

    return SimpleNamespace(cross_fit=cross_fit), seen


def test_a_fold_learns_from_what_its_own_models_are_sure_of() -> None:
    model, seen = spied("ridge")
    data = table("binary")
    extra = Extra(data.train[:7], data.target[:7])
    found = cross_fit_twice(model, recipe_of("ridge"), data, folds(), extra, **HOW)["entry"]
    (whole, first), (labelled, second) = seen
    by_key = once("ridge", whole, first).fitted
    assert len(labelled.train) > 127
    for key in folds():
        assert (second.role[key][:127] == first.role[key]).all()
        rows = 127 + np.flatnonzero(second.role[key][127:] == TRAIN)
        predicted = by_key[key].predict(labelled.train.iloc[rows])
        assert predicted.max(axis=1).min() >= 0.8
        assert (predicted.argmax(axis=1) == labelled.target[rows]).all()
        assert (labelled.weight[rows] == 0.5).all()
    assert "pseudo-labels: a fold learns from" in found.findings[-1]


def test_what_keeps_no_model_of_each_fold_says_that_it_goes_without() -> None:
    data = table("regression")
    first = once("ridge", data, folds())
    whole = {"entry": replace(first, fitted={(0,): first.fitted[0, 0]}), "entry/part": first}
    model = SimpleNamespace(cross_fit=lambda *_, **__: whole)
    found = cross_fit_twice(model, {"entry": None}, data, folds(), None, **HOW)
    assert list(found) == ["entry", "entry/part"]
    assert all(entry.findings == (UNLABELLED,) for entry in found.values())
    np.testing.assert_array_equal(found["entry"].oof, first.oof)


@pytest.mark.parametrize("n_extra", [0, 30])
def test_labelled_rows_change_no_auto_value(n_extra: int) -> None:
    """Refits and trials settle "auto" by the rows of a fold that have labels of their own."""
    data, settled = table("regression"), []

    def settle(recipe: Any, _: Any, n_rows: int) -> Any:
        settled.append(n_rows)
        return recipe

    model, seen = spied("ridge")
    model.settled = settle
    extra = Extra(data.train[:n_extra], data.target[:n_extra]) if n_extra else None
    cross_fit_twice(model, recipe_of("ridge"), data, folds(), extra, **HOW)
    (_, first), (_, second) = seen
    assert first.n_fit_rows == folds().n_fit_rows + n_extra
    assert settled == [first.n_fit_rows]
    assert second.n_fit_rows > first.n_fit_rows


def test_networks_of_pairs_of_folds_stop_inside_the_fold_that_they_are_labelled_for() -> None:
    data, wide = table("regression"), alternating(120, 5)
    pairs, inner = ({"entry": module("mlp").Recipe(**RECIPES["mlp"], stop_on=stop)} for stop in ("pairs", "inner"))
    found, wanted = (cross_fit_twice(module("mlp"), own, data, wide, None, **HOW)["entry"] for own in (pairs, inner))
    np.testing.assert_array_equal(found.oof, wanted.oof)
