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
import psutil
import torch
from autogluon.core.callbacks import AbstractCallback
from autogluon.tabular import TabularPredictor

from pipeline.apart import rows_apart
from pipeline.environment import restored
from pipeline.errors import ModelError
from pipeline.log import Log, Progress
from pipeline.models._autogluon_checks import BAG, Split, answers_of, check_classes, check_folds, check_rows
from pipeline.models._autogluon_forest import OrderedExtraTrees, OrderedForest
from pipeline.models._autogluon_kept import Form, PredictorFit, keep, quiet
from pipeline.models._autogluon_presets import Order
from pipeline.types import Folds, Table
from pipeline.wording import first_few

LABEL, WEIGHT = "target", "weight"
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
    """What one model predicted: oof (n_train, n_outputs), test (n_test, n_outputs).

    reference: it has learnt from other models' out-of-fold predictions, which have seen the rows that score it.
    apart: see CrossFit, of this repeat's folds; None where it is no model of ours alone.
    """

    oof: np.ndarray
    test: np.ndarray
    seconds: float
    reference: bool
    apart: np.ndarray | None = None


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
    order: Order,
    seed: int,
    log: Log,
    progress: Path | None,
) -> Repeat:
    """Fit every model that was ordered on one repeat of the folds.

    progress: where it works, so that what a kill leaves is found. Raises ModelError where AutoGluon did not keep our
    rows as they are.
    """
    _check_memory(order)
    form = Form.of(table)
    ours = [(folds.train_rows(repeat, fold), folds.valid_rows(repeat, fold)) for fold in range(folds.n_folds)]
    frame, splits = _train_frame(table, form, ours)
    total = (order.n_models + 1) * (order.stack_levels + 1)
    with tempfile.TemporaryDirectory(dir=progress) as folder, quiet(), log.progress("autogluon", total) as bar:
        predictor = TabularPredictor(
            LABEL,
            problem_type=table.task.kind,
            eval_metric=METRICS.get(table.task.metric.name, TASK_METRIC[table.task.metric.reads]),
            path=f"{folder}/predictor",
            verbosity=0,
            learner_kwargs={"label_count_threshold": 1},
            **({} if table.weight is None else {"sample_weight": WEIGHT}),
        )
        watch = _Watch(seed, bar, log)
        with restored():  # where AutoGluon writes down its memory limit, for whatever fits after it
            predictor.fit(frame, num_cpus=_threads(table), **_settings(order, splits, seed, watch))
        failures = _report_failures(predictor, log)
        fits = _collect(predictor, form, frame, table, splits)
        names = {_part(model): model for model in fits}
        kept = keep(predictor, form, names)
    return Repeat({part: fits[model] for part, model in names.items()}, kept, tuple(watch.skipped), failures)


def _settings(order: Order, splits: list[Split], seed: int, watch: _Watch) -> dict[str, Any]:
    """Return how AutoGluon fits: on these folds, nothing refitted or calibrated, the rest as ordered."""
    asked = dict(order.settings)
    # its memory estimate depends on what else runs, and would drop models or trees by chance: only where asked for
    memory = {} if "memory_limit" in asked else {"ag_args_fit": {"max_memory_usage_ratio": ENOUGH_MEMORY}}
    return {
        "hyperparameters": _hyperparameters(order.models),
        "callbacks": [watch, *asked.pop("callbacks", [])],
        "num_bag_folds": len(splits),
        "num_bag_sets": 1,
        "num_stack_levels": asked.pop("num_stack_levels", 0),
        "dynamic_stacking": False,
        "delay_bag_sets": False,
        "calibrate": False,
        "calibrate_decision_threshold": False,
        "refit_full": False,
        "fit_weighted_ensemble": True,
        "fit_strategy": "sequential",
        "raise_on_no_models_fitted": False,
        "num_gpus": 0,
        "ag_args_ensemble": {
            "custom_splits": splits,
            "fold_fitting_strategy": "sequential_local",
            "model_random_seed": seed % 2**30,
            "vary_seed_across_folds": True,
        },
        **memory,
        **asked,
    }


def _check_memory(order: Order) -> None:
    """Refuse a memory limit that nothing fits into: AutoGluon takes a negative rest of it for no limit at all."""
    held = psutil.Process().memory_info().rss / 2**30
    if held >= (limit := order.settings.get("memory_limit", np.inf)):
        raise ModelError(
            f"memory_limit = {limit:g} GB, and this process holds {held:.1f} GB before anything is fitted",
            hint="a higher limit: it is that of the whole process",
        )


def _part(model: str) -> str:
    """Return how an entry is called after its recipe: by its model's name, AutoGluon's own ensemble not at all.

    A model stacked on others keeps its level: LightGBM_L2. Of the ensembles of several levels the last one counts.
    """
    return "" if model.startswith("WeightedEnsemble") else model.removesuffix(BAG).replace("_BAG_", "_")


