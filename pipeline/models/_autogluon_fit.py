"""One AutoGluon predictor on the folds of one repeat, with its predictions checked row by row."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from autogluon.core.callbacks import AbstractCallback
from autogluon.tabular import TabularPredictor

from pipeline.errors import ModelError
from pipeline.models._autogluon_forest import OrderedExtraTrees, OrderedForest
from pipeline.models._autogluon_kept import Form, PredictorFit, keep, quiet
from pipeline.types import Folds, Log, Progress, Table

Split = tuple[np.ndarray, np.ndarray]

BAG = "_BAG_L1"
LABEL = "target"
CHECKED_ROWS = 1000
AGREEING = 0.9
"""Share of predictions that must be repeated: nearest neighbours at equal distance depend on the batch."""

MAX_THREADS = 8
CELLS_A_THREAD = 500_000
"""Rows x columns that a thread must have to do: with less, threads wait for each other longer than they work."""

ENOUGH_MEMORY = 1e6
TASK_METRIC = {"value": "root_mean_squared_error", "label": "accuracy", "probability": "log_loss"}
METRICS = {
    "rmse": "root_mean_squared_error",
    "rmsle": "root_mean_squared_error",  # of log(1 + target)
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "medae": "median_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "smape": "symmetric_mean_absolute_percentage_error",
    "r2": "r2",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1",
    "f1_macro": "f1_macro",
    "mcc": "mcc",
    "quadratic_kappa": "quadratic_kappa",
    "log_loss": "log_loss",
    "auc": "roc_auc",
    "gini": "roc_auc",
}
"""Our metrics by AutoGluon's name; any other is fitted by what the task's usual metric is (TASK_METRIC)."""

FIXED = {
    "GBM": {"deterministic": True, "force_col_wise": True},
    "GBM_PREP": {"deterministic": True, "force_col_wise": True},
}
CLASSES = {"RF": OrderedForest, "XT": OrderedExtraTrees}


@dataclass(frozen=True)
class Fit:
    """What one base model, or the weighted ensemble, predicted: oof (n_train, n_outputs), test (n_test, n_outputs)."""

    oof: np.ndarray
    test: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Repeat:
    """What the models of one repeat predicted, by part (see PredictorFit), and the predictor that they belong to.

    skipped: models that were not fitted because time was up. failures: which could not be fitted, and why.
    """

    fits: Mapping[str, Fit]
    kept: PredictorFit
    skipped: tuple[str, ...]
    failures: tuple[str, ...]


def fit_repeat(
    table: Table,
    folds: Folds,
    repeat: int,
    models: Mapping[Any, list[dict[str, Any]]],
    seed: int,
    log: Log,
    progress: Path | None,
) -> Repeat:
    """Fit every model of AutoGluon on one repeat of the folds.

    models: {family: configurations}. progress: where it works, so that what a kill leaves is found. Raises
    ModelError where AutoGluon did not keep our rows as they are.
    """
    form = Form.of(table)
    frame = _train_frame(table, form)
    splits = [(folds.train_rows(repeat, fold), folds.valid_rows(repeat, fold)) for fold in range(folds.n_folds)]
    total = sum(map(len, models.values())) + 1
    with tempfile.TemporaryDirectory(dir=progress) as folder, quiet(), log.progress("autogluon", total) as bar:
        predictor = TabularPredictor(
            LABEL,
            problem_type=table.task.kind,
            eval_metric=METRICS.get(table.task.metric.name, TASK_METRIC[table.task.metric.reads]),
            path=f"{folder}/predictor",
            verbosity=0,
            learner_kwargs={"label_count_threshold": 1},
        )
        watch = _Watch(seed, bar, log)
        predictor.fit(frame, callbacks=[watch], num_cpus=_threads(table), **_settings(models, splits, seed))
        failures = _report_failures(predictor, log)
        fits = _collect(predictor, form, frame.drop(columns=LABEL), table, splits)
        names = {_part(model): model for model in fits}
        kept = keep(predictor, form, names)
    return Repeat({part: fits[model] for part, model in names.items()}, kept, tuple(watch.skipped), failures)


def _settings(models: Mapping[Any, list[dict[str, Any]]], splits: list[Split], seed: int) -> dict[str, Any]:
    """Return how AutoGluon fits: these models on these folds, no clock, nothing stacked, refitted or calibrated."""
    return {
        "hyperparameters": _hyperparameters(models),
        "num_bag_folds": len(splits),
        "num_bag_sets": 1,
        "num_stack_levels": 0,
        "dynamic_stacking": False,
        "delay_bag_sets": False,
        "calibrate": False,
        "calibrate_decision_threshold": False,
        "refit_full": False,
        "fit_weighted_ensemble": True,
        "fit_strategy": "sequential",
        "raise_on_no_models_fitted": False,
        "num_gpus": 0,
        # its memory estimate depends on what else runs, and would drop models or trees by chance
        "ag_args_fit": {"max_memory_usage_ratio": ENOUGH_MEMORY},
        "ag_args_ensemble": {
            "custom_splits": splits,
            "fold_fitting_strategy": "sequential_local",
            "model_random_seed": seed % 2**30,
            "vary_seed_across_folds": True,
        },
    }


def _part(model: str) -> str:
    """Return how an entry is called after its recipe: by the base model's name, AutoGluon's own ensemble not at all."""
    return "" if model.startswith("WeightedEnsemble") else model.removesuffix(BAG)


def _threads(table: Table) -> int:
    return max(1, min(joblib.cpu_count(), MAX_THREADS, table.train.size // CELLS_A_THREAD))


def _train_frame(table: Table, form: Form) -> pd.DataFrame:
    """Return the rows as AutoGluon is given them, with their target as the column LABEL.

    AutoGluon drops a class of a single row before positions apply (or, under log loss, doubles the row). A
    copy of the row behind all others, which no fold uses, keeps the class and every position.
    """
    target = np.log1p(table.target) if table.task.metric.name == "rmsle" else table.target
    frame = form.rows(table.train).assign(**{LABEL: target})
    if table.task.kind == "regression":
        return frame
    codes, first, counts = np.unique(target, return_index=True, return_counts=True)
    alone = first[counts < 2]
    if len(codes) < 2:
        raise ModelError("AutoGluon needs at least two classes in the target, found one")
    return pd.concat([frame, frame.iloc[alone]], ignore_index=True)


def _hyperparameters(models: Mapping[Any, list[dict[str, Any]]]) -> dict[Any, list[dict[str, Any]]]:
    return {
        CLASSES.get(family, family): [FIXED.get(family, {}) | config for config in configs]
        for family, configs in models.items()
        if configs
    }


def _collect(
    predictor: TabularPredictor, form: Form, rows: pd.DataFrame, table: Table, splits: list[Split]
) -> dict[str, Fit]:
    """Return every model's predictions by its name, checked; rows: those of train as AutoGluon was given them."""
    seconds = predictor.leaderboard().set_index("model")["fit_time_marginal"]
    fits = {}
    for name in predictor.model_names():
        oof = predictor.predict_proba_oof(name) if form.n_classes else predictor.predict_oof(name).to_frame()
        test = form.ask(predictor, table.test, name)
        _check_rows(name, oof, test, rows, table, splits)
        if name.endswith(BAG):
            _check_child(name, predictor, oof, rows, splits[0])
        ours = form.outputs(oof.iloc[: len(table.train)])
        fits[name] = Fit(ours, form.outputs(test), float(seconds[name]))
    return fits


