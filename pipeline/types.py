"""The few values that travel between stages: frozen, and checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from pipeline import own_metric
from pipeline.apart import rows_apart

TaskKind = Literal["regression", "binary", "multiclass"]
DecisionKind = Literal["plain", "weights", "cuts", "shift"]
StopOn = Literal["inner", "fold", "none"]

UNUSED, TRAIN, STOP, VALID = 0, 1, 2, 3
MOST_CUTS = 4


@dataclass(frozen=True)
class Metric:
    """A Kaggle metric: `score` is what Kaggle shows, `error` is lower-is-better with 0 at the optimum.

    `score(target, prediction)` takes target (n,) and prediction (n,) values, (n,) class codes or
    (n, n_classes) probabilities, as `reads` says; of several targets it is the mean of their scores. decision: what
    becomes of a prediction for the metric's sake: nothing (of labels the likeliest), labels by class weights or by cut
    points of the expected class, values shifted. worst: the score that none is worse than, where there is one.
    """

    name: str
    reads: Literal["value", "label", "probability"]
    greater_is_better: bool
    optimum: float
    function: Callable[[np.ndarray, np.ndarray], float]
    decision: DecisionKind = "plain"
    worst: float | None = None

    @classmethod
    def from_module(cls, module: ModuleType) -> Metric:
        """Read a plug-in of pipeline/metrics/: READS, GREATER_IS_BETTER, OPTIMUM, score; DECISION, WORST if stated."""
        name = module.__name__.rpartition(".")[2]
        decision: DecisionKind = getattr(module, "DECISION", "weights" if module.READS == "label" else "plain")
        score, worst = module.score, getattr(module, "WORST", None)
        if module.__name__ == own_metric.MODULE:
            name = own_metric.FILE  # which its user knows
            score = own_metric.guarded(score, f"{module.__file__}: score()")
        return cls(name, module.READS, module.GREATER_IS_BETTER, module.OPTIMUM, score, decision, worst)

    @property
    def of_order(self) -> bool:
        """Whether it is the AUC, or a multiple of it: of probabilities their order alone counts."""
        return self.name in ("auc", "gini")

    def score(self, target: np.ndarray, prediction: np.ndarray) -> float:
        """Return Kaggle's number for predictions (n, n_outputs) of the rows in `target` (n,) or (n, n_targets)."""
        if target.ndim > 1:
            return float(np.mean([self.score(own, prediction[:, [k]]) for k, own in enumerate(target.T)]))
        if self.reads == "value":
            prediction = prediction[:, 0]
        elif self.reads == "label":
            if np.isnan(prediction).any():
                raise ValueError("predictions hold NaN, which argmax would turn into a class")
            prediction = prediction.argmax(axis=1)
        return float(self.function(target, prediction))

    def error(self, target: np.ndarray, prediction: np.ndarray) -> float:
        """Return the same number turned so that lower is better and 0 is perfect; NaN where there are no rows."""
        return self.as_error(self.score(target, prediction)) if len(target) else float("nan")

    def as_error(self, score: float) -> float:
        """Turn a score into an error; `as_score` is the inverse."""
        return self.optimum - score if self.greater_is_better else score - self.optimum

    def possible(self, error: float) -> float:
        """Return the nearest error that any predictions can have."""
        highest = math.inf if self.worst is None else self.as_error(self.worst)
        return min(max(error, 0.0), highest)

    def as_score(self, error: float) -> float:
        """Turn an error back into Kaggle's number."""
        return self.optimum - error if self.greater_is_better else self.optimum + error


@dataclass(frozen=True)
class Task:
    """What is predicted and how it is judged; `classes` are the labels in the order of their codes.

    targets: names of the values that a regression predicts, where these are several. judge: what models are judged by
    where that is not the metric (pipeline/tuning/judge.py).
    """

    kind: TaskKind
    metric: Metric
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    judge: Metric | None = None

    def __post_init__(self) -> None:
        if (self.kind == "regression") != (not self.classes):
            raise ValueError(f"a {self.kind} task with classes {self.classes}")

    @property
    def n_outputs(self) -> int:
        """One value a target for regression, else one probability a class (2 for binary)."""
        return len(self.classes) or len(self.targets) or 1

    def error(self, target: np.ndarray, prediction: np.ndarray) -> float:
        """Return the error of what a model predicts."""
        return (self.judge or self.metric).error(target, prediction)


