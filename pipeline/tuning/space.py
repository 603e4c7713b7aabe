"""The search space stands where the value stands: `lr = { tune = "loguniform", low = 1e-4, high = 1e-2 }`.

Kinds: uniform, loguniform, int, choice. `default` is the value of the untuned model; without it the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Ranged = TypeVar("Ranged", "Uniform", "Int")


class _Dimension(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def stored(self, value: Any) -> Any:
        """Return a value as trials store it."""
        return value


class _Range(_Dimension):
    def holds(self, value: Any) -> bool:
        """Say whether a recipe's value lies in the range; "auto" does not."""
        low, high = self.edges()
        return isinstance(value, int | float) and low <= value <= high

    def edges(self) -> list[Any]:
        """Return the values that the recipe must accept for the whole dimension to be valid."""
        return [self.low, self.high]  # type: ignore[attr-defined]


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

    def suggest(self, trial: Any, name: str) -> float:
        """Ask an Optuna trial for a value."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.tune == "loguniform"))


class Int(_Range):
    """An integer from low to high, both included, in steps."""

    tune: Literal["int"]
    low: int
    high: int
    step: int = Field(1, ge=1)
    default: int | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Int:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        return _starting_inside(self)

    def holds(self, value: Any) -> bool:
        """Say whether a recipe's value is one of the steps."""
        return super().holds(value) and (value - self.low) % self.step == 0

    def suggest(self, trial: Any, name: str) -> int:
        """Ask an Optuna trial for a value."""
        return int(trial.suggest_int(name, self.low, self.high, step=self.step))


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
        """Return the values that the recipe must accept for the whole dimension to be valid."""
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
