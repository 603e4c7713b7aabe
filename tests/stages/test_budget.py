"""Minutes become work units: less time never means more work, and what is cut is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import alternating

from pipeline.engine.stage import Job
from pipeline.files import read_json, write_folds, write_json
from pipeline.minutes import TUNING_SHARE, Work
from pipeline.models import autogluon, linear, mlp, realmlp, ridge, tabm
from pipeline.sharing import NEARLY
from pipeline.stages import budget

MODELS = {"linear": linear, "mlp": mlp, "tabm": tabm, "autogluon": autogluon}
TUNE = {"trials": 30, "wave": 10, "repeats": 1, "rungs": [], "reduction": 3}


def planned(
    folder: Path,
    minutes: float,
    n_rows: int,
    worths: Mapping[str, Path] = MappingProxyType({}),
    models: Collection[str] = tuple(MODELS),
    n_extra: int = 0,
    **config: Any,
) -> tuple[dict[str, dict], int, Heard]:
    """Return the recipes by model, the trials of the MLP and what was said, for a table of so many rows."""
    for name in ("preprocess", "split", "out"):
        (folder / name).mkdir(parents=True)
    pd.DataFrame(np.zeros((n_rows, 3)), columns=["a", "b", "c"]).to_parquet(folder / "preprocess/train.parquet")
    pd.DataFrame(np.zeros((9, 3)), columns=["a", "b", "c"]).to_parquet(folder / "preprocess/test.parquet")
    write_json(folder / "preprocess/task.json", {"kind": "regression", "classes": []})
    write_folds(folder / "split", alternating(n_rows, 5))
    sections = {
        name: {"kind": name, "recipe": module.Recipe().model_dump(mode="json"), "tuned": name == "mlp"}
        for name, module in MODELS.items()
        if name in models
    }
    plugins: dict[str, ModuleType] = {f"model:{name}": module for name, module in MODELS.items()}
    heard = Heard()
    inputs = {name: folder / name for name in ("preprocess", "split")}
    if n_extra:
        inputs["extra"] = folder
        pd.DataFrame({"a": np.zeros(n_extra)}).to_parquet(folder / "extra.parquet")
    config |= {"minutes": minutes, "repeats": 1, "tune": TUNE, "models": sections}
    budget.run(Job(config, inputs, worths, plugins, folder / "out", folder / "out", 0, heard))
    recipes = {name: read_json(folder / "out" / name / "recipe.json") for name in models}
    return recipes, read_json(folder / "out/mlp/trials.json") if "mlp" in models else 0, heard


def test_enough_time_leaves_every_recipe_as_it_is(tmp_path: Path) -> None:
    recipes, trials, heard = planned(tmp_path, 300.0, 1000)
    assert recipes == {name: module.Recipe().model_dump(mode="json") for name, module in MODELS.items()}
    assert trials == 30
    assert heard.warnings == []


@pytest.mark.parametrize("n_rows", [1000, 60_000])
def test_little_time_is_less_work_and_said(tmp_path: Path, n_rows: int) -> None:
    much, many, _ = planned(tmp_path / "much", 30.0, n_rows)
    little, few, heard = planned(tmp_path / "little", 0.5, n_rows)
    assert few < many
    assert any(text.startswith("autogluon: cut to fit into") for text in heard.warnings)
    assert sum(map(len, little["autogluon"]["models"].values())) < sum(map(len, much["autogluon"]["models"].values()))


def test_the_same_minutes_are_the_same_work(tmp_path: Path) -> None:
    assert planned(tmp_path / "a", 3.0, 5000)[:2] == planned(tmp_path / "b", 3.0, 5000)[:2]


def test_extra_rows_take_as_long_as_as_many_of_train(tmp_path: Path) -> None:
    recipes, trials, _ = planned(tmp_path / "a", 3.0, 5000, n_extra=15_000)
    assert (recipes, trials) == planned(tmp_path / "b", 3.0, 20_000)[:2]
    assert (recipes, trials) != planned(tmp_path / "c", 3.0, 5000)[:2]


def test_a_pace_is_as_much_work_as_so_many_times_the_minutes_and_told_in_those_of_the_clock(tmp_path: Path) -> None:
    recipes, trials, heard = planned(tmp_path / "a", 1.0, 5000, pace=3.0)
    assert (recipes, trials) == planned(tmp_path / "b", 3.0, 5000)[:2]
    cuts = [float(text.split("cut to fit into ")[1].split()[0]) for text in heard.warnings if "cut to fit" in text]
    assert 0 < sum(cuts) <= 1.0


def test_a_model_whose_least_takes_too_long_is_left_out_and_said(tmp_path: Path) -> None:
    recipes, _, heard = planned(tmp_path, 1.0, 60_000)
    assert recipes["tabm"] is None
    assert recipes["autogluon"] is not None
    assert any(text.startswith("tabm: left out, 1 minutes") for text in heard.warnings)


def test_a_model_whose_search_cannot_begin_is_left_out_like_any_other(tmp_path: Path) -> None:
    recipes, trials, heard = planned(tmp_path, 3.0, 1_000_000)
    assert recipes["mlp"] is None
    assert trials == 0
    assert recipes["autogluon"] is not None
    assert [text for text in heard.warnings if text.startswith("mlp")] == [
        "mlp: left out, 3 minutes are too short for it beside the others; more with --minutes"
    ]


def test_who_takes_longer_than_the_minutes_even_when_cut_is_told(tmp_path: Path) -> None:
    *_, heard = planned(tmp_path, 3.0, 1_000_000, models=["mlp"])
    assert heard.warnings[-1] == "mlp: the least takes about 12 minutes, not 3"


def test_what_takes_next_to_nothing_is_never_cut(tmp_path: Path) -> None:
    recipes, _, _ = planned(tmp_path, 3.0, 1000)
    assert recipes["linear"] == linear.Recipe().model_dump(mode="json")


def test_what_quick_models_leave_goes_to_the_others(tmp_path: Path) -> None:
    recipes, _, _ = planned(tmp_path, 7.0, 500)
    size = {"n_train": 500, "n_test": 9, "n_columns": 3, "n_outputs": 1, "n_fits": 5}
    seconds = {name: module.seconds(module.Recipe(**recipes[name]), **size) for name, module in MODELS.items()}
    part = 7 * 60 / (sum(module.SHARE for module in MODELS.values()) + TUNING_SHARE)
    assert seconds["linear"] < part * linear.SHARE
    assert seconds["tabm"] > part * tabm.SHARE
    assert sum(seconds.values()) < 7 * 60


@pytest.mark.parametrize("name", ["mlp", "tabm"])
def test_one_more_fit_on_all_rows_is_planned_for(name: str) -> None:
    size = {"n_train": 20_000, "n_test": 9, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
    once, again = (Work(MODELS[name], MODELS[name].Recipe(), size, weight=1.0, refits=refits) for refits in (0, 1))
    assert again.seconds == pytest.approx(once.seconds + again._seconds(1))
    half = again.seconds / 2
    cut = again.within(half)
    assert cut.seconds <= half
    assert replace(cut, refits=0).seconds < once.within(half).seconds <= half


def test_a_step_that_a_recipe_only_implied_leaves_no_empty_brackets() -> None:
    implied, cut = ({"models": {"LR": [config]}} for config in ({}, {"max_iter": 10}))
    recipes = [autogluon.Recipe.model_validate(models) for models in (implied, cut)]
    assert budget._cut(*recipes) == "models.LR[0].max_iter: unset → 10"


def test_a_family_with_settings_of_its_own_that_is_left_out_is_told() -> None:
    wanted = autogluon.Recipe.model_validate({"models": {"LR": [{}], "TABM": [{}], "XT": [{}]}})
    kept = autogluon.Recipe.model_validate({"models": {"LR": [{"max_iter": 10}], "XT": [{}]}})
    told = budget._cut(wanted, kept).split("; ")
    assert sorted(told) == ["models.LR[0].max_iter: unset → 10", "models.TABM[0]: unset → left out"]


def test_minutes_follow_what_models_were_worth_to_other_runs(tmp_path: Path) -> None:
    write_json(tmp_path / "worth.json", {"autogluon": 0.0, "mlp": 1.0})
    plain, _, _ = planned(tmp_path / "plain", 3.0, 20_000)
    learned, _, _ = planned(tmp_path / "learned", 3.0, 20_000, {"worth:0": tmp_path / "worth.json"})
    size = {"n_train": 20_000, "n_test": 9, "n_columns": 3, "n_outputs": 1, "n_fits": 5}
    mlps, gluons = (
        [MODELS[name].seconds(MODELS[name].Recipe(**recipes[name]), **size) for recipes in (plain, learned)]
        for name in ("mlp", "autogluon")
    )
    assert mlps[0] < mlps[1]
    assert gluons[0] > gluons[1] > 0


def test_half_of_the_minutes_go_by_what_models_were_worth(tmp_path: Path) -> None:
    write_json(tmp_path / "worth.json", {"a": 1.0, "b": 0.0})
    config = {"models": {name: {"kind": name} for name in "ab"}}
    plugins: Any = {f"model:{name}": SimpleNamespace(SHARE=0.5) for name in "ab"}
    for sources, weights in (({}, [0.5, 0.5]), ({"worth:0": tmp_path / "worth.json"}, [0.75, 0.25])):
        job = Job(config, {}, sources, plugins, tmp_path, tmp_path, 0, Heard())
        assert [*budget._weights(job).values()] == pytest.approx(weights)


def test_flags_and_levels_cost_less_than_numbers(tmp_path: Path) -> None:
    numbers = {f"n{place}": np.random.default_rng(place).normal(size=500) for place in range(4)}
    flags = {f"f{place}": np.arange(500) % 2 for place in range(80)}
    levels = {"level": pd.Categorical(np.array(list("abcd"))[np.arange(500) % 4])}
    pd.DataFrame(numbers | flags | levels).to_parquet(tmp_path / "train.parquet")
    assert budget._n_columns(tmp_path / "train.parquet") == 4 + 10  # and a quarter


def test_nested_fits_are_part_of_the_minutes(tmp_path: Path) -> None:
    """Ten pairs of five folds are fitted beside the five folds."""
    names = ["linear", "mlp", "tabm"]
    plain, _, _ = planned(tmp_path / "plain", 4.0, 20_000)
    nested, _, _ = planned(tmp_path / "nested", 4.0, 20_000, nested=names)
    size = {"n_train": 20_000, "n_test": 9, "n_columns": 3, "n_outputs": 1, "n_fits": 5}
    once, thrice = (mlp.seconds(mlp.Recipe(**recipes["mlp"]), **size) for recipes in (plain, nested))
    assert thrice < once
    assert 3 * thrice < 4 * 60
    _, many, _ = planned(tmp_path / "plain and long", 32.0, 20_000)
    _, few, _ = planned(tmp_path / "nested and long", 32.0, 20_000, nested=names)
    assert few < many


def seconds_of(folder: Path, models: dict[str, ModuleType], *, refit: bool = False, **config: Any) -> dict[str, float]:
    """Return what each model's work takes, of the table that `planned` left in `folder`."""
    config |= {"models": {name: {"kind": name, "recipe": {}, "refit": refit} for name in models}}
    inputs = {name: folder / name for name in ("preprocess", "split")}
    job = Job(config, inputs, {}, {f"model:{n}": m for n, m in models.items()}, folder, folder, 0, Heard())
    return {name: work.seconds for name, work in budget.works_of(job).items()}


