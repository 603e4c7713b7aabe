"""The search space: what it accepts, what it suggests, and how it is told apart from plain values."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.tuning.space import Choice, Dimension, Int, Uniform, split_section

ADAPTER: TypeAdapter[Any] = TypeAdapter(Dimension)


def dimension(tune: str, **values: Any) -> Any:
    return ADAPTER.validate_python({"tune": tune, **values})


def test_a_section_falls_into_values_and_dimensions() -> None:
    tuned = {"tune": "uniform", "low": 0.0, "high": 0.5}
    section = {"lr": 0.1, "dropout": tuned, "encode": {"scale": "robust"}, "width": tuned | {"default": 0.25}}
    assert split_section(section) == (
        {"lr": 0.1, "encode": {"scale": "robust"}, "width": 0.25},
        {"dropout": tuned, "width": tuned | {"default": 0.25}},
    )


@pytest.mark.parametrize(
    ("tune", "values", "message"),
    [
        ("uniform", {"low": 1.0, "high": 1.0}, "must be below"),
        ("int", {"low": 3, "high": 2}, "must be below"),
        ("int", {"low": 1, "high": 2, "step": 0}, "greater than or equal to 1"),
        ("loguniform", {"low": 0.0, "high": 1.0}, "needs low > 0"),
        ("uniform", {"low": 0.0, "high": 1.0, "default": 2.0}, "default 2.0 must lie between"),
        ("int", {"low": 1, "high": 3, "default": 0}, "default 0 must lie between"),
        ("choice", {"values": ["a"]}, "at least 2"),
        ("choice", {"values": ["a", "b"], "default": "c"}, "default 'c' must be one of"),
        ("unifrom", {"low": 0.0, "high": 1.0}, "does not match any"),
        ("uniform", {"lwo": 0.0, "high": 1.0}, "Extra inputs|Field required"),
    ],
)
def test_what_cannot_be_searched_is_refused(tune: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        dimension(tune, **values)


@pytest.mark.parametrize(
    "made",
    [
        dimension("uniform", low=0.1, high=0.5),
        dimension("loguniform", low=1e-4, high=1e-1, default=1e-2),
        dimension("int", low=1, high=9, step=2),
        dimension("choice", values=[[64], [128, 64], {"a": 1}]),
    ],
)
def test_a_dimension_survives_json_and_suggests_what_lies_in_it(made: Uniform | Int | Choice) -> None:
    again = ADAPTER.validate_python(made.model_dump(mode="json"))
    assert again == made
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        value = again.suggest(study.ask(), "x")
        assert value in made.edges() if isinstance(made, Choice) else made.low <= value <= made.high


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_the_edges_are_those_of_the_range(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other) + 1
    assert dimension("loguniform", low=low, high=high).edges() == [low, high]
