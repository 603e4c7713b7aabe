"""What the plug-ins of models that are fitted fold by fold have in common: their recipes' shared fields, and budgets.

Imports no library that fits anything, so that a recipe is checked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.spread import Spread, in_turn
from pipeline.transforms.recipe import Encode, Target

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.models._folds import FoldFit, Kind
    from pipeline.types import CrossFit, Folds, Log, Rung, Table, Task

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Auto = Literal["auto"]
Inner = Literal["inner"]

FEWEST_ROUNDS = 100
ENOUGH_ROUNDS = 500
"""Rounds below which, where time is short, their number is not searched for: all of the time goes into one fit."""

LEARNT, FASTEST = 20.0, 0.2
"""Rounds x learning rate, at least, that "auto" aims at, and the highest rate that it takes for that."""

MOST_CUTS = 4  # pipeline.types.Folds.inner_cuts
SMALL = 10_000
"""Rows of a fold up to which boosters' defaults are ours: smaller trees that see half of the columns, more slowly.

On House Prices, Mercedes and Titanic they beat both the meta-tuned defaults (of tables of 1,000 to 500,000 rows) and
those of AutoGluon, clearly on the first two; chosen there."""


class FoldRecipe(BaseModel):
    """What every such model has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target = Field("auto", description="transform of a regression target")


class EncodedRecipe(FoldRecipe):
    """What models have that eat only numbers. A value "inner" is chosen inside the fold, by rows that it trains on."""

    encode: Encode = Field(Encode(), description="how columns become numbers")

    @field_validator("encode")
    @classmethod
    def _numbers_only(cls, encode: Encode) -> Encode:
        if encode.many_levels == "embedding":
            raise ValueError("many_levels = 'embedding' is for networks")
        return encode

    @property
    def stop_on(self) -> Literal["inner", "none"]:
        """Whether rows inside the fold choose anything."""
        return "inner" if "inner" in dict(self).values() else "none"

    @property
    def cuts(self) -> int:
        """How often a fold's rows are cut for a choice, at most."""
        return MOST_CUTS if self.stop_on == "inner" else 0


def encoding_seconds(recipe: EncodedRecipe, n_train: int, n_columns: int) -> float:
    """Return what a fold's encodings take: that of its rows, and one for every cut; skew transforms are most of it."""
    return (1 + recipe.cuts) * (0.05 + 3e-6 * n_train * n_columns)


class BoosterRecipe(FoldRecipe):
    """What every booster has."""

    rounds: Count = Field(3000, description="trees (for each class one), fewer where stopping rows choose")
    patience: Count = Field(200, description="rounds without improvement before it stops looking")
    stop_on: Literal["inner", "fold", "none"] = Field(
        "inner",
        description="what chooses the rounds: stopping rows (then refitted on all), the fold itself, or nothing",
    )

    @property
    def phases(self) -> int:
        """How often every fold is fitted: once more to find the rounds."""
        return 2 if self.stop_on == "inner" else 1


Recipe = TypeVar("Recipe", bound=BoosterRecipe)
AnyRecipe = TypeVar("AnyRecipe", bound=FoldRecipe)


def for_tuning(recipe: AnyRecipe) -> AnyRecipe:
    """Return the recipe that a trial is judged by: the recipe itself."""
    return recipe


def settler(**auto: tuple[Any, Any, Any]) -> Callable[[Recipe, Task, int], Recipe]:
    """Return a plug-in's `settled`; auto: of each field that may be "auto" the value for a small table, else the one
    for regression and the one for classes."""

    def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:
        """Return the recipe with a number for every "auto", which depends on the task and the rows of a fold."""
        place = 0 if n_rows <= SMALL else 1 if task.kind == "regression" else 2
        chosen = {n: own[place] for n, own in auto.items() if getattr(recipe, n) == "auto"}
        if "lr" in chosen:
            chosen["lr"] = max(chosen["lr"], min(FASTEST, LEARNT / recipe.rounds))
        return recipe.model_copy(update=chosen)

    return settled


def verbs(
    kind: Callable[[], Kind], settled: Callable[[Any, Task, int], Any]
) -> tuple[Callable[..., dict[str, CrossFit]], Callable[[Path], FoldFit]]:
    """Return a plug-in's `cross_fit` and `load`; kind: imports the library and says how it learns and predicts."""

    def cross_fit(
        recipes: Mapping[str, FoldRecipe],
        table: Table,
        folds: Folds,
        *,
        seed: int,
        log: Log,
        progress: Path | None = None,  # noqa: ARG001 - folds are quick: a killed run fits them again
        rungs: Sequence[Rung] = (),  # noqa: ARG001 - every trial is fitted to its end
        spread: Spread = in_turn,
    ) -> dict[str, CrossFit]:
        """Fit every recipe on every fold."""
        from pipeline.models._folds import Case
        from pipeline.models._folds import cross_fit as fit_all

        numbers = {name: settled(recipe, table.task, folds.n_fit_rows) for name, recipe in recipes.items()}
        return fit_all(Case(kind(), numbers, table, folds, seed), log, spread)

    def load(folder: Path) -> FoldFit:
        """Read one fold's model, as `save` wrote it."""
        from pipeline.models._folds import load as read

        return read(kind(), folder)

    return cross_fit, load


def prices(a_round: float, a_cell: float) -> tuple[Callable[..., Any], Callable[..., float]]:
    """Return a booster's `affordable` and `seconds`, from the seconds of a tree and of a cell it reads."""

    def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
        """Return the recipe with as many rounds as so many minutes allow on two cores."""
        allowed, needed = 60 * minutes, seconds(recipe, **size)
        if needed <= allowed:
            return recipe
        rounds = int(recipe.rounds * allowed / needed)
        if recipe.stop_on == "inner" and rounds < ENOUGH_ROUNDS:
            rounds = min(rounds * recipe.phases, ENOUGH_ROUNDS)
            recipe = recipe.model_copy(update={"stop_on": "none"})
        return recipe.model_copy(update={"rounds": max(min(FEWEST_ROUNDS, recipe.rounds), rounds)})

    def seconds(
        recipe: BoosterRecipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int
    ) -> float:
        """Return what a cross-fit takes on two cores if no fit stops early."""
        del n_test
        trees = recipe.rounds * (n_outputs if n_outputs > 2 else 1) * recipe.phases
        return n_fits * (0.3 + trees * (a_round + a_cell * n_train * n_columns))

    return affordable, seconds