@dataclass(frozen=True)
class Table:
    """A competition's rows after preprocessing: features of train and test, and the target of train.

    train (n_train, n_columns), test (n_test, n_columns): the same columns in the same order, each
    float64 (NaN = missing) or category (levels: the sorted strings of train and test, NaN = missing),
    index 0..n-1. target (n_train,): float64, or int64 codes into task.classes; of several (n_train, n_targets).
    ids, groups, time: (n,). weight (n_train,): how much a row counts when something is fitted; 0 is as if it were not
    there, None is 1 for all.
    """

    task: Task
    train: pd.DataFrame
    test: pd.DataFrame
    target: np.ndarray
    train_ids: np.ndarray
    test_ids: np.ndarray
    groups: np.ndarray | None = None
    time: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.train.dtypes.equals(self.test.dtypes):
            differing = [c for c in self.train if c not in self.test or self.train[c].dtype != self.test[c].dtype]
            raise ValueError(f"train and test differ in columns or types: {differing or list(self.test)}")
        for name, dtype in self.train.dtypes.items():
            if not (dtype == np.float64 or isinstance(dtype, pd.CategoricalDtype)):
                raise ValueError(f"column {name!r} is {dtype}, expected float64 or category")
        for label, rows in (("target", self.train), ("train_ids", self.train), ("test_ids", self.test)):
            if (length := len(getattr(self, label))) != len(rows):
                raise ValueError(f"{label} has {length} entries for {len(rows)} rows")
        if self.target.shape[1:] != ((self.task.n_outputs,) if self.task.targets else ()):
            raise ValueError(f"a target {self.target.shape} for the targets {self.task.targets}")
        if not np.isfinite(self.target).all():
            raise ValueError("the target has missing or infinite values")
        if self.weight is not None and not (np.isfinite(self.weight) & (self.weight >= 0)).all():
            raise ValueError("weights must be finite and not negative")

    def weights(self, rows: np.ndarray) -> np.ndarray | None:
        """Return what rows (positions) weigh beside each other, 1 on average; None where all weigh the same."""
        if self.weight is None:
            return None
        own = self.weight[rows]
        return None if (own == own[:1]).all() else np.asarray(own / own.mean())

    def without_test(self) -> Table:
        """Return the same without the test rows, for whoever has no use for what is predicted of them."""
        return replace(self, test=self.test[:0], test_ids=self.test_ids[:0])

    @property
    def numeric(self) -> list[str]:
        """Names of the float64 columns."""
        return [str(c) for c in self.train if self.train[c].dtype == np.float64]

    @property
    def categorical(self) -> list[str]:
        """Names of the category columns."""
        return [str(c) for c in self.train if self.train[c].dtype != np.float64]


