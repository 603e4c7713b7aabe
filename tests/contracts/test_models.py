"""What every model of pipeline/models/ must do, whatever it is: a new one is tested by being there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import forked
import kept
import numpy as np
import pandas as pd
import pytest
from elsewhere import elsewhere
from model_cases import CASES, KINDS, NAMES, REFITTED, fit, fitted, folds, module, table, whole
from pydantic import ValidationError

from pipeline.config import load_experiment
from pipeline.errors import ConfigError
from pipeline.models import _optional
from pipeline.stages.train import save_fitted
from pipeline.types import VALID, CrossFit
from pipeline.workspace import Workspace

SIZE = {"n_train": 1_000, "n_test": 500, "n_columns": 30, "n_outputs": 1, "n_fits": 5}
SEALED = {"regression": (0, 0), "multiclass": (1, 2)}
"""Which fold must not notice a change, by kind of task."""
NETWORKS = ("linear", "mlp", "realmlp", "tabm")
"""Folds train as one: those of others may end earlier, which moves float32 by its rounding."""
UNNOTICED = [(name, kind) for name, kind in CASES if kind in SEALED]


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_default_and_a_description(name: str) -> None:
    fields = module(name).Recipe.model_fields
    module(name).Recipe()
    assert [field for field, info in fields.items() if not info.description] == []


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameters_are_refused_and_recipes_frozen(name: str) -> None:
    with pytest.raises(ValidationError, match="extra"):
        module(name).Recipe(misspelt=1)
    recipe = module(name).Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(recipe, next(iter(type(recipe).model_fields)), 1)


@pytest.mark.parametrize("name", NAMES)
def test_recipes_survive_json(name: str) -> None:
    recipe = module(name).Recipe()
    assert module(name).Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "SPACE")])
def test_its_own_search_space_is_one_that_its_recipe_takes(name: str, tmp_path: Path) -> None:
    assert section(tmp_path, name, 'tune = "default"').space.keys() == module(name).SPACE.keys()


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "SPACE")])
@pytest.mark.parametrize("n_rows", [1_000, 50_000])
@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_its_defaults_lie_in_its_own_search_space(name: str, n_rows: int, kind: str, tmp_path: Path) -> None:
    """A search compares what it finds to the default; what is chosen inside the fold lies in no range."""
    default = _optional.settled(module(name), module(name).Recipe(), table(kind).task, n_rows).model_dump(mode="json")
    space = section(tmp_path, name, 'tune = "default"').space
    asked = {own: dimension for own, dimension in space.items() if default[own] != "inner" and not dimension.when}
    assert not [own for own, dimension in asked.items() if not dimension.holds(default[own])]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('leaves = { tune = "uniform", low = 2, high = 30 }', "leaves: leaves.*valid integer"),
        ('n_seeds = { tune = "int", low = 1, high = 4 }', "n_seeds: trials have one seed each"),
    ],
)
def test_a_space_that_no_search_could_use_is_refused(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        section(tmp_path, "lightgbm", line)


def section(folder: Path, name: str, line: str) -> Any:
    """Return a model's section with this line in it, as an experiment reads it."""
    (folder / "shop").mkdir()
    (folder / "shop" / "competition.toml").touch()
    (folder / "shop" / "default.toml").write_text(f"[models.{name}]\n{line}\n")
    return load_experiment(Workspace(folder, folder, folder), "shop", "default").models[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_smaller_budget_never_asks_for_more(name: str) -> None:
    plugin = module(name)
    recipe = plugin.Recipe()
    assert plugin.affordable(recipe, 10_000.0, **SIZE) == recipe
    less, least = (plugin.affordable(recipe, minutes, **SIZE) for minutes in (0.1, 0.001))
    assert isinstance(least, plugin.Recipe)
    assert plugin.seconds(least, **SIZE) <= plugin.seconds(less, **SIZE) <= plugin.seconds(recipe, **SIZE)
    assert plugin.SHARE >= 0


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "for_tuning")])
def test_a_trial_of_what_can_be_tuned_has_a_price(name: str) -> None:
    plugin = module(name)
    recipe = plugin.Recipe()
    assert 0 < plugin.seconds(plugin.for_tuning(recipe), **SIZE) <= plugin.seconds(recipe, **SIZE)


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "settled")])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_rows", [500, 50_000])
def test_what_is_settled_has_numbers_where_numbers_belong(name: str, kind: str, n_rows: int) -> None:
    plugin, task = module(name), table(kind).task
    settled = plugin.settled(plugin.Recipe(), task, n_rows)
    assert plugin.Recipe.model_validate(settled.model_dump()) == settled
    assert [field for field, value in settled if value == "auto" and field not in ("target", "loss")] == []
    assert plugin.settled(settled, task, n_rows) == settled


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "settled")])
def test_what_a_recipe_says_is_not_settled_otherwise(name: str) -> None:
    plugin, task = module(name), table("regression").task
    small, large = (dict(plugin.settled(plugin.Recipe(), task, n_rows)) for n_rows in (500, 50_000))
    for field in [field for field in small if small[field] != large[field]]:
        assert dict(plugin.settled(plugin.Recipe(**{field: large[field]}), task, 500))[field] == large[field]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_exactly_the_rows_that_validate_are_predicted(name: str, kind: str) -> None:
    wanted = (folds().role == VALID).any(axis=1)
    for entry in fitted(name, kind).values():
        assert entry.oof.shape == (2, 120, table(kind).task.n_outputs)
        assert (np.isfinite(entry.oof).all(axis=2) == wanted).all()
        assert entry.test.shape == (30, table(kind).task.n_outputs)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_folds_own_predictions_are_kept_where_they_are_known(name: str, kind: str) -> None:
    for entry in fitted(name, kind).values():
        if entry.reference or name in REFITTED or hasattr(module(name), "sources"):
            assert entry.apart is None
        else:
            assert entry.apart is not None
            assert entry.apart.shape == (6, 30, table(kind).task.n_outputs)
            assert np.ptp(entry.apart, axis=0).max() > 0
            np.testing.assert_allclose(entry.apart.mean(axis=0), entry.test, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "SPACE")])
