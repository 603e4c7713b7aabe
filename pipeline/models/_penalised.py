"""Ridge regression on columns or on what is made of them (kernels): penalties, estimators, and the choice among them.

A penalty is that on the loss of one row: mean squared error + penalty |w|^2, mean cross entropy + penalty / 2 |w|^2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.models._scikit import encoded, fitted, loss, probabilities, shares

if TYPE_CHECKING:
    from pipeline.models._folds import Learnt, Lesson
    from pipeline.types import Task

Chart = Callable[["Lesson", np.ndarray], list[tuple[str, Any]]]
"""Of a lesson and its encoded rows: named transformers that these go through first."""

MOST_STEPS = 1_000


def plain(lesson: Lesson, X: np.ndarray) -> list[tuple[str, Any]]:  # noqa: ARG001 - a chart like others
    """Leave the columns as they are."""
    return []


def learn(lesson: Lesson, chart: Chart, penalty: float, l1: float = 0.0) -> Learnt:
    """Fit on all rows of the lesson; l1: the share of the penalty that is on |w| instead."""
    from sklearn.pipeline import Pipeline

    columns, X = encoded(lesson)
    steps = chart(lesson, X) if X.shape[1] else []
    last = _estimator(lesson.task, l1).set_params(**_strength(lesson, penalty, l1))
    with _unended():
        return fitted(Pipeline([*steps, ("last", last)]), columns, X, lesson)


def judge(lesson: Lesson, charts: list[Chart], penalties: tuple[float, ...], l1: float = 0.0) -> np.ndarray:
    """Return the stopping rows' loss (charts x penalties,) of fits on the others; penalties must fall."""
    assert lesson.stop is not None
    columns, X = encoded(lesson)
    if X.shape[1] == 0 or len(np.unique(lesson.train.y)) == 1:
        return np.zeros(len(charts) * len(penalties))  # nothing to learn
    H = columns.numbers(lesson.stop.X)
    return np.concatenate([_path(lesson, _through(chart(lesson, X), X, H), penalties, l1) for chart in charts])


def _through(transformers: list[tuple[str, Any]], X: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for _, transformer in transformers:
        X = transformer.fit_transform(X)
        H = transformer.transform(H)
    return X, H


def _path(lesson: Lesson, rows: tuple[np.ndarray, np.ndarray], penalties: tuple[float, ...], l1: float) -> np.ndarray:
    """Return the loss of each penalty; each fit begins where the one before ended."""
    assert lesson.stop is not None
    (X, H), task, y, held = rows, lesson.task, lesson.train.y, lesson.stop
    weight = lesson.train.weight
    last, prior, losses = _estimator(task, l1), np.array(shares(y, task, weight)), []
    for penalty in penalties:
        with _unended():
            last.set_params(**_strength(lesson, penalty, l1)).fit(X, y, sample_weight=weight)
        if task.classes:
            found = (probabilities(last, H, task.n_outputs) * len(y) + prior) / (len(y) + 1)
        else:
            found = last.predict(H)
        losses.append(loss(task, held, found))
    return np.array(losses)


def _estimator(task: Task, l1: float) -> Any:
    from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

    if task.classes:
        solver = "saga" if l1 else "lbfgs"
        return LogisticRegression(l1_ratio=l1, solver=solver, max_iter=MOST_STEPS, warm_start=True, random_state=0)
    return ElasticNet(l1_ratio=l1, max_iter=MOST_STEPS, warm_start=True) if l1 else Ridge()


def _strength(lesson: Lesson, penalty: float, l1: float) -> dict[str, float]:
    """Return a penalty on the loss of one row as the estimator calls it."""
    n = len(lesson.train.y)
    if lesson.task.classes:
        return {"C": 1 / (penalty * n)}
    return {"alpha": penalty if l1 else penalty * n}


@contextmanager
def _unended() -> Iterator[None]:
    """Be silent about fits that end before their optimum: weak penalties, which the stopping rows judge as they are."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
