"""What the plug-ins of models that are fitted fold by fold have in common: their recipes' shared fields, and budgets.

Imports no library that fits anything, so that a recipe is checked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.errors import ConfigError
from pipeline.models._five_folds import rows_of_a_fold
from pipeline.spread import Spread, in_turn
from pipeline.transforms.recipe import Encode, Target

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.log import Log
    from pipeline.models._folds import Kind
    from pipeline.types import CrossFit, Fitted, Folds, Rung, Table, Task, TaskKind

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Auto = Literal["auto"]
Inner = Literal["inner"]

FEWEST_ROUNDS = 100
ENOUGH_ROUNDS = 500
"""Rounds that stopping rows usually find at most, and that a fit without them is given at most where time is short."""

FEWEST_SEARCHED = 200
"""Rounds among which a search still looks where time is short: with fewer they would learn too fast."""

TWO_CORES, LARGE = 1.6, 1_000_000
"""How much faster two threads are than one, and the cells from which on they are."""

LEARNT, FASTEST = 20.0, 0.2
"""Rounds x learning rate, at least, that "auto" aims at, and the highest rate that is taken for that, or at a rung."""
USUAL = 0.015
"""The learning rate at which a fit costs what one does on average over our spaces: their harmonic mean."""

RUNGS, BEGINS_ANEW = (1 / 9,), True
"""Where trials are compared, by forms of them that are `shortened` and then thrown away: one rung, and a cheap one.

Who goes on pays for it again, and so does the whole first wave."""

MOST_CUTS = 4  # pipeline.types.Folds.inner_cuts
FEW = 2_000
"""Rows of a fold up to which a booster's rounds are the mean of what all inner cuts choose.

LightGBM's error by five folds of split seeds 11 to 14 then falls by .016 ± .010 (log loss .426, Titanic), .7 ± .5 (RMSE
55.1, diabetes) and .0005 ± .0002 (RMSLE .151, practice-houses)."""
SMALL = 10_000
"""Rows of a fold up to which boosters' defaults are ours: smaller trees that see half of the columns, more slowly.

On House Prices, Mercedes and Titanic they beat both the meta-tuned defaults (of tables of 1,000 to 500,000 rows) and
those of AutoGluon, clearly on the first two; chosen there."""


class FoldRecipe(BaseModel):
    """What every such model has; a subclass says `n_seeds`, and `stop_on`: "inner", "fold" or "none"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Target = Field("auto", description="transform of a regression target")


class EncodedRecipe(FoldRecipe):
    """What models have that eat only numbers. A value "inner" is chosen inside the fold, by rows that it trains on."""

    n_seeds: ClassVar[int] = 1  # chance plays no great part in any of them, or more trees do as much

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
    return (1 + recipe.cuts) * (0.3 + 1e-6 * n_train * n_columns)


