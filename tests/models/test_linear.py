"""Linear models: the optimum is reached, the book's baseline can be expressed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import alternating

from pipeline.config import load_experiment
from pipeline.metrics import log_loss, rmse
from pipeline.models import linear
from pipeline.transforms.recipe import Encode
from pipeline.types import Metric, Table, Task
from pipeline.workspace import Workspace

PLAIN = Encode(indicators=False)


def frame(n: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 3)) * [1, 10, 0.1] + [0, 5, 0], columns=list("abc"))


def fit(recipe: linear.Recipe, data: Table):
    folds = alternating(len(data.train), 2, every=5)
    return linear.cross_fit({"linear": recipe}, data, folds, seed=0, log=Heard())["linear"]


def values(noise: float) -> Table:
    train = frame(400, 0)
    target = train.to_numpy() @ np.array([2.0, -0.34, 7.0]) + 4.2 + noise * np.random.default_rng(1).normal(size=400)
    return Table(
        Task("regression", Metric.from_module(rmse)), train, frame(10, 2), target, np.arange(400), np.arange(10)
    )


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return mean, weights and intercept of the exact minimum of mean squared error + penalty / 2 |w|^2."""
    mean = x.mean(axis=0)
    gram = 2 * (x - mean).T @ (x - mean) / len(x) + penalty * np.eye(x.shape[1])
    return mean, np.linalg.solve(gram, 2 * (x - mean).T @ (y - y.mean()) / len(x)), float(y.mean())


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_the_default_solver_ends_at_the_ridge_optimum(penalty: float) -> None:
    data = values(noise=1.0)
    recipe = linear.Recipe(weight_decay=penalty, encode=PLAIN, target="standardise")
    entry = fit(recipe, data)
    folds = alternating(400, 2, every=5)
    rows, held = folds.train_rows(0, 0), folds.valid_rows(0, 0)
    center, scale = data.train.iloc[rows].mean(), data.train.iloc[rows].std(ddof=0)
    x, x_held = (((data.train.iloc[part] - center) / scale).to_numpy() for part in (rows, held))
    spread = data.target[rows].std()
    mean, weights, intercept = ridge(x, data.target[rows] / spread, penalty)
    exact = ((x_held - mean) @ weights + intercept) * spread
    np.testing.assert_allclose(entry.oof[0, held, 0], exact, atol=0.01 * spread)


def test_softmax_regression_finds_classes() -> None:
    train = frame(400, 0)
    signal = train["a"] + train["b"] / 10 + 0.5 * np.random.default_rng(1).gumbel(size=400)
    target = np.digitize(signal, np.quantile(signal, [1 / 3, 2 / 3]))
    task = Task("multiclass", Metric.from_module(log_loss), ("a", "b", "c"))
    data = Table(task, train, frame(10, 2), target, np.arange(400), np.arange(10))
    entry = fit(linear.Recipe(encode=PLAIN), data)
    assert entry.fold_errors.mean() < 0.75 * np.log(3)
    assert (entry.oof[0].argmax(axis=1) == target).mean() > 0.6


def test_the_books_network_is_one_linear_layer_trained_by_adam() -> None:
    workspace = Workspace(experiments=Path(__file__).parents[2] / "experiments")
    experiment = load_experiment(workspace, "house-prices-advanced-regression-techniques", "d2l")
    recipe = linear.Recipe.model_validate(experiment.models["linear"].recipe)
    plan = linear.resolve(recipe, Task("regression", Metric.from_module(rmse)), 1_168)
    assert (plan.lr, plan.weight_decay, plan.dropout) == (5.0, 0.0, 0.0)
    assert (plan.program.epochs, plan.program.batch_size, plan.program.optimiser) == (100, 64, "adam")
    assert plan.program.architecture.hidden == ()
    assert plan.program.beta == (0.9, 0.999)
    assert (plan.program.schedule, plan.stop_on, plan.target) == ("constant", "none", "none")


def test_larger_tables_get_fewer_epochs() -> None:
    task = Task("regression", Metric.from_module(rmse))
    small, large = (linear.resolve(linear.Recipe(), task, n).program.epochs for n in (1_000, 100_000))
    assert small > large >= linear.FEWEST_EPOCHS
