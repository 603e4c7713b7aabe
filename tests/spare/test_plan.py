"""Spare minutes become more fits: by what was found, within what is left, and none where nothing is."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from clean_tables import make_table
from heard import Heard
from pydantic import BaseModel
from small_folds import alternating

from pipeline.engine.stage import Job
from pipeline.files import read_entries, read_json, write_entry, write_folds, write_table
from pipeline.metrics import rmse
from pipeline.minutes import Work
from pipeline.models import lightgbm, linear, mlp, realmlp, ridge, tabm
from pipeline.sharing import Claim
from pipeline.spare import plan
from pipeline.stages import budget
from pipeline.types import CrossFit, Metric, Task

MODELS = {"lightgbm": lightgbm, "mlp": mlp, "ridge": ridge, "tabm": tabm}
AGAIN = ["lightgbm", "mlp", "tabm"]
N_ROWS, N_FOLDS = 600, 4


def planned(
    folder: Path, minutes: float, found: float, n_extra: int = 0
) -> tuple[dict[str, Any], dict[str, Any], Heard]:
    """Return the recipes of both budgets, where every model found so many rounds or epochs."""
    inputs = {name: folder / name for name in ("preprocess", "split")}
    for path in (*inputs.values(), folder / "budget", folder / "spare"):
        path.mkdir(parents=True)
    table = make_table(n_train=N_ROWS, n_test=30)
    write_table(inputs["preprocess"], table)
    write_folds(inputs["split"], alternating(N_ROWS, N_FOLDS))
    if n_extra:
        inputs["extra"] = folder / "extra"
        inputs["extra"].mkdir()
        pd.DataFrame({"a": np.zeros(n_extra)}).to_parquet(inputs["extra"] / "extra.parquet")
    sections = {
        name: {"kind": name, "recipe": module.Recipe().model_dump(mode="json"), "tuned": False}
        for name, module in MODELS.items()
    }
    config = {"minutes": minutes, "repeats": 1, "models": sections, "tune": {"trials": 0}}
    plugins = {f"model:{name}": module for name, module in MODELS.items()}
    first = Job(config, inputs, {}, plugins, folder / "budget", folder, 0, Heard())
    budget.run(first)
    entry = CrossFit(
        np.zeros((1, N_ROWS, 1)), np.zeros((30, 1)), *(np.full((1, N_FOLDS), value) for value in (1, 1, found)), "inner"
    )
    for name in MODELS:
        (folder / name / "entries").mkdir(parents=True)
        write_entry(folder / name / "entries", name, entry)
    inputs |= {"budget": folder / "budget"} | {f"train:{name}": folder / name for name in MODELS}
    heard = Heard()
    second = Job(config | {"again": AGAIN}, inputs, {}, plugins | {"metric": rmse}, folder / "spare", folder, 0, heard)
    plan.run(second)
    given = {name: read_json(folder / "budget" / name / "recipe.json") for name in MODELS}
    more = {name: read_json(folder / "spare" / f"{name}+more" / "recipe.json") for name in AGAIN}
    return given, more, heard


def test_where_much_is_left_everything_is_fitted_more_often_as_it_was(tmp_path: Path) -> None:
    given, more, _ = planned(tmp_path, 300.0, 40)
    for name, recipe in more.items():
        assert recipe["n_seeds"] == plan.MOST
        same = [key for key, value in given[name].items() if value != "auto" and key != "n_seeds"]
        assert {key: recipe[key] for key in same} == {key: given[name][key] for key in same}


def test_auto_is_what_it_was_for_a_model_that_learnt_from_extra_rows(tmp_path: Path) -> None:
    n_extra = 50_000
    _, more, _ = planned(tmp_path, 300.0, 40, n_extra)
    task, n_own = Task("regression", Metric.from_module(rmse)), N_ROWS * (N_FOLDS - 1) // N_FOLDS
    few, trained = (lightgbm.settled(lightgbm.Recipe(), task, n) for n in (n_own, n_own + n_extra))
    assert few != trained
    assert lightgbm.Recipe(**more["lightgbm"] | {"n_seeds": 1}) == trained


def test_a_model_of_ones_own_may_count_neither_rounds_nor_epochs(tmp_path: Path) -> None:
    class Own(BaseModel):
        n_seeds: int = 1

    planned(tmp_path, 300.0, 40)
    (tmp_path / "own/entries").mkdir(parents=True)
    write_entry(tmp_path / "own/entries", "own", read_entries(tmp_path / "mlp/entries")["mlp"])
    work = Work(SimpleNamespace(Recipe=Own), Own(), SIZE, weight=1.0)
    job = Job({}, {"train:own": tmp_path / "own"}, {}, {}, tmp_path, tmp_path, 0, Heard())
    assert plan._as_found(job, "own", work, work) is work


def test_where_nothing_is_left_nothing_is_fitted_again_and_said(tmp_path: Path) -> None:
    _, more, heard = planned(tmp_path, 0.2, 1000)
    assert more == dict.fromkeys(AGAIN)
    assert any("too little for more fits" in text for text in heard.infos)


def test_who_stopped_early_leaves_more(tmp_path: Path) -> None:
    fits = [
        sum(recipe["n_seeds"] for recipe in planned(tmp_path / str(found), 1.5, found)[1].values() if recipe)
        for found in (500, 20)
    ]
    assert fits[0] < fits[1]


SIZE = {"n_train": N_ROWS, "n_test": 30, "n_columns": 3, "n_outputs": 1, "n_fits": N_FOLDS}


def seconds_done(recipes: dict[str, Any], found: int) -> float:
    """Return what all fits took: rounds or epochs were looked for, and then so many fitted on all rows."""
    done = [
        (MODELS[name.removesuffix("+more")], recipe | _fitted(recipe, found))
        for name, recipe in recipes.items()
        if recipe
    ]
    return sum(module.seconds(module.Recipe.model_validate(recipe), **SIZE) for module, recipe in done)


def _fitted(recipe: dict[str, Any], found: int) -> dict[str, Any]:
    if recipe.get("stop_on") != "inner":
        return {}
    length = "rounds" if "rounds" in recipe else "epochs"
    looked = min(math.inf if recipe[length] == "auto" else recipe[length], found + recipe["patience"])
    if length == "rounds":  # boosters look for all their seeds at once, here in three cuts; networks with each
        return {"stop_on": "none", "rounds": 3 * looked + recipe["n_seeds"] * found, "n_seeds": 1}
    return {"stop_on": "none", "epochs": looked + found}


@pytest.mark.parametrize("minutes", [0.5, 1.0, 2.0, 4.0])
def test_both_budgets_together_stay_within_the_minutes(tmp_path: Path, minutes: float) -> None:
    found = tabm.USUALLY_FOUND
    given, more, _ = planned(tmp_path, minutes, found)
    first, again = seconds_done(given, found), seconds_done(more, found)
    assert again > 0
    assert first + again <= 60 * minutes


@pytest.mark.parametrize(("minutes", "left"), [(1.0, False), (2.0, False), (8.0, True), (16.0, True)])
def test_where_networks_find_later_epochs_than_usual_only_what_is_left_is_fitted_more(
    tmp_path: Path, minutes: float, left: bool
) -> None:
    given, more, _ = planned(tmp_path, minutes, 60)
    first, again = seconds_done(given, 60), seconds_done(more, 60)
    assert first <= 1.5 * 60 * minutes
    assert (again > 0) == left
    assert not left or first + again <= 60 * minutes


def test_what_was_cut_or_left_out_is_fitted_larger_before_others_are_fitted_again(tmp_path: Path) -> None:
    given, more, heard = planned(tmp_path, 1.5, 8)
    assert given["tabm"]["k"] < tabm.Recipe().k
    assert more["tabm"]["k"] > given["tabm"]["k"]
    assert any("larger fits of tabm" in text for text in heard.infos)


class Toy:
    """A model whose recipe is the seconds that it takes, `least` at least."""

    def __init__(self, least: float) -> None:
        self.least = least

    def seconds(self, recipe: float, **_: int) -> float:
        return recipe

    def affordable(self, recipe: float, minutes: float, **_: int) -> float:
        return max(self.least, min(recipe, 60 * minutes))


def toy(seconds: float, least: float = 1.0) -> Work:
    return Work(Toy(least), seconds, {"n_fits": 4}, weight=1.0)


def test_a_larger_fit_finds_its_epoch_at_the_same_part_of_its_schedule() -> None:
    assert realmlp.Recipe().found_by(realmlp.Recipe(epochs=64), 30.0) == pytest.approx(120.0)
    assert tabm.Recipe(epochs=100).found_by(tabm.Recipe(epochs=50), 12.0) == pytest.approx(12.0)
    assert lightgbm.Recipe(lr=0.05).found_by(lightgbm.Recipe(lr=0.1), 200.0) == pytest.approx(400.0)


def test_of_what_is_left_a_larger_fit_takes_its_part_and_none_that_begins_far_above_it() -> None:
    others = {"again": Claim(1.0, 10.0, 100.0)}
    larger = plan._larger(300.0, {"cut": toy(600.0), "dear": toy(600.0, least=280.0)}, {"cut": toy(50.0)}, others)
    assert {name: work.seconds for name, work in larger.items()} == {"cut": pytest.approx(100.0)}


def test_a_fit_that_would_hardly_be_larger_is_not_made_again() -> None:
    assert not plan._larger(300.0, {"cut": toy(600.0)}, {"cut": toy(250.0)}, {})


def test_of_few_rows_a_booster_takes_the_time_of_all_looks() -> None:
    recipe = lightgbm.Recipe()
    assert recipe.pace(50, 1_000) == pytest.approx((4 * 250 + 50) / (4 * 700 + 500))
    assert recipe.pace(50, 10_000) == pytest.approx((250 + 50) / (700 + 500))


def test_what_a_linear_network_leaves_by_stopping_is_known() -> None:
    task = Task("regression", Metric.from_module(rmse))
    recipe = linear.settled(linear.Recipe(stop_on="inner"), task, 500)
    assert recipe.pace(recipe.epochs / 2, 500) < recipe.pace(recipe.epochs, 500)