class BoosterRecipe(FoldRecipe):
    """What every booster has.

    SMALLER: of each field that says how large trees are, what it is for smaller ones, of values and of classes. EARLY:
    rounds x learning rate below which a fold looks at them, too, and takes what its stopping rows prefer.
    """

    SMALLER: ClassVar[Mapping[str, tuple[Any, Any]]]
    EARLY: ClassVar[float] = 20.0

    lr: Rate | Auto = Field("auto", description="learning rate")
    loss: Literal["auto", "squared", "absolute"] = Field(
        "auto",
        description="what is minimised: squared for values; 'absolute' aims at the median; classes know no other",
    )
    n_seeds: Count = Field(1, description="fits averaged in each fold, each by a seed of its own")
    rounds: Count = Field(3000, description="trees (for each class one), fewer where rows choose them")
    smaller: bool | Auto = Field(
        "auto",
        description="whether folds that stop early try smaller trees, too; auto: unless small, or size is stated",
    )
    patience: Count = Field(200, description="rounds without improvement before it stops looking")
    stop_on: Literal["inner", "fold", "none"] = Field(
        "inner",
        description="what chooses the rounds: rows inside the fold (then refitted on all), the fold itself, or nothing",
    )

    def loss_for(self, task: TaskKind) -> str:
        """Return what is minimised, as a key of a booster's own names: squared, absolute, binary or multiclass."""
        if task == "regression":
            return "squared" if self.loss == "auto" else self.loss
        if self.loss != "auto":
            raise ConfigError(f"loss '{self.loss}' does not suit a {task} task", hint='leave loss = "auto"')
        return task

    def found_by(self, other: BoosterRecipe, found: float) -> float:
        """Return how many rounds this one would find, settled, where the other has found so many."""
        assert not isinstance(self.lr, str)
        assert not isinstance(other.lr, str)
        return found * other.lr / self.lr

    def pace(self, found: float, n_rows: int) -> float:
        """Return how many times what was planned for it takes, where so many rounds were found."""
        return self.rounds_fitted(found, n_rows) / self.usual_rounds(n_rows)

    def usual_rounds(self, n_rows: int) -> float:
        """Return for how many rounds a fold of so many rows of train is fitted, if as many are found as usually are."""
        return self.rounds_fitted(min(self.rounds, ENOUGH_ROUNDS), n_rows)

    def rounds_fitted(self, found: float, n_rows: int) -> float:
        """Return for how many rounds a fold is fitted, with all its seeds, where so many are found."""
        if self.stop_on == "none":
            return self.n_seeds * self.rounds
        looking = min(self.rounds, found + self.patience)
        cuts = MOST_CUTS if self.chosen_by_all_cuts(rows_of_a_fold(n_rows)) else 1
        return cuts * looking + self.n_seeds * found if self.stop_on == "inner" else self.n_seeds * looking

    def chosen_by_all_cuts(self, n_fit_rows: int) -> bool:
        """Say whether the rounds are the mean of what all inner cuts choose, in a fold that trains on so many rows."""
        return n_fit_rows <= FEW

    def instead(self, found: float, task: Task) -> Self | None:
        """Return the recipe of smaller trees, once settled, where large ones found few rounds for their rate."""
        assert not isinstance(self.lr, str)
        if not self.smaller or found * self.lr >= self.EARLY:
            return None
        return self.model_copy(update={name: own[task.kind != "regression"] for name, own in self.SMALLER.items()})

    def shortened(self, share: float) -> Self:
        """Return the recipe, settled, as it is judged at a rung: at a high learning rate, the same for nearly all.

        After a few rounds at its own rate it would be judged by that rate: the error of 25 recipes for Titanic after 56
        rounds had a rank correlation of -0.93 with their rates, and of 0.23 with the error at the end (House Prices:
        -0.96 and -0.39). Now it has 0.79 with the latter (0.45). With nine times their own rates, at most 0.2, it had
        0.62 (0.55, but 0.63 with the rates: high ones came last).
        """
        assert isinstance(self.lr, float)
        lr = max(self.lr, min(FASTEST, USUAL / share))
        rounds, patience = self.rounds * self.lr / lr, self.patience * share
        return self.model_copy(update={"lr": lr, "rounds": max(1, round(rounds)), "patience": max(1, round(patience))})


Recipe = TypeVar("Recipe", bound=BoosterRecipe)
AnyRecipe = TypeVar("AnyRecipe", bound=FoldRecipe)


def for_tuning(recipe: AnyRecipe) -> AnyRecipe:
    """Return the recipe that a trial is judged by: one seed, so that trials are many."""
    return recipe.model_copy(update={"n_seeds": 1}) if "n_seeds" in type(recipe).model_fields else recipe


def settler(**auto: tuple[Any, Any, Any]) -> Callable[[Recipe, Task, int], Recipe]:
    """Return a plug-in's `settled`; auto: of each field that may be "auto" the value for a small table, else the one
    for regression and the one for classes; a function makes it of a fold's rows."""

    def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:
        """Return the recipe with a number for every "auto", which depends on the task and the rows of a fold."""
        place = 0 if n_rows <= SMALL else 1 if task.kind == "regression" else 2
        chosen = {n: own[place] for n, own in auto.items() if getattr(recipe, n) == "auto"}
        chosen = {n: value(n_rows) if callable(value) else value for n, value in chosen.items()}
        if recipe.smaller == "auto":
            chosen["smaller"] = place > 0 and recipe.SMALLER.keys() <= chosen.keys()
        if "lr" in chosen:
            chosen["lr"] = max(chosen["lr"], min(FASTEST, LEARNT / recipe.rounds))
        return recipe.model_copy(update=chosen)

    return settled


