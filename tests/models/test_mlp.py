"""The MLP: what "auto" means, groups of recipes, choosing the epoch, and what is reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from heard import Bar, Heard
from pydantic import ValidationError
from small_folds import alternating

from pipeline.core import checkpoint
from pipeline.errors import ConfigError, ModelError
from pipeline.metrics import accuracy, log_loss, quadratic_kappa, rmse
from pipeline.models import _networks, mlp, realmlp
from pipeline.types import Folds, Metric, Rung, Table, Task

QUICK = mlp.Recipe(hidden=(8,), epochs=6, n_seeds=2, batch_size=16)
REGRESSION = Task("regression", Metric.from_module(rmse))
BINARY = Task("binary", Metric.from_module(accuracy), ("no", "yes"))


def table(task: Task = REGRESSION, n: int = 90) -> Table:
    generator = np.random.default_rng(0)
    train, test = (pd.DataFrame(generator.normal(size=(m, 4)), columns=list("abcd")) for m in (n, 20))
    signal = train["a"].to_numpy() - train["b"].to_numpy() * train["c"].to_numpy()
    target = signal if task.kind == "regression" else (signal > 0).astype(np.int64)
    return Table(task, train, test, target, np.arange(n), np.arange(20))


def folds(n: int = 90) -> Folds:
    return alternating(n, 3)


def fit(recipes: dict[str, mlp.Recipe], data: Table | None = None, seed: int = 0, log: Heard | None = None):
    return mlp.cross_fit(recipes, data or table(), folds(), seed=seed, log=log or Heard())


def test_many_recipes_give_what_each_gives_alone() -> None:
    recipes = {
        "a": QUICK,
        "b": QUICK.model_copy(update={"lr": 0.1, "dropout": 0.0, "weight_decay": 0.0}),
        "wider": QUICK.model_copy(update={"hidden": (5, 3)}),
        "one seed": QUICK.model_copy(update={"n_seeds": 1}),
    }
    together = fit(recipes)
    assert list(together) == list(recipes)
    for name, recipe in recipes.items():
        np.testing.assert_allclose(together[name].oof, fit({"x": recipe})["x"].oof, rtol=0, atol=1e-4)


def test_recipes_of_one_shape_share_a_program() -> None:
    log = Heard()
    fit({"a": QUICK, "b": QUICK.model_copy(update={"lr": 0.1}), "c": QUICK.model_copy(update={"epochs": 7})}, log=log)
    assert {title.split(":")[0] for title in log.titles if ": " in title} == {"a, b", "c"}
    assert all(done == total for done, total in log.steps)


def test_the_seed_moves_the_result_and_the_name_does_not() -> None:
    one = fit({"a": QUICK})["a"].oof
    np.testing.assert_array_equal(one, fit({"other": QUICK})["other"].oof)
    assert np.nanmax(np.abs(one - fit({"a": QUICK}, seed=1)["a"].oof)) > 0


@pytest.mark.parametrize(("schedule", "candidates"), [("constant", range(1, 16)), ("coslog4", (1, 3, 7, 15))])
def test_inner_stopping_finds_an_epoch_where_the_rate_rests_and_refits_on_all_rows(
    schedule: str, candidates: Sequence[int]
) -> None:
    recipe = QUICK.model_copy(update={"stop_on": "inner", "epochs": 15, "lr": 0.3, "schedule": schedule})
    entry = fit({"a": recipe})["a"]
    curve = entry.curves.groupby(["repeat", "fold", "epoch"], as_index=False)["stop_loss"].mean()
    curve = curve[curve["epoch"].isin(candidates)]
    best = curve.loc[curve.groupby("fold")["stop_loss"].idxmin(), "epoch"]
    assert entry.epochs[0].tolist() == best.tolist()
    assert entry.stop_on == "inner"


def test_inner_stopping_never_looks_at_validation_labels() -> None:
    recipe = QUICK.model_copy(update={"stop_on": "inner"})
    data, rows = table(), folds().valid_rows(0, 0)
    target = data.target.copy()
    target[rows] += 1000
    changed = fit({"a": recipe}, replace(data, target=target))["a"].oof[0, rows]
    np.testing.assert_array_equal(changed, fit({"a": recipe}, data)["a"].oof[0, rows])


def test_stopping_on_the_fold_is_marked() -> None:
    entry = fit({"a": QUICK.model_copy(update={"stop_on": "fold"})})["a"]
    assert entry.stop_on == "fold"
    assert entry.curves["stop_loss"].notna().all()


def test_curves_have_a_row_for_every_epoch_of_every_network() -> None:
    curves = fit({"a": QUICK})["a"].curves
    assert list(curves) == ["repeat", "fold", "seed", "epoch", "train_loss", "stop_loss"]
    assert len(curves) == 3 * 2 * 6
    assert curves["train_loss"].notna().all()


def test_more_seeds_are_averaged() -> None:
    entry = fit({"a": QUICK})["a"]
    assert {len(part.states) for part in entry.fitted.values()} == {2}


def test_when_time_is_up_every_fold_still_has_a_network_and_what_is_missing_is_said() -> None:
    entry = fit({"a": QUICK.model_copy(update={"epochs": 50})}, log=Heard(patience=2))["a"]
    assert np.isfinite(entry.oof).all()
    assert entry.truncated == "6 of 6 networks were not trained to their end"
    assert ((entry.epochs >= 1) & (entry.epochs < 50)).all()
    assert fit({"a": QUICK})["a"].truncated == ""


def test_networks_that_found_their_epochs_serve_where_time_ends_before_they_are_trained_again() -> None:
    recipe, asked = {"a": QUICK.model_copy(update={"stop_on": "inner"})}, Heard(patience=1000)
    whole = fit(recipe, log=asked)["a"]
    n_asked = 1000 - asked.patience
    before, meanwhile = (fit(recipe, log=Heard(patience=n))["a"] for n in (QUICK.epochs, n_asked - 2))
    assert before.truncated == meanwhile.truncated == "trained on the inner rows of each fold alone"
    np.testing.assert_array_equal(meanwhile.oof, before.oof)
    np.testing.assert_allclose(before.epochs, whole.epochs, atol=1)  # each network's own best one, not their common one


def test_a_rung_that_could_not_be_held_over_all_folds_is_not_known() -> None:
    data, cut = table(), folds()
    data.train["d"] = np.where(np.isin(np.arange(90), cut.valid_rows(0, 0)), data.train["d"], 0.0)  # constant in a fold
    recipe = {"a": QUICK.model_copy(update={"embedding_numeric": "pbld"})}
    entry = mlp.cross_fit(recipe, data, cut, seed=0, log=Heard(), rungs=(Rung(0.5, np.inf),))["a"]
    assert np.isfinite(entry.oof).all()
    assert np.isnan(entry.rungs).tolist() == [True]


def test_a_network_that_no_memory_holds_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(_networks, "train", full)
    with pytest.raises(ModelError, match="does not fit into the memory of cpu") as refused:
        fit({"a": QUICK})
    assert "batch_size" in refused.value.hint


def test_gradients_and_weights_are_held_as_the_recipe_says() -> None:
    free, clipped, sparse = (fit({"a": QUICK.model_copy(update=own)})["a"] for own in ({}, {"clip": 1e-3}, {"l1": 0.1}))
    assert np.abs(clipped.oof - free.oof).max() > 1e-3
    sums = [sum(float(own.abs().sum()) for own in entry.fitted[0, 0].states[0].values()) for entry in (free, sparse)]
    assert sums[1] < sums[0]


@pytest.mark.parametrize(("n_train", "n_seeds"), [(11_000, 4), (13_000, 2), (35_000, 2), (40_000, 1)])
def test_a_price_has_as_many_networks_as_a_fold_of_so_many_rows_is_given(n_train: int, n_seeds: int) -> None:
    size = {"n_train": n_train, "n_test": 1000, "n_columns": 10, "n_outputs": 1, "n_fits": 5}
    assert mlp.settled(mlp.Recipe(), table().task, n_train * 4 // 5).n_seeds == n_seeds
    assert mlp.seconds(mlp.Recipe(), **size) == mlp.seconds(mlp.Recipe(n_seeds=n_seeds), **size)


def test_a_killed_fit_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two phases is interrupted, so that the first is found whole."""
    recipe, data = QUICK.model_copy(update={"stop_on": "inner"}), table()
    whole = mlp.cross_fit({"a": recipe}, data, folds(), seed=0, log=Heard())["a"]
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "advance", dies_after(9, Bar.advance))
        with pytest.raises(KeyboardInterrupt):
            mlp.cross_fit({"a": recipe}, data, folds(), seed=0, log=Heard(), progress=tmp_path)
    assert list(tmp_path.iterdir())
    resumed = mlp.cross_fit({"a": recipe}, data, folds(), seed=0, log=Heard(), progress=tmp_path)["a"]
    np.testing.assert_array_equal(resumed.oof, whole.oof)
    np.testing.assert_array_equal(resumed.test, whole.test)


