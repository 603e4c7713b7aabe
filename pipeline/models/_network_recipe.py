"""What the network models' plug-ins have in common: their recipes' shared fields, and the plug-in functions.

Imports no torch, so that a recipe is checked at once; `_networks` is imported when something is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pipeline.core.schedule import CYCLE_ENDS, Schedule
from pipeline.errors import ConfigError
from pipeline.spread import Spread, in_turn
from pipeline.transforms.recipe import Encode, Target

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.core.blocks import Architecture
    from pipeline.core.losses import Loss
    from pipeline.log import Log
    from pipeline.models._network_fit import Bag, NetworkFit
    from pipeline.models._network_plan import Plan
    from pipeline.types import CrossFit, Folds, Rung, Table, Task, TaskKind

Count = Annotated[int, Field(ge=1)]
Auto = Literal["auto"]
Activation = Literal["relu", "selu", "mish", "silu", "gelu", "tanh", "sigmoid", "scaled_sigmoid"]
Numeric = Literal["none", "piecewise", "periodic", "periodic_lite", "pbld"]
Patience = Annotated[
    Count | Literal["cycle"] | None,
    Field(
        description="epochs without improvement before a network stops looking; 'cycle': the first cycle of coslog4 "
        "that ends worse than the one before is the last (without that schedule it looks at all epochs)"
    ),
]
StopBy = Annotated[
    Literal["pairs", "inner", "fold", "none"],
    Field(
        description="what chooses the epoch: for networks that leave out two folds the other one, stopping rows inside "
        "the fold (then refitted on all), the fold itself, or nothing; pairs need five folds that are not of time, and "
        "are 'inner' elsewhere"
    ),
]
OF_CLASSES = ("cross_entropy", "ordinal")
PAIRED = 0.9
"""What an epoch outside two of five folds takes beside one outside one: three quarters of the rows (of ten folds 0.89),
and two sets that judge it (0.83 to 1.0 on 9,600 and 24,000 rows). That the later of two searches ends a network is not
priced: RealMLP looked at half of its epochs on eight draws, where two thirds are reckoned with; on all rows of
playground-series-s4e4 it looked at all."""


class NetworkRecipe(BaseModel):
    """How any network is trained, and on which encoding. "auto" depends on the rows and the task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimiser: Literal["adamw", "adam", "sgd"] = Field(
        "adamw", description="how gradients become steps; 'adamw' decays weights, the others join it to the gradient"
    )
    schedule: Schedule = Field("constant", description="of the lr")
    epochs: Count | Auto = Field("auto", description="passes over the training rows")
    loss: Literal["auto", "squared", "absolute", "huber", "quantile", "cross_entropy", "ordinal"] = Field(
        "auto", description="what is minimised; 'ordinal' is for classes whose order means something, as 1 to 5 stars"
    )
    level: float = Field(0.5, gt=0, lt=1, description="the quantile of the target that loss = 'quantile' aims at")
    precision: Literal["full", "bfloat16"] = Field(
        "full",
        description="of the products in training; 'bfloat16' (2 digits) is quick on GPUs and on CPUs with AMX",
    )
    l1: float = Field(0.0, ge=0, description="factor of the absolute weights' sum that joins the loss")
    clip: float | None = Field(None, gt=0, description="length to which a longer gradient of a whole network is cut")
    stop_on: StopBy = "none"
    encode: Encode = Field(Encode(), description="how columns become numbers")
    target: Target = Field("auto", description="transform of a regression target")

    def plan(self, task: Task, architecture: Architecture, **program: Any) -> Plan:
        """Return what the recipe, settled, comes down to: by fields of the same names, and by what is given."""
        from pipeline.core.members import Program
        from pipeline.models._network_plan import Plan

        def named_alike(kind: type) -> dict[str, Any]:
            return {own.name: getattr(self, own.name) for own in fields(kind) if own.name in type(self).model_fields}

        shared = named_alike(Program) | {"loss": self.loss_for(task.kind), **program}
        return Plan(Program(architecture, **shared), **named_alike(Plan))

    def loss_for(self, task: TaskKind) -> Loss:
        """Return what is minimised; "auto" is squared for values and cross entropy for classes."""
        regression = task == "regression"
        if self.loss == "auto":
            return "squared" if regression else "cross_entropy"
        if regression == (self.loss in OF_CLASSES):
            raise ConfigError(f"loss '{self.loss}' does not suit a {task} task", hint='leave loss = "auto"')
        return self.loss

    def usually_found(self, epochs: int) -> float:
        """Return which of so many epochs stopping rows usually choose; the last, where that is not known."""
        return float(epochs)

    def found_by(self, other: NetworkRecipe, found: float) -> float:
        """Return which epoch this one would find, settled, where the other has found this."""
        return found * self.usually_found(int(self.epochs)) / other.usually_found(int(other.epochs))

    def passes(self, epochs: int, found: float | None = None) -> float:
        """Return how often a network sees its rows: to find an epoch, and, of "inner", again up to it.

        found: the epoch, if not the usual one.
        """
        if self.stop_on == "none":
            return float(epochs)
        found = self.usually_found(epochs) if found is None else found
        looked = min(float(epochs), self._looked(epochs, found))
        return PAIRED * looked if self.stop_on == "pairs" else looked + (found if self.stop_on == "inner" else 0.0)

    def _looked(self, epochs: int, found: float) -> float:
        """Return after which epoch a network stops looking whose best one is this."""
        patience = getattr(self, "patience", None)
        if patience == "cycle" and self.schedule == "coslog4":
            first = epochs * CYCLE_ENDS[0]
            return 2 * max(found, first) + first  # the end of the next cycle, twice as long as the one before
        return found + patience if isinstance(patience, int) else epochs

    def pace(self, found: float, n_rows: int) -> float:  # noqa: ARG002 - boosters' depends on it
        """Return how many times what was planned for it, settled, takes, where so many epochs were found."""
        epochs = int(self.epochs)
        return self.passes(epochs, found) / self.passes(epochs)


