"""Trainings side by side: as many as asked for, each in its own threads, and all of them end when one fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from elsewhere import elsewhere
from heard import Heard
from small_folds import alternating

from pipeline.log import Log
from pipeline.metrics import rmse
from pipeline.models import mlp
from pipeline.models._side_by_side import run_side_by_side
from pipeline.spread import Spread, Unit, in_turn
from pipeline.types import CrossFit, Metric, Table, Task

N = 60
SMALL = mlp.Recipe(hidden=(8,), epochs=4, n_seeds=1, batch_size=16)
RECIPES = {
    "small": SMALL,
    "wide": SMALL.model_copy(update={"hidden": (24,)}),
    "deep": SMALL.model_copy(update={"hidden": (8, 8)}),
}


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def run(function, items: list, at_once: int = 2, log: Heard | None = None) -> list:
    return run_side_by_side(function, items, log or Heard(), at_once=at_once, threads=1, title="items")


def test_items_run_at_once_in_threads_of_their_own_and_come_back_in_order() -> None:
    together, log = Barrier(2, timeout=60), Heard()

    def function(item: int, log: Log) -> tuple[int, int]:  # noqa: ARG001
        together.wait()  # which no item passes alone
        return item, torch.get_num_threads()

    assert run(function, [3, 1, 2, 0], log=log) == [(3, 1), (1, 1), (2, 1), (0, 1)]
    assert torch.get_num_threads() == 2
    assert log.steps == [(4, 4)]


def test_when_one_fails_those_that_have_begun_hear_that_time_is_up_and_no_other_begins() -> None:
    begun, waiting, ended = list[str](), Event(), Event()

    def function(item: str, log: Log) -> None:
        begun.append(item)
        if item == "fails":
            waiting.wait(60)
            raise ValueError("no such thing")
        waiting.set()
        while not log.late():
            pass
        ended.set()

    with pytest.raises(ValueError, match="no such thing"):
        run(function, ["goes on", "fails", "never begins"])
    assert ended.is_set()
    assert sorted(begun) == ["fails", "goes on"]
    assert torch.get_num_threads() == 2


def test_a_training_keeps_its_threads_whatever_others_say_meanwhile() -> None:
    said = Event()

    def function(item: str, log: Log) -> int:  # noqa: ARG001
        if item == "says":
            another = Thread(target=torch.set_num_threads, args=(1,))
            another.start()
            another.join()
            said.set()
        assert said.wait(60)
        return torch.get_num_threads()

    found = run_side_by_side(function, ["says", "asks"], Heard(), at_once=2, threads=2, title="items")
    assert found == [2, 2]


def fit(recipes: dict[str, mlp.Recipe], spread: Spread = in_turn) -> dict[str, CrossFit]:
    generator = np.random.default_rng(0)
    train, test = (pd.DataFrame(generator.normal(size=(n, 4)), columns=list("abcd")) for n in (N, 20))
    target = train["a"].to_numpy() - train["b"].to_numpy() * train["c"].to_numpy()
    data = Table(Task("regression", Metric.from_module(rmse)), train, test, target, np.arange(N), np.arange(20))
    return mlp.cross_fit(recipes, data, alternating(N, 3), seed=0, log=Heard(), spread=spread)


@pytest.mark.parametrize("stop_on", ["none", "inner"])
def test_architectures_train_as_each_does_alone_in_as_many_threads(stop_on: str) -> None:
    recipes = {name: recipe.model_copy(update={"stop_on": stop_on}) for name, recipe in RECIPES.items()}
    together, spread = fit(recipes), fit(recipes, elsewhere)
    torch.set_num_threads(1)
    for name, recipe in recipes.items():
        alone = fit({name: recipe})[name]
        for found in (together[name], spread[name]):
            np.testing.assert_array_equal(found.oof, alone.oof)
            np.testing.assert_array_equal(found.epochs, alone.epochs)


def test_the_longest_training_begins_first() -> None:
    begun = list[str]()

    def in_order(function: Unit, case: Any, units: Iterable[Any], log: Log) -> Iterator[dict[str, CrossFit]]:
        units = list(units)
        begun.extend(name for groups in units for plans in groups for name in plans)
        return in_turn(function, case, units, log)

    recipes = RECIPES | {"long": SMALL.model_copy(update={"epochs": 40})}
    assert list(fit(recipes, in_order)) == ["small", "wide", "deep", "long"]
    assert begun == ["long", "wide", "deep", "small"]