def dies_after(calls: int, advance: Callable[..., None]) -> Callable[..., None]:
    left = iter(range(calls))

    def dying(*steps: int) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        advance(*steps)

    return dying


def test_embedded_categories_are_used() -> None:
    generator = np.random.default_rng(0)
    codes = generator.integers(12, size=240)
    names = pd.Categorical([f"level {c:02}" for c in codes])
    frame = pd.DataFrame({"a": generator.normal(size=240), "b": names})
    data = Table(REGRESSION, frame, frame.iloc[:9], (codes % 4) * 2.0, np.arange(240), np.arange(9))
    encode = mlp.Recipe().encode.model_copy(update={"max_one_hot": 3, "many_levels": "embedding"})
    recipe = QUICK.model_copy(update={"encode": encode, "epochs": 60, "dropout": 0.0, "weight_decay": 0.0})
    entry = mlp.cross_fit({"a": recipe}, data, folds(240), seed=0, log=Heard())["a"]
    assert entry.fold_errors.mean() < 0.5 * data.target.std()


@pytest.mark.parametrize(
    "options",
    [
        {"embedding_numeric": "piecewise"},
        {"embedding_numeric": "periodic_lite", "norm": "layer"},
        {"embedding_numeric": "pbld", "parametric": True},
        {"norm": "batch"},
    ],
    ids=str,
)
def test_what_bins_and_norms_have_learnt_is_saved(options: dict, tmp_path: Path) -> None:
    data = table()
    fitted = fit({"a": QUICK.model_copy(update=options)}, data)["a"].fitted[0, 1]
    fitted.save(tmp_path)
    np.testing.assert_array_equal(mlp.load(tmp_path).predict(data.test), fitted.predict(data.test))


