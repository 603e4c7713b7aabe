"""AutoGluon on our folds: the same rows, the same bytes, nothing left behind. Tiny models: each fit takes seconds."""

from __future__ import annotations

import json
import logging
import random
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_autogluon import CHEAP, GBM, cross_fit, folds_of, frame, learnable, table_of

from pipeline.errors import ModelError
from pipeline.metrics import auc, log_loss, rmse, rmsle
from pipeline.models import _autogluon_cost as cost_module
from pipeline.models import _autogluon_fit as fit_module
from pipeline.models import _autogluon_kept as kept_module
from pipeline.models import autogluon
from pipeline.stages.train import save_fitted
from pipeline.types import STOP, TRAIN, UNUSED, VALID, CrossFit, Folds, Table

OTHERS = {"XGB": [{"n_estimators": 10}], "XT": [{"n_estimators": 10}], "LR": [{}], "NN_TORCH": [{"num_epochs": 2}]}


@cache
def repeated() -> tuple[Table, Folds, Heard, dict[str, CrossFit]]:
    """Three families under RMSLE on two repeats of the folds."""
    table, folds, log = table_of(learnable(150), rmsle), folds_of(np.arange(150), repeats=2), Heard()
    return table, folds, log, cross_fit(table, folds, CHEAP, log)


def test_repeats_rmsle_and_every_family_in_its_place() -> None:
    table, folds, log, entries = repeated()
    target = table.target
    assert set(entries) == {"ag", "ag/LightGBM", "ag/RandomForest", "ag/CatBoost"}
    assert [name for name, entry in entries.items() if entry.reference] == ["ag"]
    assert {entry.stop_on for entry in entries.values()} == {"fold"}
    forest = entries["ag/RandomForest"]
    assert forest.oof.shape == (2, 150, 1)
    assert np.isfinite(forest.oof).all()
    assert (forest.oof[0] != forest.oof[1]).any()
    assert np.corrcoef(np.log(forest.oof[0, :, 0]), np.log(target))[0, 1] > 0.9
    rows = folds.valid_rows(1, 2)
    assert forest.fold_errors[1, 2] == pytest.approx(table.task.metric.error(target[rows], forest.oof[1, rows]))
    assert log.notes.count("LightGBM_BAG_L1") == 2
    assert not log.warnings


def test_out_of_fold_rows_are_those_that_a_model_fitted_by_hand_predicts() -> None:
    """A mean-predicting model knows only its training rows: its predictions say which those were."""
    target = np.random.default_rng(0).normal(size=90)
    folds = folds_of(np.repeat(np.arange(30), 3))
    models = {"GBM": [{"num_boost_round": 1, "num_leaves": 2, "min_data_in_leaf": 1000}]}
    oof = cross_fit(table_of(target, rmse), folds, models)["ag/LightGBM"].oof[0, :, 0]
    for repeat, fold in folds:
        mean = target[folds.train_rows(repeat, fold)].mean()
        np.testing.assert_allclose(oof[folds.valid_rows(repeat, fold)], mean, rtol=1e-4)


@pytest.mark.parametrize("smallest", [1, 5])
def test_rare_classes_keep_every_row_in_its_place(smallest: int) -> None:
    rng = np.random.default_rng(0)
    target = np.r_[np.full(smallest, 2), rng.integers(2, size=120 - smallest)]
    table, folds = table_of(target, log_loss, n_classes=3), folds_of(rng.permutation(120))
    entries = cross_fit(table, folds, CHEAP)
    assert len(entries) == 4
    for entry in entries.values():
        assert entry.oof.shape == (1, 120, 3)
        assert np.isfinite(entry.oof).all()
        np.testing.assert_allclose(entry.oof.sum(axis=2), 1.0, rtol=1e-5)
        assert entry.test.shape == (40, 3)