def verbs(
    kind: Callable[[], Kind], settled: Callable[[Any, Task, int], Any]
) -> tuple[Callable[..., dict[str, CrossFit]], Callable[[Path], Fitted]]:
    """Return a plug-in's `cross_fit` and `load`; kind: imports the library and says how it learns and predicts."""

    def cross_fit(
        recipes: Mapping[str, FoldRecipe],
        table: Table,
        folds: Folds,
        *,
        seed: int,
        log: Log,
        progress: Path | None = None,  # noqa: ARG001 - folds are quick: a killed run fits them again
        rungs: Sequence[Rung] = (),
        spread: Spread = in_turn,
    ) -> dict[str, CrossFit]:
        """Fit every recipe on every fold, but for those that are given up at a rung."""
        from pipeline.models._folds import Case
        from pipeline.models._folds import cross_fit as fit_all

        numbers = {name: settled(recipe, table.task, folds.n_fit_rows) for name, recipe in recipes.items()}
        return fit_all(Case(kind(), numbers, table, folds, seed, tuple(rungs)), log, spread)

    def load(folder: Path) -> Fitted:
        """Read one fold's model, as `save` wrote it."""
        from pipeline.models._folds import load as read

        return read(kind(), folder)

    return cross_fit, load


def prices(
    *, a_round: float, a_column: float, a_row: float, a_cell: float
) -> tuple[Callable[..., Any], Callable[..., float]]:
    """Return a booster's `affordable` and `seconds`, from the seconds of one thread that a tree takes.

    They were measured on one fold each of Titanic, House Prices, s4e4 and otto, LightGBM's and CatBoost's on whole
    cross-fits; within a factor of two or so.
    """

    def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
        """Return the recipe with as many seeds, then rounds, as so many minutes allow on two cores.

        Where the learning rate is "auto", fewer rounds learn faster (see `settler`): their number is then searched for
        as long as there are enough to choose from, since deep trees overfit even after few.
        """
        allowed = 60 * minutes
        if seconds(recipe, **size) > allowed and recipe.n_seeds > 1:
            return affordable(recipe.model_copy(update={"n_seeds": recipe.n_seeds - 1}), minutes, **size)
        if seconds(recipe, **size) <= allowed:
            return recipe
        wanted = min(recipe.rounds, ENOUGH_ROUNDS) if recipe.stop_on == "inner" else recipe.rounds
        rounds = rounds_within(recipe, allowed, size)
        if recipe.stop_on == "inner" and recipe.lr == "auto" and rounds >= FEWEST_SEARCHED:
            rounds = min(rounds, wanted)
            patience = max(1, recipe.patience * rounds // ENOUGH_ROUNDS)
            return recipe.model_copy(update={"rounds": rounds, "patience": patience})
        once = recipe.model_copy(update={"stop_on": "none"}) if recipe.stop_on == "inner" else recipe
        rounds = min(rounds_within(once, allowed, size), wanted)
        return once.model_copy(update={"rounds": max(min(FEWEST_ROUNDS, recipe.rounds), rounds)})

    def rounds_within(recipe: Recipe, allowed: float, size: Mapping[str, int]) -> int:
        one, two = (seconds(recipe.model_copy(update={"rounds": n}), **size) for n in (1, 2))
        return 1 + int(max(0.0, allowed - one) / max(two - one, 1e-9))

    def seconds(
        recipe: BoosterRecipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int
    ) -> float:
        """Return what a cross-fit takes on two cores, if rows that choose stop it as early as they usually do."""
        del n_test
        a_tree = a_round + a_column * n_columns + n_train * (a_row + a_cell * n_columns)
        speed = TWO_CORES if n_train * n_columns >= LARGE else 1.0
        return n_fits * (0.3 + recipe.usual_rounds(n_train) * (n_outputs if n_outputs > 2 else 1) * a_tree / speed)

    return affordable, seconds