def test_a_number_that_varies_in_some_folds_only_is_embedded_there() -> None:
    data = table()
    rare = np.zeros(90)
    rare[folds().valid_rows(0, 0)[:5]] = np.arange(1, 6)
    data = replace(data, train=data.train.assign(rare=rare), test=data.test.assign(rare=1.0))
    entry = fit({"a": QUICK.model_copy(update={"embedding_numeric": "piecewise"})}, data)["a"]
    assert [entry.fitted[0, fold].encoder.n_numeric for fold in range(3)] == [4, 5, 5]
    assert np.isfinite(entry.oof).all()


def test_auto_values_depend_on_rows_and_task() -> None:
    small, large = (mlp.resolve(mlp.Recipe(), REGRESSION, n) for n in (1_000, 60_000))
    assert small.n_seeds > large.n_seeds
    assert small.program.epochs > large.program.epochs
    assert small.program.batch_size < large.program.batch_size
    judged_by_log_loss = replace(BINARY, metric=Metric.from_module(log_loss))
    assert mlp.resolve(mlp.Recipe(), BINARY, 1_000).label_smoothing == 0.1
    assert mlp.resolve(mlp.Recipe(), judged_by_log_loss, 1_000).label_smoothing == 0.0
    assert mlp.resolve(mlp.Recipe(epochs=7), REGRESSION, 60_000).program.epochs == 7


@pytest.mark.parametrize("stop_on", ["none", "inner"])
def test_networks_that_all_diverge_fail_without_harm_to_others(stop_on: str) -> None:
    steady = QUICK.model_copy(update={"optimiser": "sgd", "stop_on": stop_on, "lr": 1e-3})
    entries = fit({"wild": steady.model_copy(update={"lr": 1e30}), "steady": steady})
    assert "all 6 networks diverged" in entries["wild"].failed
    assert np.isnan(entries["wild"].fold_errors).all()
    assert not entries["steady"].failed
    np.testing.assert_allclose(entries["steady"].oof, fit({"x": steady})["x"].oof, atol=1e-5)


