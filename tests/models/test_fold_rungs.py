"""Rungs of models that are fitted fold by fold: time that is up and folds that fail mean what they always mean."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from heard import Heard
from hypothesis import given
from hypothesis import strategies as st
from model_cases import QUICK, folds, table

from pipeline.models import catboost, histogram, lightgbm, xgboost
from pipeline.models._fold_recipe import FASTEST
from pipeline.models._folds import Learnt, Lesson
from pipeline.seeds import derive
from pipeline.types import CrossFit, Rung

RECIPES = {
    name: lightgbm.Recipe(**(QUICK["lightgbm"] | {"lr": lr}))
    for name, lr in {"slow": 0.05, "middling": 0.08, "fast": 0.1}.items()
}


def climb(patience: int | None = None) -> dict[str, CrossFit]:
    """Cross-fit with a rung that all pass; patience: how often there is time left when a recipe is to begin."""
    how: dict[str, Any] = {"seed": 0, "log": Heard(patience), "rungs": [Rung(1 / 9, math.inf)]}
    return lightgbm.cross_fit(RECIPES, table("regression"), folds(), **how)


@pytest.mark.parametrize(("patience", "judged", "whole"), [(1, 2, 1), (2, 3, 1), (3, 3, 2), (4, 3, 3)])
def test_when_time_is_up_no_recipe_is_left_half(patience: int, judged: int, whole: int) -> None:
    found = list(climb(patience=patience).values())
    assert [len(entry.rungs) for entry in found] == [1] * judged + [0] * (3 - judged)
    assert [entry.truncated for entry in found] == [""] * whole + ["not begun: time was up"] * (3 - whole)
    for entry in found[:whole]:
        assert np.isfinite(entry.fold_errors).all()
    for entry in found[whole:]:
        assert not entry.given_up
        assert np.isnan(entry.oof).all()


def test_a_fold_that_fails_at_a_rung_is_the_end_of_its_recipe_and_of_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before, learn, short = climb(), lightgbm._learn, RECIPES["middling"].shortened(1 / 9)
    refusal = type("RefusalError", (Exception,), {"__module__": "lightgbm"})

    def refuse(lesson: Lesson) -> Learnt:
        if lesson.recipe.rounds == short.rounds and lesson.seed == derive(0, "fold", 1, 2):
            raise refusal("no more leaves\nand more")
        return learn(lesson)

    monkeypatch.setattr(lightgbm, "_learn", refuse)
    found = climb()
    assert found["middling"].failed == "lightgbm: no more leaves"
    assert found["middling"].rungs == ()
    assert not found["middling"].given_up
    for name in ("slow", "fast"):
        np.testing.assert_array_equal(found[name].oof, before[name].oof)
        assert found[name].rungs == before[name].rungs


@pytest.mark.parametrize("model", [catboost, histogram, lightgbm, xgboost])
@given(lr=st.floats(1e-4, 1.0), rounds=st.integers(1, 5000), share=st.floats(0.01, 0.99))
def test_a_shortened_booster_learns_as_far_in_fewer_rounds_and_at_the_rate_of_the_others(
    model: ModuleType, lr: float, rounds: int, share: float
) -> None:
    recipe, slow = model.Recipe(lr=lr, rounds=rounds), model.Recipe(lr=1e-4)
    short = recipe.shortened(share)
    assert model.Recipe.model_validate(short.model_dump()) == short
    assert short.rounds <= rounds
    assert short.patience <= recipe.patience
    assert short.rounds * short.lr == pytest.approx(rounds * lr, abs=short.lr)
    assert short.lr == max(lr, slow.shortened(share).lr) <= max(lr, FASTEST)
