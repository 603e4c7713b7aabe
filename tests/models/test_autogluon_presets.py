"""AutoGluon's presets, limits and stacking on our folds: taken as asked for, and what is not taken is said."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from autogluon.tabular import TabularPredictor
from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config
from autogluon.tabular.configs.presets_configs import tabular_presets_alias, tabular_presets_dict
from autogluon.tabular.trainer.model_presets.presets import get_preset_models
from heard import Heard
from small_autogluon import GBM, folds_of, learnable, table_of

from pipeline.errors import ModelError
from pipeline.metrics import rmse
from pipeline.models import _autogluon_presets as presets
from pipeline.models import _autogluon_words as words
from pipeline.models import autogluon
from pipeline.stages.train import save_fitted
from pipeline.types import STOP, TRAIN, UNUSED, VALID, CrossFit, Folds

MEAN: dict[str, Any] = {"GBM": [{"num_boost_round": 1, "num_leaves": 2, "min_data_in_leaf": 1000}]}
HOUSE = {"n_train": 1460, "n_test": 1459, "n_columns": 79, "n_outputs": 1, "n_fits": 5}


def recipe(**given: Any) -> autogluon.Recipe:
    return autogluon.Recipe.model_validate(given)


def fit(wanted: autogluon.Recipe, folds: Folds, log: Heard | None = None) -> dict[str, CrossFit]:
    table = table_of(learnable(folds.role.shape[2]), rmse)
    return autogluon.cross_fit({"ag": wanted}, table, folds, seed=3, log=log or Heard())


def test_every_preset_that_autogluon_has_is_known_and_every_name_known_is_its_own() -> None:
    assert set(tabular_presets_dict) | set(tabular_presets_alias) == words.PRESETS | words._REFUSED.keys()
    assert not words.PRESETS & words._REFUSED.keys()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"preset": "bets_quality"}, "AutoGluon has no preset 'bets_quality', did you mean 'best_quality'?"),
        ({"preset": "interpretable"}, "AutoGluon's preset 'interpretable' needs another encoder and the package"),
        ({"models": {}}, "expected at least one, or a preset"),
        ({"n_models": 3}, "n_models counts the models of a preset"),
        ({"time_limit": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        recipe(**given)


def test_a_recipe_survives_being_written() -> None:
    for given in ({"preset": "best_quality"}, {"preset": "best_quality", "models": GBM}, {}):
        assert recipe(**recipe(**given).model_dump(mode="json")) == recipe(**given)
    assert recipe(preset="best_quality").models == {}
    assert recipe().models == autogluon.DEFAULT


@pytest.mark.parametrize("kind", ["regression", "binary"])
@pytest.mark.parametrize("name", ["best_quality", "best_quality_v150", "medium_quality", "extreme_quality"])
def test_models_are_fitted_in_autogluons_own_order(name: str, kind: Any) -> None:
    """AutoGluon names the models of its portfolio, and of ours, which says the order in another way."""

    def named(models: Any) -> list[str]:
        how: dict[str, Any] = {"problem_type": kind, "eval_metric": None, "excluded_model_types": ["FASTAI"]}
        return [model.name for model in get_preset_models(path="", hyperparameters=models, **how)[0]]

    own = get_hyperparameter_config(tabular_presets_dict[name].get("hyperparameters", "default"))
    ours = presets.portfolio(name, kind)
    assert named(presets._by_family(ours)) == named(own)
    assert named(presets._by_family(ours[:2])) == named(own)[:2]


def test_minutes_are_so_many_models_of_a_preset_whatever_the_clock_says() -> None:
    wanted = recipe(preset="best_quality")
    plans = [autogluon.affordable(wanted, minutes, **HOUSE) for minutes in (0.01, 5.0, 20.0, 10_000.0)]
    counts = [plan.n_models for plan in plans]
    assert counts[0] == 1
    assert counts[1] < counts[2]
    assert plans[3] == wanted
    few = recipe(preset="best_quality", n_models=2)
    assert autogluon.affordable(few, 10_000.0, **HOUSE) == few
    stacked = autogluon.affordable(recipe(preset="best_quality", stack_levels=1), 20.0, **HOUSE)
    assert stacked.n_models < counts[2]


def test_a_time_limit_is_cut_to_the_minutes_that_there_are() -> None:
    wanted = recipe(preset="best_quality", time_limit=3600)
    assert autogluon.affordable(wanted, 2.0, **HOUSE) == recipe(preset="best_quality", time_limit=120)
    assert autogluon.affordable(wanted, 100.0, **HOUSE) == wanted


def test_a_time_limit_has_a_least_so_that_it_can_be_left_out() -> None:
    least = autogluon.affordable(recipe(time_limit=3600), 0.0, **HOUSE)
    assert autogluon.seconds(least, **HOUSE) == least.time_limit == autogluon.LEAST_LIMIT
    short = recipe(time_limit=5)
    assert autogluon.affordable(short, 0.0, **HOUSE) == short


class Told(Heard):
    """Remembers what it is informed of, too."""

    def info(self, text: str) -> None:
        self.notes.append(text)


def test_models_of_a_preset_become_entries_and_what_is_not_taken_is_said() -> None:
    log, folds = Told(), folds_of(np.arange(60), n_folds=2)
    entries = fit(recipe(preset="high", n_models=1), folds, log)
    assert [name for name, entry in entries.items() if not entry.reference] == ["ag/LightGBMXT"]
    assert entries["ag"].truncated == ""
    said = next(note for note in log.notes if "preset" in note)
    assert said.startswith("AutoGluon's preset high: 1 models on our 2 folds, 1 times; not taken from it: auto_stack")
    assert {"refit_full", "time_limit"} <= set(re.findall(r"(\w+) = ", said))


def test_what_is_stacked_learns_on_our_folds_and_is_never_blended(tmp_path: Path) -> None:
    """A mean-predicting model knows only its training rows: its predictions say which those were."""
    folds = folds_of(np.repeat(np.arange(30), 3))
    target = table_of(learnable(90), rmse).target
    entries = fit(recipe(models=MEAN, stack_levels=1), folds)
    assert {name: entry.reference for name, entry in entries.items()} == {
        "ag": True,
        "ag/LightGBM": False,
        "ag/LightGBM_L2": True,
    }
    for repeat, fold in folds:
        found = entries["ag/LightGBM_L2"].oof[repeat, folds.valid_rows(repeat, fold), 0]
        np.testing.assert_allclose(found, target[folds.train_rows(repeat, fold)].mean(), rtol=1e-4)
    save_fitted(entries, tmp_path)
    rows = table_of(learnable(90), rmse).test
    for name, entry in entries.items():
        assert autogluon.load(tmp_path / "0", *name.split("/")[1:]).predict(rows).tobytes() == entry.test.tobytes()


def test_nothing_is_stacked_where_rows_have_no_out_of_fold_predictions() -> None:
    role = np.full((1, 1, 90), TRAIN, dtype=np.int8)
    role[0, 0, :60:9], role[0, 0, 60:80], role[0, 0, 80:] = STOP, VALID, UNUSED
    with pytest.raises(ModelError, match="70 train rows have none, because no fold validates them"):
        fit(recipe(models=MEAN, stack_levels=1), Folds(role))


class AskedError(Exception):
    """Raised in the place of a fit."""


def test_limits_are_passed_on_and_forgotten_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: TabularPredictor, frame: Any, **settings: Any) -> None:  # noqa: ARG001
        os.environ["AG_MEMORY_LIMIT_IN_GB"] = "7"  # as AutoGluon does
        assert settings["time_limit"] == 30
        assert settings["memory_limit"] == 7
        assert "ag_args_fit" not in settings
        raise AskedError

    monkeypatch.setattr(TabularPredictor, "fit", asked)
    monkeypatch.delenv("AG_MEMORY_LIMIT_IN_GB", raising=False)
    with pytest.raises(AskedError):
        fit(recipe(models=GBM, time_limit=60, memory_limit=7), folds_of(np.arange(60), repeats=2))
    assert "AG_MEMORY_LIMIT_IN_GB" not in os.environ


def test_a_result_that_hung_on_autogluons_limits_says_so() -> None:
    entries = fit(recipe(models=GBM, time_limit=600, memory_limit=64), folds_of(np.arange(60)))
    assert entries["ag"].truncated == (
        "1 of 1 models within AutoGluon's own limits (time_limit, memory_limit), so that another run may fit others"
    )


def test_a_memory_limit_that_the_process_exceeds_already_is_refused() -> None:
    with pytest.raises(ModelError, match=r"memory_limit = 0\.001 GB, and this process holds \d"):
        fit(recipe(models=GBM, memory_limit=0.001), folds_of(np.arange(60)))
