"""What every model of pipeline/models/ must do, whatever it is: a new one is tested by being there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from elsewhere import elsewhere
from heard import Heard
from own_files import write_own
from pydantic import ValidationError

from pipeline.config import load_experiment
from pipeline.engine import plugins
from pipeline.extra.rows import Extra, cross_fit
from pipeline.metrics import log_loss, rmse
from pipeline.spread import Spread, in_turn
from pipeline.stages.train import save_fitted
from pipeline.types import STOP, TRAIN, VALID, CrossFit, Folds, Metric, Table, Task
from pipeline.workspace import Workspace

NAMES = plugins.names("models")
KINDS = ("regression", "binary", "multiclass")
QUICK: dict[str, dict[str, Any]] = {
    "autogluon": {"models": {"GBM": [{"num_boost_round": 20}]}},
    "catboost": {"rounds": 60, "depth": 4, "lr": 0.2},
    "extra_trees": {"trees": 20},
    "forest": {"trees": 20},
    "h2o": {"n_models": 1, "algorithms": ("GBM",)},
    "histogram": {"rounds": 60, "min_rows": 3, "lr": 0.1},
    "lightgbm": {"rounds": 60, "min_rows": 3, "lr": 0.1},
    "linear": {"epochs": 60},
    "mlp": {"hidden": (16,), "epochs": 25, "n_seeds": 2, "batch_size": 32, "dropout": 0.1},
    "realmlp": {"hidden": (16,), "epochs": 40, "n_seeds": 2, "batch_size": 32},
    "xgboost": {"rounds": 60, "depth": 3, "lr": 0.1, "min_weight": 1.0},
    "tabm": {"k": 4, "width": 16, "epochs": 25, "batch_size": 16, "lr": 0.01, "embedding_numeric_parts": 8},
}
REFITTED = ("h2o",)  # whose one model of all rows predicts the test rows
SLOW = ("autogluon", "h2o")  # tried on one kind of task only
EXTRAS = ("h2o",)  # fitted where they are installed only
CASES = [(name, kind) for name in NAMES for kind in KINDS if name not in SLOW or kind == "regression"]
SIZE = {"n_train": 1_000, "n_test": 500, "n_columns": 30, "n_outputs": 1, "n_fits": 5}

READ = """
import json, sys, numpy as np, pandas as pd
from pathlib import Path
from pipeline.engine.plugins import find, load
model = load(find("models", sys.argv[1], where="test"))
for folder in map(Path, sys.argv[2:]):
    rows = pd.read_parquet(folder / "rows.parquet")
    for number, name in enumerate(json.loads((folder / "names.json").read_text())):
        fits = [model.load(fit, *name.split("/")[1:]) for fit in sorted(folder.glob("fitted/*"))]
        np.save(folder / f"{number}.npy", np.mean([fit.predict(rows) for fit in fits], axis=0))
"""


def frame(generator: np.random.Generator, n: int, levels: list[str]) -> pd.DataFrame:
    columns: dict[str, Any] = {f"x{i}": generator.normal(size=n) for i in range(3)}
    columns["x1"][generator.random(n) < 0.1] = np.nan
    colours = np.where(generator.random(n) < 0.1, None, generator.choice(levels, n))
    columns["colour"] = pd.Categorical(
        colours, categories=sorted({"blue", "green", "red", "seen only in test", *levels})
    )
    return pd.DataFrame(columns)


@cache
def table(kind: str) -> Table:
    """120 rows whose target follows from x0 and the colour, with missing values and a level seen only in test."""
    generator = np.random.default_rng(0)
    train = frame(generator, 120, ["blue", "green", "red"])
    test = frame(generator, 30, ["blue", "seen only in test"])
    signal = 3 * train["x0"].to_numpy() + 2 * (train["colour"] == "red").to_numpy() + generator.normal(size=120) * 0.3
    classes = {"regression": (), "binary": ("no", "yes"), "multiclass": ("a", "b", "c")}[kind]
    target = (
        10 + signal
        if not classes
        else np.searchsorted(np.quantile(signal, np.arange(1, len(classes)) / len(classes)), signal)
    )
    metric = Metric.from_module(log_loss if classes else rmse)
    return Table(Task(kind, metric, classes), train, test, target, np.arange(120), np.arange(30))


@cache
def folds() -> Folds:
    """Two repeats of three folds; some rows of the second repeat validate nowhere."""
    role = np.full((2, 3, 120), TRAIN, dtype=np.int8)
    for repeat in range(2):
        order = np.random.default_rng(repeat).permutation(120)
        for fold in range(3):
            role[repeat, fold, order[fold::3]] = VALID
            role[repeat, fold, order[(fold + 1) % 3 :: 3][:20]] = STOP
    role[1, 0][np.flatnonzero(role[1, 0] == VALID)[:10]] = TRAIN
    return Folds(role)


def module(name: str) -> ModuleType:
    return plugins.load(plugins.find("models", name, where="test"))


def fit(name: str, data: Table, seed: int = 0, spread: Spread = in_turn, **settings: Any) -> dict[str, CrossFit]:
    recipe = module(name).Recipe(**(QUICK.get(name, {}) | settings))
    if name in EXTRAS:
        pytest.importorskip(name, reason=f"the extra {name} is not installed")
    how = made_elsewhere(data.task.kind) if hasattr(module(name), "sources") else {}
    return module(name).cross_fit({"entry": recipe}, data, folds(), seed=seed, log=Heard(), spread=spread, **how)


@cache
def made_elsewhere(kind: str) -> dict[str, Any]:
    """Write what the ridge predicts to files; return what a model that reads files is told."""
    files = write_own(Path(tempfile.mkdtemp()), fitted("ridge", kind)["entry"], table(kind), folds())
    return {"files": files, "id_name": "id", "others": {}}


@cache
def fitted(name: str, kind: str) -> dict[str, CrossFit]:
    return fit(name, table(kind))


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
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "competition.toml").touch()
    (tmp_path / "shop" / "default.toml").write_text(f'[models.{name}]\ntune = "default"\n')
    model = load_experiment(Workspace(tmp_path, tmp_path, tmp_path), "shop", "default").models[name]
    assert model.space.keys() == module(name).SPACE.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_is_imported_without_its_libraries(name: str) -> None:
    heavy = ("torch", "pandas", "sklearn", "scipy", "autogluon", "optuna", "mlflow")
    code = f"import sys, pipeline.models.{name}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case[1] != "regression"])
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
        constant = np.full((120, 1), data.target.mean())
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


@pytest.mark.parametrize("name", NAMES)
def test_a_folds_own_labels_do_not_reach_its_predictions(name: str) -> None:
    data = table("regression")
    before = fitted(name, "regression")
    honest = [label for label, entry in before.items() if entry.stop_on != "fold" and not entry.reference]
    if not honest:
        pytest.skip("every entry says that it stopped on the fold's own rows")
    rows = folds().valid_rows(0, 0)
    target = data.target.copy()
    target[rows] = target[rows][::-1] * 5 + 100
    changed = fit(name, Table(data.task, data.train, data.test, target, data.train_ids, data.test_ids))
    for label in honest:  # networks of other folds may end earlier, which moves float32 by its rounding
        np.testing.assert_allclose(changed[label].oof[0, rows], before[label].oof[0, rows], rtol=1e-5)


TRAINED = [name for name in NAMES if not hasattr(module(name), "sources")]
"""Models that are fitted here, and not made elsewhere."""


def beside(name: str, data: Table, extra: Extra | None) -> dict[str, CrossFit]:
    recipe = module(name).Recipe(**QUICK.get(name, {}))
    return cross_fit(module(name), {"entry": recipe}, data, folds(), extra, seed=0, log=Heard())


def more(shift: float) -> Extra:
    """40 rows like train's, whose targets are shifted."""
    rows = frame(np.random.default_rng(1), 40, ["blue", "green", "red", "seen only beside"])
    return Extra(rows, 10 + shift + 3 * rows["x0"].to_numpy())


