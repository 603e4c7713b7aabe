"""A refit changes what predicts test rows, and nothing that is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clean_tables import make_table
from heard import Heard
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_folds import alternating

from pipeline.engine.stage import Job
from pipeline.files import read_entries, read_json, write_folds, write_json, write_table
from pipeline.metrics import rmse
from pipeline.models import lightgbm, linear, ridge
from pipeline.refit import fit as refit
from pipeline.splitters import kfold
from pipeline.stages import train
from pipeline.types import CrossFit, Table

N_ROWS, N_FOLDS = 120, 4
SPLIT = {"seed": 0, "options": {}}
PLAIN_RIDGE = {"penalty": 0.1, "target": "none", "encode": {"skew": "none"}}


def jobs(folder: Path, model: Any, recipe: dict[str, Any] | None, table: Table, **config: Any) -> tuple[Job, Job]:
    """Return the job that cross-fits and the one that fits once more, both on four folds."""
    inputs = {name: folder / name for name in ("preprocess", "split", "recipe")}
    outs = folder / "train", folder / "refit"
    for path in (*inputs.values(), *outs):
        path.mkdir()
    write_table(inputs["preprocess"], table)
    write_folds(inputs["split"], alternating(N_ROWS, N_FOLDS))
    write_json(inputs["recipe"] / "recipe.json", recipe)
    config = {"entry": "one", "recipe": "recipe.json", **config}
    plugins = {"model": model, "metric": rmse}
    once = Job(config, inputs, {}, plugins, outs[0], folder, 0, Heard())
    more = {"inputs": inputs | {"train": outs[0]}, "plugins": plugins | {"splitter": kfold}}
    return once, Job(**vars(once) | more | {"config": config | {"split": SPLIT}, "out": outs[1], "seed": 1})


@pytest.mark.parametrize("config", [{}, {"pseudo": {"confidence": 0.9, "weight": 0.5}}], ids=["plain", "pseudo"])
def test_only_test_rows_are_predicted_anew(tmp_path: Path, config: dict[str, Any]) -> None:
    recipe = {"rounds": 20, "min_rows": 3}
    once, again = jobs(tmp_path, lightgbm, recipe, make_table(n_train=N_ROWS, n_test=30), **config)
    train.run(once)
    facts = refit.run(again)
    (before,), (after,) = (read_entries(job.out / "entries").values() for job in (once, again))
    for label in ("oof", "fold_errors", "train_errors", "epochs"):
        assert getattr(after, label).tobytes() == getattr(before, label).tobytes()
    assert before.apart is not None
    assert after.apart is None
    assert not np.allclose(after.test, before.test)
    (fold,) = (again.out / "fitted").iterdir()
    table = make_table(n_train=N_ROWS, n_test=30)
    np.testing.assert_array_equal(lightgbm.load(fold).predict(table.test), after.test)
    assert facts["seconds"].keys() == {"one"}


def numbers() -> Table:
    """A table without levels, which a ridge in so many words predicts."""
    table = make_table(n_train=N_ROWS, n_test=30)
    return replace(table, train=table.train[table.numeric], test=table.test[table.numeric])


def ridge_of_all_rows(penalty: float) -> np.ndarray:
    fitted = make_pipeline(StandardScaler(), Ridge(alpha=penalty * N_ROWS)).fit(numbers().train, numbers().target)
    return np.asarray(fitted.predict(numbers().test))


def test_test_rows_are_predicted_by_what_all_rows_teach(tmp_path: Path) -> None:
    once, again = jobs(tmp_path, ridge, PLAIN_RIDGE, numbers())
    train.run(once)
    refit.run(again)
    (entry,) = read_entries(again.out / "entries").values()
    np.testing.assert_allclose(entry.test[:, 0], ridge_of_all_rows(0.1), rtol=1e-5)


def test_the_recipe_means_what_it_meant_in_the_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a fold has more rows "auto" may stand for something else, which is not what was judged."""

    def settled(recipe: ridge.Recipe, task: object, n_rows: int) -> ridge.Recipe:  # noqa: ARG001
        return recipe.model_copy(update={"penalty": 0.5 if n_rows == N_ROWS - N_ROWS // N_FOLDS else 0.1})

    once, again = jobs(tmp_path, ridge, PLAIN_RIDGE, numbers())
    train.run(once)
    monkeypatch.setattr(ridge, "settled", settled)
    refit.run(again)
    (entry,) = read_entries(again.out / "entries").values()
    np.testing.assert_allclose(entry.test[:, 0], ridge_of_all_rows(0.5), rtol=1e-5)


@pytest.mark.parametrize("patience", [0, 3], ids=["before", "in the middle"])
def test_where_time_is_up_the_folds_models_stay(tmp_path: Path, patience: int) -> None:
    once, again = jobs(tmp_path, linear, {"epochs": 20}, make_table(n_train=N_ROWS, n_test=30))
    train.run(once)
    facts = refit.run(replace(again, log=Heard(patience)))
    assert facts["truncated"] == [f"one: {refit.LATE}"]
    (before,), (after,) = (read_entries(job.out / "entries").values() for job in (once, again))
    assert after.test.tobytes() == before.test.tobytes()
    assert after.apart is not None
    assert not (again.out / "fitted").exists()


@pytest.mark.parametrize(("factor", "n_said"), [(3.0, 0), (10.0, 1)])
def test_a_refit_that_predicts_quite_other_things_is_told_of(factor: float, n_said: int) -> None:
    apart = np.random.default_rng(0).normal(size=(4, 30, 1))
    nothing = np.zeros((1, 2))
    entry = CrossFit(np.zeros((1, 8, 1)), apart.mean(axis=0), nothing, nothing, nothing, "none", apart=apart)
    found = refit._joined(entry, replace(entry, test=entry.test + factor * np.abs(apart[0]))).findings
    assert len(found) == n_said
    assert all("look at the recipe" in line for line in found)


def test_a_model_that_was_left_out_stays_so(tmp_path: Path) -> None:
    once, again = jobs(tmp_path, ridge, None, make_table(n_train=N_ROWS, n_test=30))
    assert train.run(once) == refit.run(again) == {"recipe": {}}
    assert read_entries(again.out / "entries") == {}
    assert read_json(again.out / "entries" / "none.json")


def test_the_log_and_the_facts_say_what_auto_stood_for(tmp_path: Path) -> None:
    once, _ = jobs(tmp_path, lightgbm, {"rounds": 20}, make_table(n_train=N_ROWS, n_test=30))
    recipe = train.run(once)["recipe"]
    stated = lightgbm.Recipe(rounds=20).model_dump(mode="json")
    chosen = {key: value for key, value in recipe.items() if value != stated[key]}
    assert "lr" in chosen
    assert {stated[key] for key in chosen} == {"auto"}
    assert "auto" not in chosen.values()
    assert f"one: auto is {', '.join(f'{key} {value}' for key, value in chosen.items())}" in once.log.infos