def test_a_loss_that_does_not_suit_the_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="cross_entropy"):
        fit({"a": QUICK.model_copy(update={"loss": "cross_entropy"})})
    with pytest.raises(ConfigError, match="huber"):
        fit({"a": QUICK.model_copy(update={"loss": "huber"})}, table(BINARY))


def test_a_quantile_lies_above_its_share_of_the_rows() -> None:
    recipe = QUICK.model_copy(update={"loss": "quantile", "epochs": 60})
    entries = fit({str(level): recipe.model_copy(update={"level": level}) for level in (0.2, 0.8)})
    below = [float((table().target < entry.oof[0, :, 0]).mean()) for entry in entries.values()]
    np.testing.assert_allclose(below, [0.2, 0.8], atol=0.12)


def test_ordered_classes_are_learnt_from_the_steps_between_them(tmp_path: Path) -> None:
    """Predictions are probabilities, one a class, also of networks that were saved and read again."""
    stars = Task("multiclass", Metric.from_module(quadratic_kappa), ("1", "2", "3"))
    data = replace(table(), task=stars, target=np.digitize(table().target, [-0.7, 0.7]).astype(np.int64))
    entries = fit({name: QUICK.model_copy(update={"loss": name, "epochs": 40}) for name in ("ordinal", "auto")}, data)
    np.testing.assert_allclose(entries["ordinal"].oof[0].sum(axis=1), 1, atol=1e-6)
    assert entries["ordinal"].fold_errors.mean() < entries["auto"].fold_errors.mean() + 0.1
    entries["ordinal"].fitted[0, 0].save(tmp_path)
    np.testing.assert_array_equal(
        mlp.load(tmp_path).predict(data.test), entries["ordinal"].fitted[0, 0].predict(data.test)
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0},
        {"lr": "fast"},
        {"dropout": 1.0},
        {"epochs": 0},
        {"hidden": (0,)},
        {"tied": True, "hidden": (8, 9, 10)},
    ],
)
def test_impossible_values_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        mlp.Recipe(**wrong)


def test_a_budget_cuts_seeds_before_epochs() -> None:
    size = {"n_train": 1_200, "n_test": 1_200, "n_columns": 80, "n_outputs": 1, "n_fits": 5}
    full = mlp.seconds(mlp.Recipe(), **size) / 60
    less = mlp.affordable(mlp.Recipe(), 0.6 * full, **size)
    assert less.n_seeds == 2
    assert less.epochs == "auto"
    least = mlp.affordable(mlp.Recipe(), full / 50, **size)
    assert (least.n_seeds, least.epochs) == (1, mlp.FEWEST_EPOCHS)
    least = mlp.affordable(realmlp.Recipe(), 0.0, **size)
    assert (least.n_seeds, least.epochs) == (1, round(realmlp.USUALLY_FOUND * realmlp.EPOCHS))
    assert mlp.seconds(mlp.for_tuning(mlp.Recipe()), **size) < 60 * full / 2


def test_what_one_network_consists_of_is_told() -> None:
    *parts, total = fit({"x": QUICK})["x"].parameters.splitlines()
    assert any(line == "blocks.0.linear.weight  (4, 8)  32" for line in parts)
    assert total == f"total  {sum(int(line.split()[-1]) for line in parts)}"


@pytest.mark.parametrize(("kind", "wild"), [("squared", 3.0), ("absolute", 30.0), ("binary", 30.0), ("ordinal", 30.0)])
def test_the_monitor_names_a_rate_that_blows_up_whatever_the_loss(kind: str, wild: float) -> None:
    scores = Task("multiclass", Metric.from_module(quadratic_kappa), ("1", "2", "3"))
    data = {"binary": table(BINARY), "ordinal": replace(table(BINARY), task=scores)}.get(kind, table())
    losses = {"squared": "squared", "absolute": "absolute", "ordinal": "ordinal"}
    recipe = QUICK.model_copy(update={"loss": losses.get(kind, "auto"), "epochs": 12})

    def high(lr: float) -> bool:
        found = fit({"x": recipe.model_copy(update={"lr": lr})}, data)["x"].findings
        return any(line.startswith("learning rate too high") and "first epoch" in line for line in found)

    assert high(wild)
    assert not high(0.01)