def test_of_a_search_which_has_no_test_rows_only_what_it_reads_is_kept(name: str) -> None:
    data = table("regression")
    (entry,) = fit(name, data.without_test()).values()
    assert not entry.fitted
    np.testing.assert_array_equal(entry.oof, fitted(name, "regression")["entry"].oof)


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if table(case[1]).task.classes])
def test_classes_are_predicted_as_probabilities(name: str, kind: str) -> None:
    for entry in fitted(name, kind).values():
        predictions = np.concatenate([entry.oof[np.isfinite(entry.oof).all(axis=2)], entry.test])
        assert predictions.min() >= 0
        np.testing.assert_allclose(predictions.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_fold_errors_are_those_of_the_predictions(name: str, kind: str) -> None:
    data = table(kind)
    for entry in fitted(name, kind).values():
        for repeat, fold in folds():
            rows = folds().valid_rows(repeat, fold)
            error = data.task.metric.error(data.target[rows], entry.oof[repeat, rows])
            assert entry.fold_errors[repeat, fold] == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_something_is_learnt(name: str, kind: str) -> None:
    data = table(kind)
    if data.task.classes:
        constant = np.tile(np.bincount(data.target) / 120, (120, 1))
    else:
        constant = np.tile(data.target.mean(axis=0), (120, 1))
    best = min(float(entry.fold_errors.mean()) for entry in fitted(name, kind).values())
    assert best < 0.8 * data.task.metric.error(data.target, constant)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bits_on_another_machine(name: str, tmp_path: Path) -> None:
    again, first = fit(name, table("regression"), spread=elsewhere), fitted(name, "regression")
    for label, entry in first.items():
        np.testing.assert_array_equal(again[label].oof, entry.oof)
        np.testing.assert_array_equal(again[label].test, entry.test)
    if name != "autogluon":  # whose archive holds the time of its making
        save_fitted(first, tmp_path / "first")
        save_fitted(again, tmp_path / "again")
        for path in (path for path in (tmp_path / "first").rglob("*") if path.is_file()):
            there = tmp_path / "again" / path.relative_to(tmp_path / "first")
            assert there.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if not hasattr(module(case[0]), "NOT_REFITTED")])
