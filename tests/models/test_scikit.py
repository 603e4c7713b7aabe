"""scikit-learn's models: choices are made inside the fold, no class is impossible, what is kept has the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from pydantic import ValidationError
from small_folds import alternating

from pipeline.metrics import log_loss, rmse
from pipeline.models import _skops, extra_trees, forest, histogram, kernel, neighbours, ridge
from pipeline.models._folds import LabelledRows, Lesson
from pipeline.transforms.recipe import Encode
from pipeline.types import CrossFit, Folds, Metric, Table, Task

FORESTS = [forest, extra_trees]
OTHERS = [ridge, kernel, neighbours]
QUICK: dict[ModuleType, dict[str, Any]] = {
    forest: {"trees": 20},
    extra_trees: {"trees": 20},
    histogram: {"rounds": 20, "min_rows": 3},
    kernel: {"landmarks": 60},
}
N = 160
SIZE = {"n_train": 40_000, "n_test": 100, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
every = pytest.mark.parametrize(
    "model", [*FORESTS, histogram, *OTHERS], ids=lambda model: model.__name__.rpartition(".")[2]
)


def folds(n: int = N, n_folds: int = 3, kind: str = "kfold") -> Folds:
    return alternating(n, n_folds, every=4, kind=kind)


def values(noise: float = 0.3, n: int = N) -> Table:
    generator = np.random.default_rng(0)
    X = pd.DataFrame(generator.normal(size=(n, 4)), columns=list("abcd"))
    y = 3 * X["a"].to_numpy() - X["b"].to_numpy() + noise * generator.normal(size=n)
    return Table(Task("regression", Metric.from_module(rmse)), X, X[:20], y, np.arange(n), np.arange(20))


def labels(target: np.ndarray, data: Table) -> Table:
    task = Task("multiclass", Metric.from_module(log_loss), ("a", "b", "c"))
    return Table(task, data.train, data.test, target, data.train_ids, data.test_ids)


def fit(model: ModuleType, data: Table, own: Folds | None = None, **settings: Any) -> CrossFit:
    recipe = model.Recipe(**(QUICK.get(model, {}) | settings))
    return model.cross_fit({"entry": recipe}, data, own or folds(len(data.train)), seed=0, log=Heard())["entry"]


def estimator(entry: CrossFit) -> Any:
    return entry.fitted[0, 0].models[0].estimator  # type: ignore[attr-defined]


def test_a_fixed_penalty_is_the_ridge_in_closed_form() -> None:
    data = values()
    encode = Encode(indicators=False)
    found = fit(ridge, data, penalty=0.3, encode=encode, target="none")
    rows, held = folds().train_rows(0, 0), folds().valid_rows(0, 0)
    X, y = data.train.to_numpy(), data.target
    center, scale = X[rows].mean(axis=0), X[rows].std(axis=0)
    x, x_held = (X[rows] - center) / scale, (X[held] - center) / scale
    weights = np.linalg.solve(x.T @ x / len(rows) + 0.3 * np.eye(4), x.T @ (y[rows] - y[rows].mean()) / len(rows))
    np.testing.assert_allclose(found.oof[0, held, 0], x_held @ weights + y[rows].mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("l1", [0.0, 0.5])
def test_the_more_noise_the_stronger_the_penalty_that_a_fold_chooses(l1: float) -> None:
    penalties = [estimator(fit(ridge, values(noise), l1=l1))["last"].alpha for noise in (0.0, 30.0)]
    assert penalties[0] < penalties[1] / 10


def test_an_elastic_net_leaves_columns_out() -> None:
    found = estimator(fit(ridge, values(noise=3.0), l1=1.0, penalty=0.1))["last"]
    assert (found.coef_ == 0).sum() >= 1
    assert found.coef_[0] != 0


def test_the_more_noise_the_more_neighbours() -> None:
    numbers = [estimator(fit(neighbours, values(noise))).n_neighbors for noise in (0.0, 30.0)]
    assert numbers[0] < numbers[1]


def test_of_many_rows_a_sample_is_searched() -> None:
    found = fit(neighbours, values(), rows=50)
    assert estimator(found)._fit_X.shape[0] == 50
    np.testing.assert_array_equal(found.oof, fit(neighbours, values(), rows=50).oof)


@pytest.mark.parametrize("classes", [False, True])
def test_how_many_neighbours_are_best_does_not_depend_on_the_rows_judged_at_once(
    classes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, losses = values(), []
    data = labels(np.digitize(data.target, [-1, 1]), data) if classes else data
    judge = neighbours._judge
    monkeypatch.setattr(neighbours, "_judge", lambda lesson: losses.append(judge(lesson)) or losses[-1])
    whole = fit(neighbours, data)
    monkeypatch.setattr(neighbours, "ROWS_AT_ONCE", 7)
    pieces = fit(neighbours, data)
    np.testing.assert_array_equal(pieces.oof, whole.oof)
    half = len(losses) // 2
    np.testing.assert_allclose(losses[half:], losses[:half])


def test_many_rows_of_many_classes_are_judged_in_little_memory() -> None:
    generator, n, n_classes = np.random.default_rng(0), 6_000, 60
    X = pd.DataFrame({"x": generator.normal(size=n)})
    task = Task("multiclass", Metric.from_module(log_loss), tuple(map(str, range(n_classes))))
    rows = LabelledRows(X, np.arange(n) % n_classes)
    lesson = Lesson(neighbours.settled(neighbours.Recipe(), task, n), task, rows, rows, seed=0)
    tracemalloc.start()
    neighbours._judge(lesson)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n * 90 * n_classes


def test_a_kernel_bends_where_a_ridge_cannot() -> None:
    data = values(n=300)
    wave = Table(data.task, data.train, data.test, np.sin(2 * data.train["a"].to_numpy()), *rest(data))
    bent, straight = (fit(model, wave).fold_errors.mean() for model in (kernel, ridge))
    assert bent < 0.5 * straight


def rest(data: Table) -> tuple[np.ndarray, np.ndarray]:
    return data.train_ids, data.test_ids


@every
def test_no_class_is_impossible_where_a_fold_lacks_it(model: ModuleType) -> None:
    data = values()
    target = (data.target > 0).astype(np.int64)
    target[0] = 2  # one row: the fold that validates it has never seen its class
    found = fit(model, labels(target, data))
    assert found.oof[0, 0, 2] > 0
    assert found.oof.min() >= 0
    np.testing.assert_allclose(found.oof[0].sum(axis=1), 1.0)


@every
@pytest.mark.parametrize("what", ["one class", "no column that varies"])
def test_a_fold_in_which_there_is_nothing_to_learn_is_predicted_all_the_same(model: ModuleType, what: str) -> None:
    data = values()
    target = (data.target > 0).astype(np.int64)
    if what == "one class":
        target[:], target[0::3] = 0, np.arange(len(target[0::3])) % 3
    else:
        data = Table(data.task, data.train * 0.0, data.test * 0.0, data.target, *rest(data))
    found = fit(model, labels(target, data))
    assert np.isfinite(found.oof).all()
    np.testing.assert_allclose(found.test.sum(axis=1), 1.0)


@pytest.mark.parametrize("model", FORESTS, ids=["forest", "extra_trees"])
def test_forests_of_larger_tables_have_larger_leaves(model: ModuleType) -> None:
    task = values().task
    small, large = (model.settled(model.Recipe(), task, n_rows) for n_rows in (1_000, 1_000_000))
    assert (small.split_rows, large.split_rows) == (5, 500)
    assert 0 < small.columns <= 1


def test_levels_without_end_and_missing_values_are_split_natively() -> None:
    generator = np.random.default_rng(0)
    n = 900
    names = [f"level {i}" for i in range(400)]
    codes = generator.permutation(np.arange(n) % 400)
    number = np.where(codes < 200, np.nan, generator.normal(size=n))  # only its absence tells anything
    train = pd.DataFrame({"number": number, "word": pd.Categorical.from_codes(codes, names)})
    y = 5.0 * (codes < 200) + 0.1 * generator.normal(size=n)
    data = Table(Task("regression", Metric.from_module(rmse)), train, train[:20], y, np.arange(n), np.arange(20))
    found = fit(histogram, data, rounds=100, lr=0.3, columns=1.0)
    assert found.fold_errors.mean() < 0.5


@pytest.mark.parametrize("alone", [False, True], ids=["beside others", "alone"])
def test_a_number_that_a_fold_has_not_yet_is_left_out_there(alone: bool, tmp_path: Path) -> None:
    data = values()
    late = data.train["a"].where(np.arange(N) % 3 == 0)  # the fold that validates these rows trains on none of them
    train = pd.DataFrame({"late": late}) if alone else data.train.assign(late=late)
    found = fit(histogram, Table(data.task, train, train[:20], data.target, *rest(data)))
    assert not found.failed
    fold = found.fitted[0, 0]
    changed = train[:20].assign(late=9.0)
    np.testing.assert_array_equal(fold.predict(changed), fold.predict(train[:20]))
    assert (np.ptp(found.oof[0, ::3]) == 0) == alone
    fold.save(tmp_path)
    np.testing.assert_array_equal(histogram.load(tmp_path).predict(changed), fold.predict(changed))


def many_levels(n_levels: int) -> Table:
    """A table with a column of so many levels, the first half of which have other targets than the second."""
    data, codes = values(n=300), np.arange(300) % n_levels
    names = [f"level {i}" for i in range(n_levels)]
    train = pd.DataFrame({"word": pd.Categorical.from_codes(codes, names)})
    target = 5.0 * (codes < n_levels // 2) + 0.1 * data.target
    return Table(data.task, train, train[:20], target, *rest(data))


def test_of_few_bins_one_is_for_all_the_levels_that_have_none() -> None:
    found = fit(histogram, many_levels(100), bins=16)
    assert not found.failed
    assert np.isfinite(found.oof).all()


def test_what_scikit_learn_cannot_take_is_the_end_of_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = histogram._columns
    monkeypatch.setattr(histogram, "_columns", lambda X, most: learn(X, 10 * most))
    found = fit(histogram, many_levels(100), bins=16)
    assert found.failed.startswith("sklearn: Categorical feature")
    assert np.isnan(found.oof).all()


def test_a_mistake_of_ours_is_not_taken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "_columns", lambda *_: int("no number"))
    with pytest.raises(ValueError, match="no number"):
        fit(histogram, values())


@every
def test_less_time_means_less_work(model: ModuleType) -> None:
    recipe = model.Recipe()
    assert model.affordable(recipe, 1e5, **SIZE) == recipe
    assert model.affordable(recipe, 1e-3, **SIZE) != recipe


@every
def test_levels_are_no_codes_here(model: ModuleType) -> None:
    if model is not histogram:
        with pytest.raises(ValidationError, match="for networks"):
            model.Recipe(encode=Encode(many_levels="embedding"))


def test_a_choice_inside_a_fold_is_cut_as_the_other_folds_are() -> None:
    own = folds(30, n_folds=6)
    cuts = own.inner_cuts(0, 2)
    assert len(cuts) == 4
    for train, held in cuts:
        assert not np.intersect1d(train, held).size
        assert not np.intersect1d(own.valid_rows(0, 2), np.concatenate([train, held])).size
        assert any(np.array_equal(held, own.valid_rows(0, fold)) for fold in range(6)), "a group would stay together"


def test_in_time_the_stopping_rows_choose() -> None:
    own = folds(30, kind="time")
    (train, held) = own.inner_cuts(0, 1)[0]
    np.testing.assert_array_equal(train, own.inner_rows(0, 1))
    np.testing.assert_array_equal(held, own.stop_rows(0, 1))


SAVE = """
import numpy as np
from pathlib import Path
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from pipeline.models import _skops
X = np.random.default_rng(0).normal(size=(80, 3))
for name, made in {
    "trees": ExtraTreesClassifier(5, random_state=0),
    "boosted": HistGradientBoostingRegressor(max_iter=5, random_state=0),
    "ridge": Pipeline([("last", Ridge())]),
}.items():
    _skops.write(Path(folder) / f"{name}.skops", made.fit(X, X[:, 0] > 0))
"""


def test_what_is_kept_has_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for hashing, folder in enumerate((here, there)):  # threads are kept: an earlier test may have set this process's
        script, seeded = f"folder = {str(folder)!r}\n{SAVE}", {"PYTHONHASHSEED": str(hashing), "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", script], env=os.environ | seeded, check=True, capture_output=True)
    found = [{path.name: path.read_bytes() for path in folder.glob("*.skops")} for folder in (here, there)]
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_what_is_no_estimator_of_ours_is_not_loaded(tmp_path: Path) -> None:
    from sklearn.preprocessing import FunctionTransformer
    from skops.io.exceptions import UntrustedTypesFoundException

    _skops.write(tmp_path / "model.skops", FunctionTransformer(subprocess.run))
    with pytest.raises(UntrustedTypesFoundException):
        _skops.read(tmp_path / "model.skops")