def _check_rows(
    name: str, oof: pd.DataFrame, test: pd.DataFrame, rows: pd.DataFrame, table: Table, splits: list[Split]
) -> None:
    """Refuse predictions that are not row by row ours: AutoGluon must neither drop, double, move nor skip a row."""
    if not oof.index.equals(rows.index) or not test.index.equals(table.test.index):
        raise ModelError(
            f"AutoGluon's {name} returned {len(oof)} train and {len(test)} test rows that are not the "
            f"{len(rows)} and {len(table.test)} rows it was given",
            hint="leave this model out of `models`",
        )
    covered = np.zeros(len(oof), dtype=bool)
    covered[np.concatenate([valid for _, valid in splits])] = True
    if (oof.notna().all(axis=1).to_numpy() != covered).any():
        raise ModelError(f"AutoGluon's {name} predicted other rows out-of-fold than those that the folds validate")


def _check_child(name: str, predictor: TabularPredictor, oof: pd.DataFrame, rows: pd.DataFrame, split: Split) -> None:
    """Ask the first fold's own model for its validation rows: its answers must be the out-of-fold predictions."""
    positions = split[1][:CHECKED_ROWS]
    bag = predictor._trainer.load_model(name)
    child = bag.load_child(bag.models[0])
    answers = np.asarray(child.predict_proba(predictor.transform_features(rows.iloc[positions])), dtype=float)
    found = oof.iloc[positions].to_numpy(float)
    if answers.ndim == 1:
        found = found[:, -1]
    agreeing = float(np.isclose(found, answers, rtol=1e-3, atol=1e-5).mean())
    if agreeing < AGREEING:
        raise ModelError(
            f"AutoGluon's {name} was not fitted on our folds: its first fold repeats only {agreeing:.0%} of the "
            f"out-of-fold predictions of its validation rows",
            hint="leave this model out of `models`",
        )


def _report_failures(predictor: TabularPredictor, log: Log) -> tuple[str, ...]:
    """Warn of every model that could not be fitted; return the warnings."""
    failures = []
    for row in predictor.model_failures().itertuples():
        reason = str(row.exc_str).strip().partition("\n")[0]
        failures.append(f"AutoGluon could not fit {row.model}: {row.exc_type}{': ' if reason else ''}{reason}")
        log.warn(failures[-1])
    if not [name for name in predictor.model_names() if "Weighted" not in name]:
        raise ModelError("AutoGluon could fit none of its models", hint="leave the model out, or choose other `models`")
    return tuple(failures)


@dataclass
class _Watch(AbstractCallback):
    """Seeds every model by itself, so that none depends on those before it, and shows how far the fit is.

    When time is up the models that are left are skipped; the first is fitted in any case.
    """

    seed: int
    bar: Progress | None
    log: Log | None
    skipped: list[str] = field(default_factory=list)
    _skip: bool = field(default=False)

    def _before_model_fit(self, *, trainer: Any, model: Any, stack_name: str, **_: Any) -> tuple[bool, bool]:
        _seed_all(self.seed)
        is_late = stack_name == "core" and bool(trainer.get_model_names()) and self.log.late()
        if is_late:
            self.skipped.append(model.name.removesuffix(BAG))
        return False, is_late

    def _after_model_fit(self, *, model_names: list[str], **_: Any) -> bool:
        for name in model_names:
            self.bar.advance(note=name)
        return False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"bar": None, "log": None}


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