def test_a_fold_of_all_rows_that_validates_none_is_fitted_all_the_same(name: str, kind: str) -> None:
    data = table(kind)
    (entry,) = fit(name, data, cut=whole()).values()
    assert np.isnan(entry.oof).all()
    assert np.isnan(entry.fold_errors).all()
    np.testing.assert_allclose(entry.fitted[0, 0].predict(data.test), entry.test, rtol=1e-6, atol=1e-9)
    near = np.abs(entry.test - fitted(name, kind)["entry"].test).mean()
    assert 0 < near < np.abs(entry.test - entry.test.mean(axis=0)).mean()


def honest(name: str, kind: str) -> list[str]:
    """Return the entries that do not say that they stopped on the fold's own rows."""
    labels = [label for label, entry in fitted(name, kind).items() if entry.stop_on != "fold" and not entry.reference]
    return labels or pytest.skip("every entry says that it stopped on the fold's own rows")


def assert_unmoved(name: str, kind: str, changed: Mapping[str, CrossFit], repeat: int, rows: np.ndarray) -> None:
    alike = {"rtol": 1e-5} if name in NETWORKS else {"rtol": 0, "atol": 0}
    for label in honest(name, kind):
        before = fitted(name, kind)[label].oof[repeat, rows]
        np.testing.assert_allclose(changed[label].oof[repeat, rows], before, **alike)


@pytest.mark.parametrize(("name", "kind"), UNNOTICED)
def test_a_folds_own_labels_do_not_reach_its_predictions(name: str, kind: str) -> None:
    honest(name, kind)
    data, (repeat, fold) = table(kind), SEALED[kind]
    rows = folds().valid_rows(repeat, fold)
    target = data.target.copy()
    target[rows] = (target[rows] + 1) % 3 if data.task.classes else target[rows][::-1] * 5 + 100
    assert_unmoved(name, kind, fit(name, replace(data, target=target)), repeat, rows)


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows far from where they were, without a missing value, and of one level that train does not have."""
    colour = pd.Categorical(["seen only in test"] * len(rows), categories=rows["colour"].cat.categories)
    return (100 + 5 * rows[["x0", "x1", "x2"]].fillna(0.0)).assign(colour=colour)


@pytest.mark.parametrize(("name", "kind"), UNNOTICED)
def test_a_fold_does_not_notice_other_rows_to_validate_or_to_test(name: str, kind: str) -> None:
    """Every second row that a fold validates is another, and so is all of test: it predicts the rest as before."""
    honest(name, kind)
    data, (repeat, fold) = table(kind), SEALED[kind]
    rows = folds().valid_rows(repeat, fold)
    stays = ~np.isin(np.arange(120), rows[::2])
    moved = shifted(data.train)
    train = pd.DataFrame({column: data.train[column].where(stays, moved[column]) for column in data.train})
    changed = fit(name, replace(data, train=train, test=shifted(data.test)))
    assert_unmoved(name, kind, changed, repeat, rows[1::2])


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "load")])
def test_what_is_kept_predicts_every_entry_in_a_new_process(name: str, tmp_path: Path) -> None:
    """The mean over all that was kept predicts the test rows as the entry does, wherever the folder lies by then."""
    folders = {kind: tmp_path / kind for case, kind in CASES if case == name}
    for kind, folder in folders.items():
        save_fitted(fitted(name, kind), folder / "made here")
        (folder / "made here").rename(folder / "fitted")
        table(kind).test.to_parquet(folder / "rows.parquet")
        (folder / "names.json").write_text(json.dumps(list(fitted(name, kind))))
    for kind, predicted in zip(folders, forked.call(kept.predictions, name, [*folders.values()]), strict=True):
        for found, entry in zip(predicted, fitted(name, kind).values(), strict=True):
            np.testing.assert_allclose(found, entry.test, rtol=1e-6, atol=1e-9)