class DeepRecipe(NetworkRecipe):
    """What networks with hidden layers have beside that: they embed columns, and may predict beyond what they saw."""

    embedding: int = Field(8, ge=0, description="width of a level's vector where encode.many_levels is 'embedding'")
    embedding_numeric: Numeric = Field(
        "none", description="how a number becomes a vector: from its bins, from waves (PLR), or RealMLP's waves"
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the epochs over which the lr rises from 0")
    overshoot: float = Field(
        0.0, ge=0, description="how far predictions may leave the range of the fitted target, in such ranges"
    )


Number = TypeVar("Number", int, float)


def as_number(setting: Number | Auto) -> Number:
    """Return a setting that is settled: no longer "auto"."""
    assert not isinstance(setting, str)
    return setting


def starting_seconds(n_fits: int, n_train: int, n_columns: int) -> float:
    """Return what comes before the training: torch is loaded and compiles, every fold is encoded."""
    return 2.0 + n_fits * (0.5 + 4e-7 * n_train * n_columns)


Recipe = TypeVar("Recipe", bound=NetworkRecipe)


def cross_fitter(resolve: Callable[[Any, Task, int], Plan]) -> Callable[..., dict[str, CrossFit]]:
    """Return a plug-in's `cross_fit`; resolve: turns a recipe into a plan, given the task and the rows of a fold."""

    def cross_fit(
        recipes: Mapping[str, NetworkRecipe],
        table: Table,
        folds: Folds,
        *,
        seed: int,
        log: Log,
        progress: Path | None = None,
        rungs: Sequence[Rung] = (),
        spread: Spread = in_turn,
    ) -> dict[str, CrossFit]:
        """Train every recipe on every fold; recipes whose plans share a program are trained as one."""
        from pipeline.models._network_case import Case
        from pipeline.models._networks import cross_fit as train_all

        own = {name: on_folds(recipe, folds) for name, recipe in recipes.items()}
        plans = {name: resolve(recipe, table.task, folds.n_fit_rows) for name, recipe in own.items()}
        return train_all(plans, Case(table, folds, seed, progress, tuple(rungs)), log, spread)

    return cross_fit


def load(folder: Path) -> NetworkFit | Bag:
    """Read one fold's networks, as `save` wrote them."""
    from pipeline.models._network_fit import load as read

    return read(folder)


def on_folds(recipe: Recipe, folds: Folds | None) -> Recipe:
    """Return the recipe as it is trained on such folds; None: on some that cannot be paired."""
    from pipeline.models._network_pairs import suit

    if recipe.stop_on != "pairs" or (folds is not None and suit(folds)):
        return recipe
    return recipe.model_copy(update={"stop_on": "inner"})


def for_tuning(recipe: Recipe) -> Recipe:
    """Return the recipe a trial is judged by: one seed, so that trials are many."""
    return recipe.model_copy(update={"n_seeds": 1})
