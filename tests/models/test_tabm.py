"""TabM and RealMLP as models: what "auto" means, what a budget cuts, and that recipes train together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import alternating

from pipeline.metrics import rmse
from pipeline.models import realmlp, tabm
from pipeline.types import CrossFit, Metric, Table, Task

REGRESSION = Task("regression", Metric.from_module(rmse))
BINARY = Task("binary", Metric.from_module(rmse), ("no", "yes"))
SIZE = {"n_train": 1_200, "n_test": 1_200, "n_columns": 80, "n_outputs": 1, "n_fits": 5}
QUICK = tabm.Recipe(k=4, width=16, epochs=20, batch_size=16, lr=0.01, embedding_numeric_parts=8)


def fit(recipes: dict[str, tabm.Recipe]) -> dict[str, CrossFit]:
    generator = np.random.default_rng(0)
    train, test = (pd.DataFrame(generator.normal(size=(n, 3)), columns=list("abc")) for n in (120, 20))
    target = np.sin(3 * train["a"].to_numpy()) + train["b"].to_numpy()
    table = Table(REGRESSION, train, test, target, np.arange(120), np.arange(20))
    return tabm.cross_fit(recipes, table, alternating(120, 2, every=4), seed=0, log=Heard())


def test_recipes_that_share_a_program_give_what_each_gives_alone() -> None:
    recipes = {"a": QUICK, "b": QUICK.model_copy(update={"lr": 0.003, "dropout": 0.0})}
    together = fit(recipes)
    for name, recipe in recipes.items():
        np.testing.assert_allclose(together[name].oof, fit({"x": recipe})["x"].oof, rtol=0, atol=1e-4)


@pytest.mark.parametrize("k", [1, 4])
def test_a_network_predicts_once_whatever_its_members(k: int) -> None:
    entry = fit({"a": QUICK.model_copy(update={"k": k})})["a"]
    assert entry.oof.shape == (1, 120, 1)
    assert entry.fitted[0, 0].states[0]["head.bias"].shape == (k, 1)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(1_000, 32), (3_000, 64), (10_000, 256), (1_000_000, 1_024)])
def test_the_batch_grows_with_the_rows(n_rows: int, batch_size: int) -> None:
    assert tabm.resolve(tabm.Recipe(), REGRESSION, n_rows).program.batch_size == batch_size


def test_numbers_as_they_are_ask_for_one_layer_more() -> None:
    plain = tabm.Recipe(embedding_numeric="none")
    assert len(tabm.resolve(plain, REGRESSION, 1_000).program.architecture.hidden) == 3
    assert len(tabm.resolve(tabm.Recipe(), REGRESSION, 1_000).program.architecture.hidden) == 2


def test_probabilities_are_averaged_for_classes_only() -> None:
    assert tabm.resolve(tabm.Recipe(), BINARY, 1_000).program.architecture.logits
    assert not tabm.resolve(tabm.Recipe(), REGRESSION, 1_000).program.architecture.logits


def test_a_budget_cuts_members_then_units_then_epochs() -> None:
    full = tabm.seconds(tabm.Recipe(), **SIZE) / 60
    assert tabm.affordable(tabm.Recipe(), 1.1 * full, **SIZE) == tabm.Recipe()
    half = tabm.affordable(tabm.Recipe(), 0.6 * full, **SIZE)
    assert (half.k, half.width, half.epochs) == (16, 512, "auto")
    least = tabm.affordable(tabm.Recipe(), full / 1e4, **SIZE)
    assert (least.k, least.width, least.epochs) == (tabm.FEWEST_MEMBERS, tabm.NARROWEST, tabm.FEWEST_EPOCHS)


def test_a_network_that_stops_early_is_priced_by_the_epoch_that_is_usually_found() -> None:
    recipe, slow = tabm.Recipe(epochs=100, patience=16), realmlp.Recipe(epochs=150, stop_on="inner")
    assert recipe.passes(100) == recipe.passes(100, 25.0) == 25 + 16 + 25
    assert slow.passes(150) == (2 * 45 + 10) + 45  # it looks at one cycle more, twice as long as all before it
    assert slow.passes(150, 149.0) == 150 + 149
    assert slow.passes(150, 3.0) == 30 + 3  # no cycle is compared before the second
    assert slow.model_copy(update={"schedule": "constant"}).passes(150) == 150 + 45
    assert slow.model_copy(update={"patience": None}).passes(150) == 150 + 45  # without patience it looks at all
    assert recipe.passes(15) == 15 + 15
    assert recipe.passes(100, 95.0) == 100 + 95
    assert tabm.Recipe(stop_on="fold").passes(100) == 25 + 16
    assert tabm.Recipe(stop_on="none").passes(100) == 100


def test_the_pace_tells_what_another_epoch_than_the_usual_makes_of_the_price() -> None:
    recipe = tabm.Recipe(epochs=100)
    assert recipe.pace(25.0, 1_200) == 1
    assert recipe.pace(100.0, 1_200) == pytest.approx(200 / 66)
    assert recipe.model_copy(update={"stop_on": "none"}).pace(100.0, 1_200) == 1


@pytest.mark.parametrize(("task", "lr", "activation"), [(REGRESSION, 0.2, "mish"), (BINARY, 0.04, "selu")])
def test_realmlp_chooses_rate_and_activation_by_task(task: Task, lr: float, activation: str) -> None:
    settled = realmlp.settled(realmlp.Recipe(), task, 1_000)
    assert (settled.lr, settled.activation) == (lr, activation)
    assert realmlp.settled(realmlp.Recipe(lr=0.1, activation="relu"), task, 1_000).lr == 0.1
