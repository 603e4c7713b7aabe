"""scikit-learn's estimators as models that learn fold by fold: columns encoded inside the fold, kept with skops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline.files import read_json, write_json
from pipeline.models import _skops
from pipeline.models._folds import Kind, LabelledRows, Learnt, Lesson
from pipeline.seeds import derive
from pipeline.transforms.encoder import Encoder, fit_encoder
from pipeline.types import Task

MODEL, SETUP = "model.skops", "encoder.json"


class Columns(Protocol):
    """How a frame becomes the numbers (n, d) that an estimator eats."""

    def numbers(self, X: pd.DataFrame) -> np.ndarray: ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Dense:
    """All columns as finite numbers, as networks and linear models eat them."""

    encoder: Encoder

    def numbers(self, X: pd.DataFrame) -> np.ndarray:
        return self.encoder.transform(X).dense.astype(np.float64)

    def to_dict(self) -> dict[str, Any]:
        return self.encoder.to_dict()

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Dense:
        return cls(Encoder.from_dict(state))


@dataclass(frozen=True)
class Estimate:
    """A fitted estimator and its columns. shares (n_classes,): of the fitted rows and one more of each class.

    doubt: the weight of the shares in what is predicted, beside 1.0 of what the estimator says, so that no class is
    impossible, one that the fold's rows lack included.
    """

    estimator: Any
    columns: Columns
    shares: tuple[float, ...]
    doubt: float


def encoded(lesson: Lesson) -> tuple[Dense, np.ndarray]:
    """Fit the recipe's encoding on a lesson's rows; return it and the encoded rows (n, d)."""
    encoder, rows = fit_encoder(
        lesson.recipe.encode, lesson.train.X, lesson.train.y, lesson.task, derive(lesson.seed, "encode")
    )
    return Dense(encoder), rows.dense.astype(np.float64)


def fitted(estimator: Any, columns: Columns, X: np.ndarray, lesson: Lesson, *, doubt: float = 0.0) -> Learnt:
    """Fit an estimator on rows X (n, d) of the lesson; where there is nothing to learn from, a constant one."""
    y, task, weight = lesson.train.y, lesson.task, lesson.train.weight
    if X.shape[1] == 0 or (task.classes and len(np.unique(y)) == 1):
        estimator = constant(task)
    last = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    estimator.fit(X, y, **({} if weight is None else {f"{last}sample_weight": weight}))
    return Learnt(Estimate(estimator, columns, shares(y, task, weight), doubt or 1 / (len(y) + 1)))


def constant(task: Task) -> Any:
    """Return an estimator of the mean, or of the shares of the classes."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    return DummyClassifier(strategy="prior") if task.classes else DummyRegressor()


def shares(y: np.ndarray, task: Task, weight: np.ndarray | None = None) -> tuple[float, ...]:
    """Return each class's share of codes y (n,), one more row of each counted (Laplace); of values, nothing."""
    counts = np.bincount(y, weight, minlength=len(task.classes)) + 1.0 if task.classes else np.empty(0)
    return tuple((counts / counts.sum()).tolist())


def loss(task: Task, held: LabelledRows, predicted: np.ndarray) -> float:
    """Return squared error or cross entropy, summed over rows, of values or probabilities (n, n_classes)."""
    y = held.y
    own = -np.log(np.maximum(predicted[np.arange(len(y)), y], 1e-9)) if task.classes else (y - predicted) ** 2
    return float((own if held.weight is None else own * held.weight).sum())


def probabilities(estimator: Any, X: np.ndarray, n_classes: int) -> np.ndarray:
    """Return (n, n_classes); 0 for a class that the estimator never saw."""
    found = np.zeros((len(X), n_classes))
    found[:, estimator.classes_] = estimator.predict_proba(X)
    return found


def kind(
    learn: Callable[[Lesson], Learnt],
    columns: Any = Dense,
    settings: Callable[[Any], Sequence[Any]] | None = None,
    judge: Callable[[Lesson], np.ndarray] | None = None,
    weighs: bool = True,
) -> Kind:
    """Return the verbs of estimators that learn so; columns: the class that reads their encoding."""
    return Kind("sklearn", learn, _predict, _write, partial(_read, columns), settings, judge, weighs)


def _predict(model: Estimate, X: pd.DataFrame, n_outputs: int) -> np.ndarray:
    numbers = model.columns.numbers(X)
    if n_outputs == 1:
        return np.asarray(model.estimator.predict(numbers))
    found = probabilities(model.estimator, numbers, n_outputs)
    return (found + model.doubt * np.array(model.shares)) / (1 + model.doubt)


def _write(model: Estimate, folder: Path) -> None:
    setup = {"columns": model.columns.to_dict(), "shares": list(model.shares), "doubt": model.doubt}
    write_json(folder / SETUP, setup)
    _skops.write(folder / MODEL, model.estimator)


def _read(columns: Any, folder: Path) -> Estimate:
    setup = read_json(folder / SETUP)
    estimator = _skops.read(folder / MODEL)
    return Estimate(estimator, columns.from_dict(setup["columns"]), tuple(setup["shares"]), setup["doubt"])