def test_a_tenth_of_the_minutes_is_for_all_that_is_no_fit(tmp_path: Path) -> None:
    planned(tmp_path, 300.0, 1000)
    wanted = seconds_of(tmp_path, {"tabm": tabm})["tabm"] / 60 / NEARLY  # who nearly has enough is not cut
    for name, minutes in (("enough", 1.01 * wanted / 0.9), ("short", 0.99 * wanted / 0.9)):
        recipes, _, _ = planned(tmp_path / name, minutes, 1000, models=["tabm"])
        assert (recipes["tabm"] == tabm.Recipe().model_dump(mode="json")) == (name == "enough")


def test_of_several_targets_networks_learn_all_at_once_and_others_take_as_many_fits(tmp_path: Path) -> None:
    planned(tmp_path, 300.0, 1000)
    models = {"mlp": mlp, "ridge": ridge}
    one = seconds_of(tmp_path, models)
    task = {"kind": "regression", "classes": [], "targets": ["a", "b", "c"]}
    write_json(tmp_path / "preprocess/task.json", task)
    three = seconds_of(tmp_path, models)
    assert three["ridge"] == pytest.approx(3 * one["ridge"])
    assert one["mlp"] <= three["mlp"] < 1.1 * one["mlp"]


def test_only_models_that_label_for_themselves_are_fitted_twice_under_pseudo_labels(tmp_path: Path) -> None:
    planned(tmp_path, 300.0, 1000)
    models = {"mlp": mlp, "autogluon": autogluon}
    once = seconds_of(tmp_path, models)
    twice = seconds_of(tmp_path, models, pseudo={"confidence": 0.9, "weight": 1.0})
    assert {name: seconds / once[name] for name, seconds in twice.items()} == {"mlp": 2.0, "autogluon": 1.0}


