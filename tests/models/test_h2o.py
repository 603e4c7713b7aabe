"""H2O's AutoML: what it needs is said, its rows are checked, its server is gone with us. Most of it without Java."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_autogluon import folds_of, frame, learnable, table_of

from pipeline.errors import ModelError
from pipeline.metrics import log_loss, rmsle
from pipeline.models import _h2o_fit as fit_module
from pipeline.models import _h2o_server as server_module
from pipeline.models import h2o
from pipeline.types import STOP, TRAIN, UNUSED, VALID, Folds


@dataclass
class Frame:
    """Stands for a frame on the server."""

    rows: pd.DataFrame

    def as_data_frame(self) -> pd.DataFrame:
        return self.rows


@dataclass
class FoldModel:
    """Predicts the numbers that it was given rows of."""

    def predict(self, asked: np.ndarray) -> Frame:
        return Frame(pd.DataFrame({"predict": asked}))


@dataclass
class Model:
    """Stands for a model whose fold models predict the logarithm of the target."""

    held: np.ndarray
    model_id: str = "GBM_1"

    def cross_validation_holdout_predictions(self) -> Frame:
        return Frame(pd.DataFrame({"predict": self.held}))

    def cross_validation_models(self) -> list[FoldModel]:
        return [FoldModel()] * 3


def fit(folds: Folds) -> None:
    table = table_of(learnable(folds.role.shape[2]), rmsle)
    h2o.cross_fit({"h2o": h2o.Recipe()}, table, folds, seed=0, log=Heard())


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2o", None)
    with pytest.raises(ModelError, match="need the package h2o") as caught:
        h2o.cross_fit(
            {"h2o": h2o.Recipe()}, table_of(learnable(60), rmsle), folds_of(np.arange(60)), seed=0, log=Heard()
        )
    assert "[h2o]" in caught.value.hint


def test_without_java_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h2o", type(sys)("h2o"))
    monkeypatch.setattr(server_module.shutil, "which", lambda _: None)
    with pytest.raises(ModelError, match="there is no `java` here"):
        h2o.cross_fit(
            {"h2o": h2o.Recipe()}, table_of(learnable(60), rmsle), folds_of(np.arange(60)), seed=0, log=Heard()
        )


def test_folds_that_leave_rows_unused_are_refused_before_anything_starts() -> None:
    role = np.full((1, 2, 90), UNUSED, dtype=np.int8)
    for fold, start in enumerate((30, 60)):
        role[0, fold, :start], role[0, fold, :start:9], role[0, fold, start : start + 30] = TRAIN, STOP, VALID
    with pytest.raises(ModelError, match="fold 0 leaves rows unused"):
        fit(Folds(role))


def test_rows_that_no_fold_validates_are_a_fold_more() -> None:
    role = folds_of(np.arange(60)).role.copy()
    left = np.flatnonzero(role[0, 1] == VALID)[1:]
    role[0, 1, left] = TRAIN
    found = fit_module._fold_of(Folds(role), 0)
    assert (found[left] == 3).all()
    assert np.bincount(found).tolist() == [20, 1, 20, 19]


def test_rows_are_sent_as_numbers_and_codes() -> None:
    rows = frame(50, 0).assign(level=lambda given: given["level"].where(given.index > 0))
    sent = fit_module._features(rows)
    assert list(sent) == ["c0", "c1", "c2", "c3"]
    np.testing.assert_array_equal(sent["c0"], rows["first"])
    assert sent["c3"][0] is None
    assert set(sent["c3"][1:]) == {"l0", "l1", "l2"}


def test_a_class_that_h2o_has_never_seen_is_improbable() -> None:
    table = table_of(np.where(learnable(60) > 150, 2, 0), log_loss, n_classes=3)
    answers = Frame(pd.DataFrame({"predict": ["k0002"], "k0002": [0.75], "k0000": [0.25]}))
    np.testing.assert_array_equal(fit_module._outputs(answers, table), [[0.25, 0.0, 0.75]])


@pytest.mark.parametrize("shift", [0, 1])
def test_what_the_fold_models_say_is_compared_with_what_h2o_says_of_them(shift: int) -> None:
    table, folds = table_of(learnable(60), rmsle), folds_of(np.arange(60))
    logs, test = np.log1p(table.target), np.arange(40) / 10
    asked = [np.concatenate([logs[folds.valid_rows(0, fold)], test]) for fold in range(3)]
    model = Model(np.roll(logs, shift))
    if shift:
        with pytest.raises(ModelError, match="GBM_1 was not fitted on our folds: fold 0"):
            fit_module._answers(model, asked, table, folds, 0)
        return
    oof, means = fit_module._answers(model, asked, table, folds, 0)
    np.testing.assert_allclose(oof[:, 0], table.target)
    np.testing.assert_allclose(means[:, 0], np.expm1(test))


def test_less_time_is_fewer_models() -> None:
    size = {"n_train": 1460, "n_test": 1459, "n_columns": 79, "n_outputs": 1, "n_fits": 5}
    counts = [h2o.affordable(h2o.Recipe(), minutes, **size).n_models for minutes in (0.01, 1.0, 100.0)]
    assert counts[0] == 1
    assert counts == sorted(counts)
    assert counts[2] == h2o.Recipe().n_models


@pytest.mark.slow
def test_the_server_is_gone_with_a_process_that_is_killed() -> None:
    pytest.importorskip("h2o")
    if shutil.which("java") is None:
        pytest.skip("there is no java here")
    code = (
        "import os, signal\nfrom pipeline.models._h2o_server import server\n"
        "with server(1.0, 1) as h2o:\n    print(h2o.connection().base_url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    port = done.stdout.strip().rpartition(":")[2]
    assert port.isdigit(), done.stderr
    for _ in range(100):
        left = subprocess.run(["pgrep", "-f", f"port-{port}"], capture_output=True, text=True).stdout
        if not left:
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail(f"still there: {left}")
