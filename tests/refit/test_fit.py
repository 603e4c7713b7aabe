"""A refit changes what predicts test rows, and nothing that is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clean_tables import make_folds, make_table
from heard import Heard
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.engine.stage import Job
from pipeline.files import read_entries, read_json, write_folds, write_json, write_table
from pipeline.metrics import rmse
from pipeline.models import lightgbm, ridge
from pipeline.refit import fit as refit
from pipeline.splitters import kfold
from pipeline.stages import train
from pipeline.types import Table

N_ROWS = 120
SPLIT = {"seed": 0, "options": {}}


def jobs(folder: Path, model: Any, recipe: dict[str, Any] | None, table: Table, **config: Any) -> tuple[Job, Job]:
    """Return the job that cross-fits and the one that fits once more, both on four folds."""
    inputs = {name: folder / name for name in ("preprocess", "split", "recipe")}
    outs = folder / "train", folder / "refit"
    for path in (*inputs.values(), *outs):
        path.mkdir()
    write_table(inputs["preprocess"], table)
    write_folds(inputs["split"], make_folds(N_ROWS))
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


def test_test_rows_are_predicted_by_what_all_rows_teach(tmp_path: Path) -> None:
    table = make_table(n_train=N_ROWS, n_test=30)
    table = replace(table, train=table.train[table.numeric], test=table.test[table.numeric])
    recipe = {"penalty": 0.1, "target": "none", "encode": {"skew": "none"}}
    once, again = jobs(tmp_path, ridge, recipe, table)
    train.run(once)
    refit.run(again)
    (entry,) = read_entries(again.out / "entries").values()
    library = make_pipeline(StandardScaler(), Ridge(alpha=0.1 * N_ROWS)).fit(table.train, table.target)
    np.testing.assert_allclose(entry.test[:, 0], library.predict(table.test), rtol=1e-5)


def test_all_rows_are_learnt_with_what_the_recipe_meant_in_the_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "auto" may stand for something else where a fold has more rows: that is not what was judged."""
    seen: list[int] = []

    def settled(recipe: ridge.Recipe, task: object, n_rows: int) -> ridge.Recipe:  # noqa: ARG001
        seen.append(n_rows)
        return recipe.model_copy(update={"penalty": 90 / n_rows})

    once, again = jobs(tmp_path, ridge, {"penalty": 1.0}, make_table(n_train=N_ROWS, n_test=30))
    train.run(once)
    monkeypatch.setattr(ridge, "settled", settled)
    assert refit.run(again)["recipe"]["penalty"] == 1.0
    assert seen == [90]


def test_a_model_that_was_left_out_stays_so(tmp_path: Path) -> None:
    once, again = jobs(tmp_path, ridge, None, make_table(n_train=N_ROWS, n_test=30))
    assert train.run(once) == refit.run(again) == {"recipe": {}}
    assert read_entries(again.out / "entries") == {}
    assert read_json(again.out / "entries" / "none.json")