@pytest.mark.parametrize("name", TRAINED)
def test_extra_rows_are_learnt_from_and_never_predicted(name: str) -> None:
    data = table("regression")
    with_more = beside(name, data, more(shift=20.0))
    for label, entry in with_more.items():
        assert entry.test.mean() > fitted(name, "regression")[label].test.mean() + 1
        assert entry.oof.shape == (2, 120, 1)
        assert (np.isfinite(entry.oof).all(axis=2) == folds().covered).all()
        assert entry.fold_errors == pytest.approx(folds().errors(data.task.metric, data.target, entry.oof))


@pytest.mark.parametrize("name", TRAINED)
def test_a_row_of_weight_0_is_as_if_it_were_not_there(name: str) -> None:
    nothing = replace(more(shift=20.0), weight=np.zeros(40))
    alike = {"rtol": 1e-2} if name == "autogluon" else {"rtol": 0, "atol": 0}  # it makes bins and levels of all rows
    for label, entry in beside(name, table("regression"), nothing).items():
        np.testing.assert_allclose(entry.test, fitted(name, "regression")[label].test, **alike)


def contradictory(kind: str) -> Table:
    """Targets that follow from nothing: of two rows one has the lowest and one the highest."""
    data = table(kind)
    return replace(data, target=np.where(np.arange(120) % 2, data.target.max(), data.target.min()))


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_weights_are_taken_into_account_or_it_is_said_that_they_are_not(name: str, kind: str) -> None:
    if (name, kind) not in CASES:
        pytest.skip("slow")
    data = contradictory(kind)
    middle = (data.target.max() + data.target.min()) / 2 if kind == "regression" else 0.5
    for entry in beside(name, replace(data, weight=np.where(np.arange(120) % 2, 9.0, 1.0)), None).values():
        weighed = entry.test[:, -1].mean() > 1.2 * middle
        assert weighed != any("weights are not used" in finding for finding in entry.findings)


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(module(name), "load")])
def test_what_is_kept_predicts_every_entry_in_a_new_process(name: str, tmp_path: Path) -> None:
    """The mean over all that was kept predicts the test rows as the entry does, wherever the folder lies by then."""
    folders = {kind: tmp_path / kind for case, kind in CASES if case == name}
    for kind, folder in folders.items():
        save_fitted(fitted(name, kind), folder / "made here")
        (folder / "made here").rename(folder / "fitted")
        table(kind).test.to_parquet(folder / "rows.parquet")
        (folder / "names.json").write_text(json.dumps(list(fitted(name, kind))))
    subprocess.run([sys.executable, "-c", READ, name, *folders.values()], check=True, capture_output=True)
    for kind, folder in folders.items():
        for number, entry in enumerate(fitted(name, kind).values()):
            np.testing.assert_allclose(np.load(folder / f"{number}.npy"), entry.test, rtol=1e-6, atol=1e-9)