def test_rows_that_no_fold_validates_stay_empty() -> None:
    """Forward chaining: the first block is never validated, later ones are unused by earlier folds."""
    role = np.full((1, 2, 90), UNUSED, dtype=np.int8)
    for fold, start in enumerate((30, 60)):
        role[0, fold, :start] = TRAIN
        role[0, fold, :start:9] = STOP
        role[0, fold, start : start + 30] = VALID
    table = table_of((learnable(90) > 150).astype(np.int64), auc, n_classes=2)
    for entry in cross_fit(table, Folds(role), GBM).values():
        assert np.isnan(entry.oof[0, :30]).all()
        assert np.isfinite(entry.oof[0, 30:]).all()
        assert np.isfinite(entry.test).all()


def test_the_same_bytes_come_out_again_and_the_process_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import logging

    import torch

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    table, folds = table_of(learnable(120), rmsle), folds_of(np.arange(120))
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_num_threads()
    level = logging.getLogger("autogluon").level
    first = cross_fit(table, folds, CHEAP)
    assert random.getstate() == before[0]
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.get_num_threads() == before[2]
    assert logging.getLogger("autogluon").level == level
    assert not list(tmp_path.iterdir())
    random.seed(1)
    np.random.seed(1)
    second = cross_fit(table, folds, CHEAP)
    for name, entry in first.items():
        assert entry.oof.tobytes() == second[name].oof.tobytes(), name
        assert entry.test.tobytes() == second[name].test.tobytes(), name


