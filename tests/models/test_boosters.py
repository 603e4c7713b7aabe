"""Boosters: stopping finds the rounds and all rows are used, rare classes and new levels are taken, budgets bind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from elsewhere import elsewhere
from heard import Heard
from pydantic import ValidationError
from small_folds import alternating

from pipeline.errors import ConfigError
from pipeline.metrics import log_loss, rmse
from pipeline.models import _fold_recipe, catboost, histogram, lightgbm, xgboost
from pipeline.models._folds import Learnt, Lesson
from pipeline.spread import Spread, in_turn
from pipeline.types import CrossFit, Metric, Table, Task

BOOSTERS = [catboost, histogram, lightgbm, xgboost]
QUICK = {"rounds": 80, "patience": 5, "lr": 0.2}
MORE = {histogram: {"min_rows": 3}, lightgbm: {"min_rows": 3}, catboost: {"depth": 4}, xgboost: {"depth": 3}}
REFUSED = {
    catboost: [{"bins": 65_536}, {"one_hot": 65_536}],
    histogram: [{"bins": 1}, {"bins": 256}],
    lightgbm: [{"bins": 1}, {"leaves": 131_073}],
    xgboost: [{"bins": 1}],
}
N = 200
FOLDS = alternating(N, 2, every=4)
pytestmark = pytest.mark.parametrize("model", BOOSTERS, ids=lambda model: model.__name__.rpartition(".")[2])


def values(seed: int = 0) -> Table:
    generator = np.random.default_rng(seed)
    X = pd.DataFrame(generator.normal(size=(N, 4)), columns=list("abcd"))
    y = 3 * X["a"].to_numpy() + np.abs(X["b"].to_numpy()) + 0.3 * generator.normal(size=N)
    return Table(Task("regression", Metric.from_module(rmse)), X, X[:20], y, np.arange(N), np.arange(20))


def fit(model: ModuleType, data: Table, **settings: object) -> CrossFit:
    recipe = model.Recipe(**(QUICK | MORE[model] | settings))
    return model.cross_fit({"entry": recipe}, data, FOLDS, seed=0, log=Heard())["entry"]


def test_stopping_rows_find_the_rounds_and_are_learnt_from_after_all(model: ModuleType) -> None:
    data = values()
    found = fit(model, data)
    assert (found.epochs >= 1).all()
    assert (found.epochs < 80).all()
    fixed = fit(model, data, stop_on="none", rounds=int(found.epochs[0, 0]))
    rows = FOLDS.valid_rows(0, 0)
    np.testing.assert_allclose(found.oof[0, rows], fixed.oof[0, rows], rtol=1e-6)


@pytest.mark.parametrize(("few", "searches"), [(N, 3), (10, 1)])
def test_of_few_rows_all_other_folds_choose_the_rounds(
    model: ModuleType, few: int, searches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, fitted, learn = [], [], model._learn

    def watched(lesson: Lesson) -> Learnt:
        learnt = learn(lesson)
        (fitted if lesson.stop is None else found).append(learnt.rounds)
        return learnt

    monkeypatch.setattr(model, "_learn", watched)
    monkeypatch.setattr(_fold_recipe, "FEW", few)
    cut = alternating(N, 4)
    model.cross_fit({"entry": model.Recipe(**(QUICK | MORE[model]))}, values(), cut, seed=0, log=Heard())
    assert fitted == [round(np.mean(of_fold)) for of_fold in np.reshape(found, (4, searches))]


def test_a_fold_that_stops_on_its_own_rows_says_so(model: ModuleType) -> None:
    found = fit(model, values(), stop_on="fold", patience=80)
    assert found.stop_on == "fold"
    assert found.fold_errors.mean() <= fit(model, values(), stop_on="none").fold_errors.mean()
    found = fit(model, values(), stop_on="fold")
    fixed, rows = fit(model, values(), stop_on="none", rounds=int(found.epochs[0, 0])), FOLDS.valid_rows(0, 0)
    np.testing.assert_allclose(found.oof[0, rows], fixed.oof[0, rows], rtol=1e-6)


def test_absolute_loss_aims_at_the_median_of_a_skewed_target(model: ModuleType, tmp_path: Path) -> None:
    data = values()
    noise = np.random.default_rng(1).exponential(size=N) ** 2  # its mean is 2, its median .48
    data = replace(data, target=data.train["a"].to_numpy() + noise)
    rows = FOLDS.valid_rows(0, 0)

    def below(found: CrossFit) -> float:
        return float((data.target[rows] < found.oof[0, rows, 0]).mean())

    squared, absolute = (fit(model, data, loss=loss, lr=0.05) for loss in ("squared", "absolute"))
    assert below(absolute) < below(squared) - 0.05
    absolute.fitted[0, 0].save(tmp_path)
    found = model.load(tmp_path).predict(data.test)
    np.testing.assert_array_equal(found, absolute.fitted[0, 0].predict(data.test))


def test_classes_know_no_other_loss(model: ModuleType) -> None:
    data = values()
    task = Task("binary", Metric.from_module(log_loss), ("no", "yes"))
    data = replace(data, task=task, target=(data.target > 0).astype(np.int64))
    with pytest.raises(ConfigError, match="'absolute' does not suit a binary task"):
        fit(model, data, loss="absolute")


def of_four_classes() -> Table:
    """A table of which one class has two rows and one a single one: row 2, which fold 0 validates."""
    data = values()
    target = (data.target > 0).astype(np.int64)
    target[:2], target[2] = 2, 3
    return replace(data, task=Task("multiclass", Metric.from_module(log_loss), ("a", "b", "c", "d")), target=target)


def test_a_class_that_a_fold_never_saw_has_a_probability_all_the_same(
    model: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = of_four_classes()
    found = fit(model, data)
    assert capfd.readouterr() == ("", "")
    assert found.oof.shape == (1, N, 4)
    assert found.oof[0, 2, 3] >= 1 / (N / 2 + 4)  # as of one row more of each class
    assert found.oof[0, 4::2, 3].mean() < 2 / (N / 2 + 4)
    np.testing.assert_allclose(found.oof.sum(axis=2), 1.0)
    found.fitted[0, 0].save(tmp_path)
    np.testing.assert_array_equal(model.load(tmp_path).predict(data.test), found.fitted[0, 0].predict(data.test))


def test_a_class_of_which_no_row_counts_is_one_that_the_fold_never_saw(model: ModuleType) -> None:
    data = of_four_classes()
    found = fit(model, replace(data, weight=np.where(data.target == 2, 0.0, 1.0)), stop_on="none")
    assert (found.oof[0, :, 2] >= 1 / (N / 2 + 4)).all()


@pytest.mark.parametrize(
    "column",
    [pd.Series([7.0]), pd.Series([np.nan]), pd.Series(["x"], dtype=pd.CategoricalDtype(["x", "y"]))],
    ids=["numbers", "nothing", "levels"],
)
@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_a_fold_whose_columns_are_constant_predicts_a_constant(model: ModuleType, kind: str, column: pd.Series) -> None:
    data = values() if kind == "regression" else of_four_classes()
    train = pd.DataFrame({"one": column.repeat(N).reset_index(drop=True)})
    test = train[:20].assign(one=8.0 if train["one"].dtype == "float64" else pd.Series(["y"] * 20, dtype=column.dtype))
    found = fit(model, replace(data, train=train, test=test), stop_on="none")
    assert not found.failed
    own = FOLDS.valid_rows(0, 0)
    assert np.ptp(found.oof[0, own], axis=0).max() == 0
    rows = data.target[FOLDS.train_rows(0, 0)]
    expected = np.bincount(rows, minlength=4) / len(rows) if data.task.classes else [rows.mean()]
    np.testing.assert_allclose(found.oof[0, own[0]], expected, atol=0.05 if data.task.classes else 0.3)
    assert np.isfinite(found.test).all()


def test_numbers_that_differ_beyond_single_precision_alone_are_no_failure(model: ModuleType) -> None:
    rows = pd.DataFrame({"one": 7 + 1e-9 * np.arange(N)})
    assert not fit(model, replace(values(), train=rows, test=rows[:20]), stop_on="none").failed


OTHER: dict[ModuleType, dict[str, object]] = {
    catboost: {"depth": 2, "subsample": 0.5, "l2": 50.0, "noise": 9.0, "leaf_steps": 5, "one_hot": 9, "bins": 3},
    histogram: {"leaves": 3, "min_rows": 30, "columns": 0.3, "l2": 50.0, "bins": 3},
    lightgbm: {"leaves": 3, "min_rows": 30, "subsample": 0.4, "columns": 0.3, "l2": 50.0, "level_rows": 50, "bins": 3}
    | {"extra_trees": True},
    xgboost: {"depth": 1, "min_weight": 30.0, "subsample": 0.4, "columns": 0.3, "level_columns": 0.3, "l2": 50.0}
    | {"bins": 3},
}


def test_every_setting_makes_a_difference(model: ModuleType) -> None:
    data, levels = values(), np.arange(N) // 2 % 6
    rows = data.train.assign(e=pd.Categorical.from_codes(levels, list("uvwxyz")))
    data = replace(data, train=rows, test=rows[:20], target=data.target + np.array([0, 2, 1, 5, 3, 4])[levels])
    usual = {"stop_on": "none", "rounds": 10}
    oof = fit(model, data, **usual).oof
    same = [
        name for name, value in OTHER[model].items() if (fit(model, data, **(usual | {name: value})).oof == oof).all()
    ]
    assert not same


def test_levels_that_only_test_rows_have_are_predicted(model: ModuleType) -> None:
    data = values()
    levels = pd.CategoricalDtype(["missing", "nan", "new", "x", "y"])
    words = np.where(data.train["a"] > 0, "x", "y").astype(object)
    words[::7] = None
    words[1::7] = "nan"
    train = data.train.assign(word=pd.Series(words, dtype=levels))
    test = data.test.assign(word=pd.Series(["new"] * 20, dtype=levels))
    found = fit(model, Table(data.task, train, test, data.target, data.train_ids, data.test_ids))
    assert np.isfinite(found.test).all()


def test_a_column_of_levels_of_which_it_has_none_is_taken(model: ModuleType) -> None:
    data = values()
    empty = pd.Series([None] * N, dtype=pd.CategoricalDtype([]))
    found = fit(model, replace(data, train=data.train.assign(word=empty), test=data.test.assign(word=empty[:20])))
    assert not found.failed
    assert found.fold_errors.mean() < 2


def test_what_the_library_would_refuse_the_recipe_does(model: ModuleType) -> None:
    for settings in REFUSED[model]:
        with pytest.raises(ValidationError, match=next(iter(settings))):
            model.Recipe(**settings)


def test_a_level_called_missing_is_not_a_missing_value(model: ModuleType, tmp_path: Path) -> None:
    data, known = values(), pd.CategoricalDtype(["missing", "x"])
    train = pd.DataFrame({"word": pd.Series(np.random.default_rng(0).choice(["missing", "x", None], N), dtype=known)})
    target = np.where(train["word"].isna(), 0.0, 10.0) + 0.1 * data.target
    found = fit(model, Table(data.task, train, train[:20], target, data.train_ids, data.test_ids))
    assert found.fold_errors.mean() < 1
    found.fitted[0, 0].save(tmp_path)
    rows = train[:20].astype(object)
    np.testing.assert_array_equal(model.load(tmp_path).predict(rows), found.fitted[0, 0].predict(train[:20]))


@pytest.mark.parametrize("spread", [in_turn, elsewhere])
def test_recipes_that_time_leaves_no_room_for_are_not_begun(model: ModuleType, spread: Spread) -> None:
    recipes = {name: model.Recipe(**(QUICK | MORE[model])) for name in ("first", "second")}
    entries = model.cross_fit(recipes, values(), FOLDS, seed=0, log=Heard(patience=0), spread=spread)
    assert not entries["first"].truncated
    assert entries["second"].truncated
    assert entries["second"].failed


def test_short_time_means_fewer_rounds_and_enough_of_it_none(model: ModuleType) -> None:
    size = {"n_train": 5_000, "n_test": 100, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
    recipe = model.Recipe()
    assert model.affordable(recipe, 1e4, **size) == recipe
    rounds = [model.affordable(recipe, minutes, **size).rounds for minutes in (0.001, 0.1, 1.0)]
    assert rounds == sorted(rounds)
    assert rounds[0] == 100


def test_where_time_is_short_the_rounds_are_searched_for_among_fewer(model: ModuleType) -> None:
    size = {"n_train": 5_000, "n_test": 100, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
    recipe = model.Recipe()
    full = model.seconds(recipe, **size)
    less = model.affordable(recipe, 0.6 * full / 60, **size)
    assert less.stop_on == "inner"
    assert less.rounds < 500
    assert less.patience < recipe.patience
    assert model.seconds(less, **size) <= 0.6 * full
    assert model.affordable(recipe, 0.2 * full / 60, **size).stop_on == "none"


def test_seeds_are_averaged_and_all_of_them_kept(model: ModuleType, tmp_path: Path) -> None:
    data, settings = values(), {"columns": 0.5, "subsample": 0.7, "stop_on": "none", "rounds": 20}
    settings = {name: value for name, value in settings.items() if name in model.Recipe.model_fields}
    one, many = (fit(model, data, n_seeds=n, **settings) for n in (1, 3))
    assert np.abs(one.test - many.test).max() > 0
    kept = many.fitted[0, 0]
    kept.save(tmp_path)
    np.testing.assert_array_equal(model.load(tmp_path).predict(data.test), kept.predict(data.test))
    first = replace(kept, models=kept.models[:1])
    np.testing.assert_array_equal(first.predict(data.test), one.fitted[0, 0].predict(data.test))


def test_short_time_means_fewer_seeds_first(model: ModuleType) -> None:
    size = {"n_train": 5_000, "n_test": 100, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
    recipe = model.Recipe(n_seeds=10)
    enough = next(
        minutes for minutes in np.geomspace(0.1, 1e4, 200) if model.affordable(recipe, minutes, **size) == recipe
    )
    cut = model.affordable(recipe, enough / 2, **size)
    assert 1 <= cut.n_seeds < 10
    assert cut.rounds == recipe.rounds


def test_columns_may_have_any_name(model: ModuleType) -> None:
    data = values()
    names = dict(zip("abcd", ["Age [years]", "a, b: {c}", "x<y", "a b"], strict=True))
    renamed = Table(data.task, data.train.rename(columns=names), data.test.rename(columns=names), *rest(data))
    np.testing.assert_array_equal(fit(model, renamed).test, fit(model, data).test)


def rest(data: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return data.target, data.train_ids, data.test_ids


def test_what_the_library_refuses_is_a_failed_entry_and_not_a_crash(
    model: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = {histogram: "sklearn"}.get(model, model.__name__.rpartition(".")[2])
    refusal = type("RefusalError", (Exception,), {"__module__": f"_{name}"})

    def refuse(_: object) -> None:
        raise refusal("all features are constant\nand more")

    monkeypatch.setattr(model, "_learn", refuse)
    found = fit(model, values())
    assert found.failed == f"{name}: all features are constant"
    assert np.isnan(found.fold_errors).all()


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_a_fold_may_train_on_one_value_of_the_target_alone(model: ModuleType, kind: str) -> None:
    classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c")}.get(kind, ())
    data, own = values(), FOLDS.valid_rows(0, 0)
    target = np.zeros(N, dtype=np.int64)
    target[own[::3]] = 1
    target[own[1::3]] = max(1, len(classes) - 1)
    task = Task(kind, Metric.from_module(log_loss if classes else rmse), classes)
    found = fit(model, replace(data, task=task, target=target if classes else target.astype(float)))
    assert not found.failed
    predicted = found.oof[0, own]
    assert (predicted[:, 0] > 0.9).all() if classes else np.abs(predicted).max() < 0.01