def _threads(table: Table) -> int:
    return max(1, min(joblib.cpu_count(), MAX_THREADS, table.train.size // CELLS_A_THREAD))


def _train_frame(table: Table, form: Form, splits: list[Split]) -> tuple[pd.DataFrame, list[Split]]:
    """Return the rows as AutoGluon is given them, with their target as the column LABEL, and the folds' positions."""
    target = np.log1p(table.target) if table.task.metric.name == "rmsle" else table.target
    frame = form.rows(table.train).assign(**{LABEL: target})
    frame = frame if table.weight is None else frame.assign(**{WEIGHT: table.weight})
    return (frame, splits) if table.task.kind == "regression" else _with_every_class(frame, splits)


def _with_every_class(frame: pd.DataFrame, splits: list[Split]) -> tuple[pd.DataFrame, list[Split]]:
    """Add, behind all others, a row that is nothing but its class for every class that would get lost.

    AutoGluon drops a class of a single row before positions apply (or, under log loss, doubles the row), and CatBoost
    and forests fail on a fold whose training rows lack a class: such a fold, and no other, trains on the added row.
    """
    target, n_rows = frame[LABEL].to_numpy(), len(frame)
    codes, counts = np.unique(target, return_counts=True)
    if len(codes) < 2:
        raise ModelError("AutoGluon needs at least two classes in the target, found one")
    lacking = [np.setdiff1d(codes, target[train]) for train, _ in splits]
    added = np.unique(np.concatenate([codes[counts < 2], *lacking]))
    plain = {WEIGHT: frame[WEIGHT].mean()} if WEIGHT in frame else {}
    missing = frame.reindex(range(n_rows, n_rows + len(added))).assign(**{LABEL: added}, **plain)
    whole = [
        (np.concatenate([train, n_rows + np.flatnonzero(np.isin(added, classes))]), valid)
        for (train, valid), classes in zip(splits, lacking, strict=True)
    ]
    return (pd.concat([frame, missing]), whole) if len(added) else (frame, splits)


def _hyperparameters(models: Mapping[Any, list[dict[str, Any]]]) -> dict[Any, list[dict[str, Any]]]:
    return {
        CLASSES.get(family, family): [FIXED.get(family, {}) | config for config in configs]
        for family, configs in models.items()
        if configs
    }


def _collect(
    predictor: TabularPredictor, form: Form, frame: pd.DataFrame, table: Table, splits: list[Split]
) -> dict[str, Fit]:
    """Return every model's predictions by its name, checked; frame: what AutoGluon was given."""
    seconds = predictor.leaderboard().set_index("model")["fit_time_marginal"]
    rows, fits = frame.drop(columns=[LABEL, WEIGHT], errors="ignore"), {}
    if form.n_classes:
        check_classes(predictor, frame[LABEL])
    for name in predictor.model_names():
        oof = predictor.predict_proba_oof(name) if form.n_classes else predictor.predict_oof(name).to_frame()
        test = form.ask(predictor, table.test, name)
        check_rows(name, oof, test, rows, table, splits)
        apart = None
        if name.endswith(BAG):
            check_folds(name, predictor, oof, rows, splits)
            apart = _apart(name, predictor, form, table.test, list(oof.columns))
        ours, reference = form.outputs(oof.iloc[: len(table.train)]), not name.endswith(BAG)
        fits[name] = Fit(ours, form.outputs(test), float(seconds[name]), reference, apart)
    return fits


def _apart(name: str, predictor: TabularPredictor, form: Form, test: pd.DataFrame, columns: list[Any]) -> np.ndarray:
    """Ask every fold's own model for some test rows; columns: of AutoGluon's answers."""
    rows = predictor.transform_features(form.rows(test.iloc[rows_apart(len(test))]))
    bag = predictor._trainer.load_model(name)
    children = [bag.load_child(model) for model in bag.models]
    answers = [answers_of(child, rows) for child in children]
    return np.stack([form.outputs(pd.DataFrame(one, columns=columns)) for one in answers]).astype(np.float32)


def _report_failures(predictor: TabularPredictor, log: Log) -> tuple[str, ...]:
    """Warn of the models that could not be fitted, once for each reason; return the warnings."""
    models: dict[str, list[str]] = {}
    for row in predictor.model_failures().itertuples():
        reason = str(row.exc_str).strip().partition("\n")[0]
        models.setdefault(f"{row.exc_type}{': ' if reason else ''}{reason}", []).append(row.model)
    failures = [f"AutoGluon could not fit {first_few(names, 3)}: {reason}" for reason, names in models.items()]
    for failure in failures:
        log.warn(failure)
    if not [name for name in predictor.model_names() if "Weighted" not in name]:
        hint = "leave the model out, choose other `models`, or raise the limits that it was given"
        raise ModelError("AutoGluon could fit none of its models", hint=hint)
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
        assert self.log is not None
        is_late = stack_name == "core" and bool(trainer.get_model_names()) and self.log.late()
        if is_late:
            self.skipped.append(model.name.removesuffix(BAG))
        return False, is_late

    def _after_model_fit(self, *, model_names: list[str], **_: Any) -> bool:
        assert self.bar is not None
        for name in model_names:
            self.bar.advance(note=name)
        return False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"bar": None, "log": None}


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