@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_the_trainer_of_realmlp_says_nothing_of_devices_and_products(
    package: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(f"{package}.utilities.rank_zero")
    with caplog.at_level(logging.INFO, logger=logger.name):
        with kept_module.quiet():
            logger.info("GPU available: False, used: False")
            logger.warning("a loss is NaN")
        logger.info("a run of one's own")
    assert [record.message for record in caplog.records] == ["a loss is NaN", "a run of one's own"]


def test_a_child_that_did_not_train_on_our_fold_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table, folds = table_of(learnable(90), rmse), folds_of(np.arange(90))
    collect = fit_module._collect

    def with_two_exchanged(predictor: Any, form: Any, rows: Any, table: Table, splits: list[Any]) -> Any:
        return collect(predictor, form, rows, table, splits[:1] + splits[:0:-1])

    monkeypatch.setattr(fit_module, "_collect", with_two_exchanged)
    with pytest.raises(ModelError, match="was not fitted on our folds"):
        cross_fit(table, folds, GBM)


def test_a_model_that_fails_is_left_out_with_a_warning() -> None:
    log = Heard()
    models = GBM | {"CAT": [{"iterations": 10, "depth": 99}]}
    entries = cross_fit(table_of(learnable(60), rmse), folds_of(np.arange(60)), models, log)
    assert "ag/LightGBM" in entries
    assert "ag/CatBoost" not in entries
    assert "could not fit CatBoost" in log.warnings[0]
    assert entries["ag"].findings == tuple(log.warnings)


def test_columns_may_have_any_name_and_come_back_in_any_order(tmp_path: Path) -> None:
    table = table_of(learnable(90), rmse)
    names = {"first": "[a]", "second": "a < b", "target": "{c: 1}"}
    table = replace(table, train=table.train.rename(columns=names), test=table.test.rename(columns=names))
    entries = cross_fit(table, folds_of(np.arange(90)), {"XGB": [{"n_estimators": 10}]})
    save_fitted(entries, tmp_path)
    backwards = table.test.assign(unknown=1.0).iloc[:, ::-1]
    np.testing.assert_array_equal(kept(tmp_path, "ag/XGBoost", backwards), entries["ag/XGBoost"].test)


def test_when_time_is_up_the_models_that_are_left_are_skipped_and_named() -> None:
    table, folds = table_of(learnable(120), rmse), folds_of(np.arange(120), repeats=2)
    entries = cross_fit(table, folds, CHEAP, Heard(patience=0))
    assert set(entries) == {"ag", "ag/LightGBM"}
    assert entries["ag"].truncated == "without CatBoost, RandomForest"
    assert np.isfinite(entries["ag/LightGBM"].oof).all()


def test_where_all_models_fail_the_message_says_so() -> None:
    with pytest.raises(ModelError, match="none of its models"):
        cross_fit(table_of(learnable(60), rmse), folds_of(np.arange(60)), {"CAT": [{"depth": 99}]})


def kept(folder: Path, name: str, rows: pd.DataFrame) -> np.ndarray:
    """Predict rows as the entry called `name` does, from what was kept of its repeats."""
    return np.mean(
        [autogluon.load(fit, *name.split("/")[1:]).predict(rows) for fit in sorted(folder.iterdir())], axis=0
    )


def test_repeats_are_kept_apart_and_predict_the_same_bits_wherever_they_lie(tmp_path: Path) -> None:
    table, _, _, entries = repeated()
    save_fitted(entries, tmp_path / "made here")
    (tmp_path / "made here").rename(tmp_path / "moved")
    assert [path.name for path in sorted((tmp_path / "moved").iterdir())] == ["0", "1"]
    for name, entry in entries.items():
        assert kept(tmp_path / "moved", name, table.test).tobytes() == entry.test.tobytes(), name


def test_the_other_families_predict_the_same_bits_from_what_was_kept(tmp_path: Path) -> None:
    table = table_of(learnable(60), rmse)
    entries = cross_fit(table, folds_of(np.arange(60), n_folds=2), OTHERS)
    assert len(entries) == 5
    save_fitted(entries, tmp_path)
    for name, entry in entries.items():
        assert kept(tmp_path, name, table.test).tobytes() == entry.test.tobytes(), name


def test_probabilities_come_back_in_the_order_of_the_classes(tmp_path: Path) -> None:
    """Class 1 is never seen in train, so that AutoGluon knows only two of the three."""
    target = np.where(learnable(90) > 150, 2, 0)
    table = table_of(target, log_loss, n_classes=3)
    entries = cross_fit(table, folds_of(np.arange(90)), GBM)
    save_fitted(entries, tmp_path)
    found = kept(tmp_path, "ag/LightGBM", table.test)
    assert found.tobytes() == entries["ag/LightGBM"].test.tobytes()
    assert (found[:, 1] == 0).all()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one small predictor, LightGBM and AutoGluon's ensemble of it."""
    entries = cross_fit(table_of(learnable(60), rmse), folds_of(np.arange(60)), GBM)
    save_fitted(entries, folder := tmp_path_factory.mktemp("fitted"))
    return folder / "0"


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copied")


def test_what_was_loaded_needs_its_folder_no_more_and_can_be_saved_again(copied: Path, tmp_path: Path) -> None:
    fit = autogluon.load(copied, "LightGBM")
    shutil.rmtree(copied)
    (tmp_path / "again").mkdir()
    fit.save(tmp_path / "again")
    again = autogluon.load(tmp_path / "again", "LightGBM")
    assert fit.predict(frame(7, 2)).tobytes() == again.predict(frame(7, 2)).tobytes()


def test_neither_training_rows_nor_their_predictions_are_kept(saved: Path) -> None:
    with ZipFile(saved / "predictor.pack") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"model.pkl", "predictor.pkl"} <= names
    assert not names & {"X.pkl", "y.pkl", "oof.pkl", "model_template.pkl"}


def test_a_thinned_predictor_predicts_as_before_with_the_models_that_are_left(saved: Path, copied: Path) -> None:
    autogluon.thin(copied, ["LightGBM"])
    before, after = (autogluon.load(folder, "LightGBM").predict(frame(7, 2)) for folder in (saved, copied))
    assert before.tobytes() == after.tobytes()
    assert (copied / "predictor.pack").stat().st_size < (saved / "predictor.pack").stat().st_size
    assert sorted(path.name for path in copied.iterdir()) == ["predictor.json", "predictor.pack"]
    with pytest.raises(ModelError, match="no model ''"):
        autogluon.load(copied)


def flip(folder: Path) -> None:
    content = bytearray((folder / "predictor.pack").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "predictor.pack").write_bytes(bytes(content))