@dataclass(frozen=True)
class Folds:
    """Which rows train, stop and validate in each fold; made once, used by every model.

    role: (n_repeats, n_folds, n_train) int8, one of UNUSED, TRAIN, STOP, VALID. STOP rows are
    training rows that the inner split sets aside for early stopping; the final fit uses them too.
    part (n_repeats, n_train): rows that stay together in `inner_cuts` have one number, those that never judge have -1;
    None where folds tell, which they do unless several validate together (pipeline/nested/pairs.py).
    """

    role: np.ndarray
    kind: str = "kfold"
    part: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.role.ndim != 3 or self.role.dtype != np.int8:
            raise ValueError(
                f"role must be (n_repeats, n_folds, n_rows) int8, found {self.role.shape} {self.role.dtype}"
            )
        if ((self.role == VALID).sum(axis=1) > 1).any():
            raise ValueError("a row validates in more than one fold of a repeat")
        is_whole = self.part is not None and not (self.role == VALID).any()  # pipeline/refit/whole.py
        for wanted, label in ((TRAIN, "training"), (STOP, "stopping"), (VALID, "validation")):
            if not (self.role == wanted).any(axis=2).all() and not (is_whole and wanted == VALID):
                raise ValueError(f"a fold has no {label} rows")

    @property
    def n_repeats(self) -> int:
        return self.role.shape[0]

    @property
    def n_folds(self) -> int:
        return self.role.shape[1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield every (repeat, fold)."""
        return ((r, f) for r in range(self.n_repeats) for f in range(self.n_folds))

    @property
    def covered(self) -> np.ndarray:
        """(n_repeats, n_train): whether a fold of the repeat validates the row."""
        return np.asarray((self.role == VALID).any(axis=1))

    @property
    def valid_fold(self) -> np.ndarray:
        """(n_repeats, n_train): the fold that validates the row, -1 where none does."""
        return np.where(self.covered, (self.role == VALID).argmax(axis=1), -1)

    @property
    def n_fit_rows(self) -> int:
        """How many rows the largest fold trains on: what "auto" values are chosen by."""
        return int(((self.role == TRAIN) | (self.role == STOP)).sum(axis=2).max())

    def errors(self, metric: Metric, target: np.ndarray, oof: np.ndarray) -> np.ndarray:
        """Return the error (n_repeats, n_folds) of out-of-fold predictions (n_repeats, n_train, n_outputs)."""
        errors = np.empty((self.n_repeats, self.n_folds))
        for repeat, fold in self:
            rows = self.valid_rows(repeat, fold)
            errors[repeat, fold] = metric.error(target[rows], oof[repeat, rows])
        return errors

    def train_rows(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of all training rows of a fold (inner training rows and stopping rows)."""
        role = self.role[repeat, fold]
        return np.flatnonzero((role == TRAIN) | (role == STOP))

    def inner_rows(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of the training rows without those set aside for early stopping."""
        return np.flatnonzero(self.role[repeat, fold] == TRAIN)

    def stop_rows(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of the training rows set aside for early stopping."""
        return np.flatnonzero(self.role[repeat, fold] == STOP)

    def inner_cuts(self, repeat: int, fold: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cut a fold's training rows for a choice inside it: pairs of rows to fit on and rows to judge by.

        The cuts are those of the repeat's other folds, or parts (four at most), so that groups stay together; in time,
        where the others would judge by the past, it is the stopping rows that judge.
        """
        rows, part = self.train_rows(repeat, fold), (self.valid_fold if self.part is None else self.part)[repeat]
        others = [] if self.kind == "time" else np.unique(part[rows][part[rows] >= 0])[:MOST_CUTS].tolist()
        judging = [part[rows] == other for other in others]
        cuts = [(rows[~held], rows[held]) for held in judging if held.any() and not held.all()]
        return cuts or [(self.inner_rows(repeat, fold), self.stop_rows(repeat, fold))]

    def valid_rows(self, repeat: int, fold: int) -> np.ndarray:
        """Positions of the rows that the fold predicts out-of-fold."""
        return np.flatnonzero(self.role[repeat, fold] == VALID)

    def and_rows(self, role: np.ndarray) -> Folds:
        """Return the folds with more rows behind these, of roles (n_repeats, n_folds, n_more), in no part."""
        none = np.full((self.n_repeats, role.shape[2]), -1)
        part = None if self.part is None else np.concatenate([self.part, none], axis=1)
        return replace(self, role=np.concatenate([self.role, role], axis=2), part=part)


@dataclass(frozen=True)
class Rung:
    """A point of training at which a recipe whose mean error over all folds is above `limit` is given up.

    share: of the whole training, in (0, 1).
    """

    share: float
    limit: float


class Fitted(Protocol):
    """An entry's model of one fold, or of one repeat, kept beside the predictions; read only to predict new rows.

    `load(folder)` of the model's file reads it; of the entry `<recipe>/<part>`, `load(folder, part)`.
    """

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return (n, n_outputs) values or probabilities."""

    def save(self, folder: Path) -> None:
        """Write everything `load` needs into an empty folder, for all entries that share it."""


@dataclass(frozen=True)
class CrossFit:
    """What one entry predicted out-of-fold and for the test rows; all that later stages read.

    oof (n_repeats, n_train, n_outputs): NaN where no fold of that repeat validates the row.
    test (n_test, n_outputs): mean over folds and repeats. fold_errors, train_errors, epochs
    (n_repeats, n_folds): NaN where unknown. curves: columns repeat, fold, seed, epoch, train_loss,
    stop_loss (either loss NaN where not measured). seconds: fitting time of this entry.
    reference: shown for comparison, never blended (AutoGluon's own ensemble).
    apart (n_models, n_rows_apart, n_outputs): what each fold's model alone predicts for `rows_apart(n_test)`; None
    where that is not known, as of predictions made elsewhere, or no fold's model predicts test, as of H2O.
    fitted: by (repeat, fold), or (repeat,) where one fit has all folds of a repeat; the mean of what they predict for
    the test rows is `test`. A recipe's entries share what is saved under equal keys. Nobody reads them where there are
    no test rows, as in searches: models that can be tuned keep none then.
    truncated: what was left out because time was up, in words; empty where nothing was. findings: what the
    training monitor saw. parameters: those of one network, a line each, the total last. failed: why there are no
    usable predictions, in words; they and the errors are NaN then.
    rungs: mean errors over all folds at the rungs that were reached; given_up: the last of them was above its limit.
    """

    oof: np.ndarray
    test: np.ndarray
    fold_errors: np.ndarray
    train_errors: np.ndarray
    epochs: np.ndarray
    stop_on: StopOn
    seconds: float = 0.0
    reference: bool = False
    curves: pd.DataFrame | None = None
    fitted: Mapping[tuple[int, ...], Fitted] = field(default_factory=dict)
    truncated: str = ""
    findings: tuple[str, ...] = ()
    parameters: str = ""
    failed: str = ""
    rungs: tuple[float, ...] = ()
    given_up: bool = False
    apart: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.oof.ndim != 3 or self.test.ndim != 2 or self.oof.shape[2] != self.test.shape[1]:
            raise ValueError(f"oof {self.oof.shape} and test {self.test.shape} do not belong together")
        if not self.failed and not np.isfinite(self.test).all():
            raise ValueError("test predictions hold NaN or infinite values")
        if np.isinf(self.oof).any():
            raise ValueError("out-of-fold predictions hold infinite values")
        for label in ("fold_errors", "train_errors", "epochs"):
            if getattr(self, label).shape[:1] != self.oof.shape[:1]:
                raise ValueError(f"{label} {getattr(self, label).shape} does not fit {self.oof.shape[0]} repeats")
        wanted = (len(rows_apart(len(self.test))), self.test.shape[1])
        if self.apart is not None and self.apart.shape[1:] != wanted:
            raise ValueError(f"predictions of each fold's model {self.apart.shape}, expected (n_models, {wanted})")