@pytest.mark.parametrize("why", ["folds in time", "pseudo-labels"])
def test_networks_of_pairs_are_priced_as_what_they_are_where_folds_cannot_be_paired(tmp_path: Path, why: str) -> None:
    planned(tmp_path, 300.0, 1000)
    models, pseudo = {"realmlp": realmlp}, {"confidence": 0.9, "weight": 1.0}
    paired = seconds_of(tmp_path, models)["realmlp"]
    if why == "folds in time":
        write_folds(tmp_path / "split", alternating(1000, 5, kind="time"))
        found = seconds_of(tmp_path, models)["realmlp"]
    else:
        found = seconds_of(tmp_path, models, pseudo=pseudo)["realmlp"] / 2  # it is fitted twice
    size = {"n_train": 1000, "n_test": 9, "n_columns": 1, "n_outputs": 1, "n_fits": 5}
    assert found == pytest.approx(realmlp.seconds(realmlp.Recipe(stop_on="inner"), **size))
    assert found > 2 * paired


def test_networks_of_pairs_are_dearer_where_they_are_refitted_and_nested(tmp_path: Path) -> None:
    planned(tmp_path, 300.0, 1000)
    models, size = {"realmlp": realmlp}, {"n_train": 1000, "n_test": 9, "n_columns": 1, "n_outputs": 1}
    once = seconds_of(tmp_path, models)["realmlp"]
    inner = realmlp.Recipe(stop_on="inner")
    refit = seconds_of(tmp_path, models, refit=True)["realmlp"] - once
    assert refit == pytest.approx(realmlp.seconds(inner, n_fits=1, **size), rel=0.5)
    nested = seconds_of(tmp_path, models, nested=["realmlp"])["realmlp"] - once
    assert nested == pytest.approx(2 * realmlp.seconds(inner, n_fits=5, **size))
