"""The search space stands where the value stands: `lr = { tune = "loguniform", low = 1e-4, high = 1e-2 }`.

Kinds: uniform, loguniform, int, logint, choice. `default`: the untuned model's value, if not its own.
`when = { other = [...] }`: only searched where another parameter has one of these values; else the model's own stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Ranged = TypeVar("Ranged", "Uniform", "Int")


class _Dimension(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    when: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}

    def applies(self, chosen: Mapping[str, Any]) -> bool:
        """Say whether the dimension is searched, given the values chosen so far."""
        return all(name in chosen and chosen[name] in values for name, values in self.when.items())

    def stored(self, value: Any) -> Any:
        """Return a value as trials store it."""
        return value


class _Range(_Dimension):
    def holds(self, value: Any) -> bool:
        """Say whether a recipe's value lies in the range; "auto" does not."""
        low, high = self.edges()
        return isinstance(value, int | float) and low <= value <= high

    def edges(self) -> list[Any]:
        """Return the lowest and the highest value."""
        return [self.low, self.high]  # type: ignore[attr-defined]

    def samples(self) -> list[Any]:
        """Return values that the recipe must accept for the whole dimension to be valid."""
        return self.edges()


class Uniform(_Range):
    """A float between low and high, on a plain or a logarithmic scale."""

    tune: Literal["uniform", "loguniform"]
    low: float
    high: float
    default: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.tune == "loguniform" and self.low <= 0:
            raise ValueError(f"loguniform needs low > 0, found {self.low}")
        return _starting_inside(self)

    def samples(self) -> list[Any]:
        """Return the edges and a value between them, which is no whole number though they may be."""
        return [*self.edges(), self.low + (self.high - self.low) / math.pi]

    def suggest(self, trial: Any, name: str) -> float:
        """Ask an Optuna trial for a value."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.tune == "loguniform"))


class Int(_Range):
    """An integer from low to high, both included, in steps or on a logarithmic scale."""

    tune: Literal["int", "logint"]
    low: int
    high: int
    step: int = Field(1, ge=1)
    default: int | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Int:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.tune == "logint" and (self.low < 1 or self.step > 1):
            raise ValueError(f"logint needs low >= 1 and no step, found low {self.low} and step {self.step}")
        return _starting_inside(self)

    def holds(self, value: Any) -> bool:
        """Say whether a recipe's value is one of the steps."""
        return super().holds(value) and (value - self.low) % self.step == 0

    def suggest(self, trial: Any, name: str) -> int:
        """Ask an Optuna trial for a value."""
        return int(trial.suggest_int(name, self.low, self.high, step=self.step, log=self.tune == "logint"))


class Choice(_Dimension):
    """One of several values; lists and tables are chosen by their place."""

    tune: Literal["choice"]
    values: list[Any] = Field(min_length=2)
    default: Any = None

    @model_validator(mode="after")
    def _starts_inside(self) -> Choice:
        if self.default is not None and self.default not in self.values:
            raise ValueError(f"default {self.default!r} must be one of the values {self.values}")
        return self

    def suggest(self, trial: Any, name: str) -> Any:
        """Ask an Optuna trial for a value."""
        return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]

    def edges(self) -> list[Any]:
        """Return all values."""
        return self.values

    def samples(self) -> list[Any]:
        """Return values that the recipe must accept for the whole dimension to be valid: all of them."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Say whether a recipe's value is one of the choices."""
        return value in self.values

    def stored(self, value: Any) -> int:
        """Return a value as trials store it: its place."""
        return self.values.index(value)


def _starting_inside(dimension: Ranged) -> Ranged:
    if dimension.default is not None and not dimension.low <= dimension.default <= dimension.high:
        raise ValueError(f"default {dimension.default} must lie between low {dimension.low} and high {dimension.high}")
    return dimension


Dimension = Annotated[Uniform | Int | Choice, Field(discriminator="tune")]


def decided(space: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the space with the conditions on parameters that are not searched decided by the recipe's own values.

    Where one does not hold, the dimension falls out, and with it what depends on it. Raises graphlib.CycleError.
    """
    left: dict[str, Any] = {}
    for name in order(space):
        when = space[name].when
        searched = {parent: values for parent, values in when.items() if parent in space}
        settled = all(recipe.get(parent) in values for parent, values in when.items() if parent not in space)
        if settled and searched.keys() <= left.keys():
            left[name] = space[name].model_copy(update={"when": searched})
    return left


def order(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the dimensions, each after those that its conditions name. Raises graphlib.CycleError."""
    parents = {name: [parent for parent in dimension.when if parent in space] for name, dimension in space.items()}
    return [name for name in TopologicalSorter(parents).static_order() if name in space]


def split_section(section: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a model section into its plain values (tuned ones by their default, if any) and its raw dimensions."""
    values: dict[str, Any] = {}
    space: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, Mapping) and "tune" in value:
            space[name] = value
            if "default" in value:
                values[name] = value["default"]
        else:
            values[name] = value
    return values, space