def from_an_older_version(folder: Path) -> None:
    mark = json.loads((folder / "predictor.json").read_text())
    mark["needs"]["autogluon.tabular"] = "1.4.0"
    (folder / "predictor.json").write_text(json.dumps(mark))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (flip, "sha256 differs"),
        (lambda folder: (folder / "predictor.pack").unlink(), r"predictor\.pack cannot be opened"),
        (lambda folder: (folder / "predictor.json").unlink(), r"predictor\.json cannot be read"),
        (lambda folder: (folder / "predictor.json").write_text("{"), r"predictor\.json cannot be read"),
        (from_an_older_version, r"pickled with autogluon\.tabular 1\.4\.0"),
    ],
)
def test_what_is_not_what_was_saved_is_refused_unopened(
    copied: Path, harm: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_module, "TabularPredictor", None)
    harm(copied)
    with pytest.raises(ModelError, match=message):
        autogluon.load(copied)


def test_an_unknown_model_is_named_beside_those_that_are_there(saved: Path) -> None:
    with pytest.raises(ModelError, match="no model 'LightGMB'") as caught:
        autogluon.load(saved, "LightGMB")
    assert "did you mean 'LightGBM'?" in caught.value.hint


def affordable(minutes: float, **size: int) -> autogluon.Recipe:
    house = {"n_train": 1460, "n_test": 1459, "n_columns": 79, "n_outputs": 1, "n_fits": 5}
    return autogluon.affordable(autogluon.Recipe(), minutes, **(house | size))


def work(recipe: autogluon.Recipe) -> int:
    return sum(len(configs) for configs in recipe.models.values())


def test_a_house_sized_table_gets_everything_in_five_minutes() -> None:
    assert affordable(5.0) == autogluon.Recipe()


def test_less_time_or_more_rows_never_mean_more_work_and_something_is_always_left() -> None:
    amounts = [work(affordable(minutes)) for minutes in (100.0, 5.0, 1.0, 0.2, 0.01)]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[-1] == 1
    assert work(affordable(5.0, n_train=90_000)) < work(affordable(5.0))
    assert work(affordable(5.0, n_train=62_000, n_columns=93, n_outputs=9)) >= 1


def test_what_is_kept_is_a_valid_recipe_with_its_rounds_cut_not_raised() -> None:
    for minutes in (0.05, 0.5, 2.0):
        for family, configs in affordable(minutes).models.items():
            for config, whole in zip(configs, autogluon.DEFAULT[family], strict=False):
                assert config.keys() == whole.keys()
                assert all(
                    config[k] <= whole[k] for k in ("n_estimators", "num_boost_round", "iterations") if k in whole
                )


def test_the_cost_formula_knows_when_a_second_thread_is_used() -> None:
    assert cost_module.LARGE == 2 * fit_module.CELLS_A_THREAD


def test_tabm_is_fitted_on_our_folds_as_many_epochs_as_asked_for() -> None:
    models = {"TABM": [{"n_epochs": 2, "tabm_k": 4, "d_block": 16}]}
    table, folds = table_of(learnable(60), rmse), folds_of(np.arange(60), n_folds=2)
    first, again = (cross_fit(table, folds, models)["ag/TabM"] for _ in range(2))
    assert np.isfinite(first.oof).all()
    assert first.oof.tobytes() == again.oof.tobytes()


def test_few_minutes_are_few_epochs_of_a_network_or_none_of_it() -> None:
    size = {"n_train": 1460, "n_test": 1459, "n_columns": 79, "n_outputs": 1, "n_fits": 5}
    recipe = autogluon.Recipe.model_validate({"models": {"LR": [{}], "TABM": [{}], "REALMLP": [{}]}})
    many, some, few = (autogluon.affordable(recipe, minutes, **size).models for minutes in (600.0, 15.0, 0.5))
    assert many == recipe.models
    assert some["TABM"][0]["n_epochs"] < 50
    assert few.keys() == {"LR"}


def test_a_misspelled_family_is_refused() -> None:
    with pytest.raises(ValueError, match="LGBM"):
        autogluon.Recipe.model_validate({"models": {"LGBM": [{}]}})
