"""H2O's AutoML on the folds of one repeat, with its out-of-fold predictions asked again of its fold models."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd

from pipeline.errors import ModelError
from pipeline.models._h2o_server import server
from pipeline.types import Folds, Table

LABEL, FOLD = "target", "fold"
METRICS = {"rmse": "RMSE", "rmsle": "RMSE", "mse": "MSE", "mae": "MAE", "log_loss": "logloss", "auc": "AUC"}
"""Our metrics that H2O stops by; by others it stops as it likes (deviance, logloss)."""

MAX_THREADS = 8
TOLERANCE = 1e-5
MADE = re.compile(r"_AutoML_\d+_\d+_\d+")
"""What H2O adds to a model's name: the number of the AutoML, and the time."""


@dataclass(frozen=True)
class Fit:
    """What one model predicted: oof (n_train, n_outputs), test (n_test, n_outputs), the mean over its fold models."""

    oof: np.ndarray
    test: np.ndarray
    seconds: float


def fit_repeat(table: Table, folds: Folds, repeat: int, recipe: Any, seed: int) -> dict[str, Fit]:
    """Return what every model of an AutoML predicted, by its name without the time of its making."""
    fold, began = _fold_of(folds, repeat), time.perf_counter()
    with server(recipe.memory, min(joblib.cpu_count(), MAX_THREADS)) as h2o:
        train = _features(table.train).assign(**{LABEL: _labels(table), FOLD: [f"f{number:02d}" for number in fold]})
        auto = h2o.automl.H2OAutoML(
            max_models=recipe.n_models,
            max_runtime_secs=0,
            include_algos=list(recipe.algorithms),
            seed=seed,
            stopping_metric=METRICS.get(table.task.metric.name, "AUTO"),
            keep_cross_validation_predictions=True,
            keep_cross_validation_models=True,
            verbosity=None,
        )
        columns = [name for name in train if name not in (LABEL, FOLD)]
        auto.train(x=columns, y=LABEL, fold_column=FOLD, training_frame=_sent(h2o, train))
        names = [row[0] for row in auto.leaderboard["model_id"].as_data_frame().to_numpy()]
        parts = [train.iloc[folds.valid_rows(repeat, number)][columns] for number in range(folds.n_folds)]
        asked = [_sent(h2o, pd.concat([part, _features(table.test)])) for part in parts]
        found = {MADE.sub("", name): _answers(h2o.get_model(name), asked, table, folds, repeat) for name in names}
    seconds = (time.perf_counter() - began) / max(len(found), 1)
    return {name: Fit(oof, test, seconds) for name, (oof, test) in sorted(found.items())}


def _fold_of(folds: Folds, repeat: int) -> np.ndarray:
    """Return the fold (n,) that validates each row; rows that none does are a fold more, whose answers are not read."""
    role = np.full(folds.role.shape[2], folds.n_folds)
    for number in range(folds.n_folds):
        valid = folds.valid_rows(repeat, number)
        if len(valid) + len(folds.train_rows(repeat, number)) < len(role):
            raise ModelError(
                f"fold {number} leaves rows unused, and H2O's folds train on all rows that they do not validate",
                hint="a split that is not by time; or leave the model out",
            )
        role[valid] = number
    return role


def _features(rows: pd.DataFrame) -> pd.DataFrame:
    """Return columns c0, c1, ...: numbers, and levels by their codes, so that no word is taken for anything else."""
    columns = {}
    for place, name in enumerate(rows):
        values = rows[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.cat.codes.map(lambda code: f"l{code}" if code >= 0 else None)
        columns[f"c{place}"] = values.to_numpy()
    return pd.DataFrame(columns)


def _labels(table: Table) -> Any:
    if table.task.classes:
        return [f"k{code:04d}" for code in table.target]
    return np.log1p(table.target) if table.task.metric.name == "rmsle" else table.target


def _sent(h2o: Any, rows: pd.DataFrame) -> Any:
    """Send rows to the server, which is told the type of every column."""
    types = {name: "real" if rows[name].dtype == np.float64 else "enum" for name in rows}
    return h2o.H2OFrame(rows.reset_index(drop=True), column_types=types)


def _answers(model: Any, asked: list[Any], table: Table, folds: Folds, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a model's out-of-fold and test predictions; asked: by fold the rows that it validates, then those of test.

    Raises ModelError where a fold's own model says anything else of its rows than H2O says that it did.
    """
    said = _outputs(model.cross_validation_holdout_predictions(), table)
    oof, tests = np.full_like(said, np.nan), []
    for number, own in enumerate(model.cross_validation_models()[: folds.n_folds]):
        rows, found = folds.valid_rows(repeat, number), _outputs(own.predict(asked[number]), table)
        if not np.allclose(found[: len(rows)], said[rows], rtol=TOLERANCE, atol=TOLERANCE):
            raise ModelError(f"H2O's {model.model_id} was not fitted on our folds: fold {number} predicts other values")
        oof[rows] = said[rows]
        tests.append(found[len(rows) :])
    return oof, np.mean(tests, axis=0)


def _outputs(answers: Any, table: Table) -> np.ndarray:
    """Return float64 (n, n_outputs) of H2O's frame; 0 for a class that no row has."""
    found = answers.as_data_frame()
    if not table.task.classes:
        values = found[["predict"]].to_numpy(float)
        return np.expm1(values) if table.task.metric.name == "rmsle" else values
    names = [f"k{code:04d}" for code in range(len(table.task.classes))]
    return found.reindex(columns=names, fill_value=0.0).to_numpy(float)
