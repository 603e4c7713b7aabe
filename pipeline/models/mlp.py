"""A multilayer perceptron: RealMLP-like defaults, all folds, seeds and recipes trained as one program.

Defaults follow RealMLP-TD (Holzmueller, Grinsztajn and Steinwart 2024, "Better by default"): robust scaling with
smooth clipping, a scaling layer, its parametrisation, initialisation and schedules, beta2 = 0.95, label smoothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from pipeline.core.schedule import CYCLE_ENDS, Schedule
from pipeline.models._five_folds import rows_of_a_fold
from pipeline.models._network_recipe import (
    Activation,
    Auto,
    Count,
    DeepRecipe,
    Patience,
    cross_fitter,
    starting_seconds,
)
from pipeline.models._network_recipe import for_tuning as for_tuning
from pipeline.models._network_recipe import load as load
from pipeline.models._network_recipe import on_folds as on_folds
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from pipeline.core.blocks import Architecture
    from pipeline.models._network_plan import Plan
    from pipeline.types import Task

SHARE = 1.0
TARGETS = "together"
RUNGS = CYCLE_ENDS[:-1]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

SPACE = {
    "depth": {"tune": "int", "low": 1, "high": 4},
    "width": {"tune": "int", "low": 64, "high": 512, "step": 64},
    "activation": {"tune": "choice", "values": ["silu", "mish", "relu", "selu"]},
    "embedding_numeric": {"tune": "choice", "values": ["none", "piecewise", "pbld"]},
    "embedding_numeric_sigma": {
        "tune": "loguniform",
        "low": 0.05,
        "high": 0.5,
        "when": {"embedding_numeric": ["pbld"]},
    },
    "dropout": {"tune": "uniform", "low": 0.0, "high": 0.5},
    "weight_decay": {"tune": "loguniform", "low": 1e-3, "high": 1.0},
    "lr": {"tune": "loguniform", "low": 2e-3, "high": 0.1},
    "epochs": {"tune": "int", "low": 20, "high": 80, "step": 10},
}
"""Activation, embedding, sigma and dropout after RealMLP's space (Holzmueller, Grinsztajn and Steinwart 2024); the rest
are ranges around this model's defaults."""

DECAY_IF_SMALL, DECAY = 0.1, 0.01
"""Weight decay for tables up to SMALL, and for larger ones, which take many more steps an epoch.

On folds of another seed (7) than that of any result here, errors with 0.1, 0.03, 0.01, 0.003 and 0 were, for otto,
0.531, 0.504, 0.502, 0.502, 0.502; for s4e4 with 0.1 and 0.01 0.1521 and 0.1514. Small tables like 0.1 as much as less:
accuracy of spaceship-titanic 0.801, 0.802, 0.800 with 0.1, 0.05, 0.02; R2 of mercedes 0.558, 0.557 with 0.1, 0.05."""

SMALL, MEDIUM = 10_000, 30_000  # training rows up to which 4 and 2 seeds are averaged
ROW_VISITS = 1_000_000  # epochs x rows that larger tables are given
FEWEST_EPOCHS = 15
ENCODED = 3  # encoded columns a column, roughly
PART = 50  # weights that take as long as one bin or wave of a column, half the columns being numbers
UNIT = 60  # weights that take as long as a hidden unit's own mixture with its activation (`parametric`)
SECONDS = 7e-11  # for one row to pass one weight in training, on two cores, everything included


class Recipe(DeepRecipe):
    """What network is trained, how, and on which encoding. "auto" depends on the rows and the task (see `settled`)."""

    width: int = Field(256, ge=1, description="units of a hidden layer")
    depth: int = Field(3, ge=0, description="hidden layers")
    hidden: list[Count] = Field([], description="widths of the hidden layers, in place of width and depth")
    residual: bool = Field(False, description="add a layer's input to its output where the widths are equal")
    tied: bool = Field(False, description="hidden layers after the first share their weights")
    activation: Activation = Field("silu", description="of the hidden layers")
    parametric: bool = Field(False, description="train for each unit how much of its activation it takes")
    norm: Literal["none", "batch", "layer"] = Field("none", description="of the hidden units, before their activation")
    scaling: bool = Field(True, description="train one factor a column in front of the first layer")
    embedding_numeric_width: int = Field(4, ge=2, description="length of a number's vector")
    embedding_numeric_parts: int = Field(16, ge=1, description="bins or frequencies a number")
    embedding_numeric_sigma: Positive = Field(0.1, description="deviation of the first frequencies")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of hidden units dropped in training, rounded to 1/256")
    weight_decay: NotNegative | Auto = Field(
        "auto",
        description="decoupled (AdamW) or joined to the gradient, never on biases: 0.1, but 0.01 above 10 000 rows",
    )
    lr: Positive | Auto = Field("auto", description="learning rate: 0.01 for regression, 0.02 for classes")
    beta2: float = Field(0.95, ge=0, lt=1, description="memory of the squared gradients")
    schedule: Schedule = Field("coslog4", description="of the lr")
    regularisation_schedule: Schedule = Field("flat_cosine", description="of dropout and weight decay")
    epochs: Count | Auto = Field("auto", description="passes over the training rows: 60, fewer above 17 000 rows")
    batch_size: Count | Auto = Field("auto", description="rows a step: 256, 512 above 30 000 rows")
    init: Literal["normal", "xavier", "he", "lecun", "torch", "spread"] = Field(
        "spread", description="initial weights; 'spread' fits them to the data"
    )
    parametrisation: Literal["standard", "ntk"] = Field("ntk", description="'ntk' makes one lr fit all widths")
    label_smoothing: Share | Auto = Field(
        "auto", description="share of the target spread over all classes: 0.1, but 0 where probabilities are judged"
    )
    n_seeds: Count | Auto = Field(
        "auto",
        description="networks averaged in each fold: 4, 2 or 1 by the rows; of pairs, which serve two, half as many",
    )
    patience: Patience = None
    encode: Encode = Field(Encode(scale="robust", impute="median"), description="how columns become numbers")

    @model_validator(mode="after")
    def _ties_fit(self) -> Recipe:
        if self.tied and len(self.hidden) > 2 and len(set(self.hidden)) > 1:
            raise ValueError("tied layers share one weight matrix, so that all of `hidden` must be equally wide")
        return self

    @property
    def fewest_epochs(self) -> int:
        """What a short time is never met with less than."""
        return FEWEST_EPOCHS


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def settled(recipe: AnyRecipe, task: Task, n_rows: int) -> AnyRecipe:
    """Return the recipe with a number for every "auto", which depends on the task and the rows of a fold."""
    numbers = {
        "weight_decay": (DECAY_IF_SMALL if n_rows <= SMALL else DECAY)
        if recipe.weight_decay == "auto"
        else recipe.weight_decay,
        "lr": (0.01 if task.kind == "regression" else 0.02) if recipe.lr == "auto" else recipe.lr,
        "epochs": _epochs(recipe, n_rows),
        "batch_size": (256 if n_rows <= MEDIUM else 512) if recipe.batch_size == "auto" else recipe.batch_size,
        "label_smoothing": _label_smoothing(recipe, task),
        "n_seeds": _n_seeds(recipe, n_rows),
    }
    return recipe.model_copy(update=numbers)


def resolve(recipe: Recipe, task: Task, n_rows: int) -> Plan:
    """Turn a recipe into a plan for a table with this many training rows in a fold."""
    recipe = settled(recipe, task, n_rows)
    weaker = recipe.regularisation_schedule
    own = {"beta": (0.9, recipe.beta2), "decay_schedule": weaker, "dropout_schedule": weaker}
    return recipe.plan(task, _architecture(recipe, task), **own)


def _architecture(recipe: Recipe, task: Task) -> Architecture:
    from pipeline.core.blocks import Architecture
    from pipeline.models._network_losses import outputs_for

    return Architecture(
        n_outputs=outputs_for(recipe.loss, task),
        hidden=tuple(recipe.hidden) or (recipe.width,) * recipe.depth,
        activation=recipe.activation,
        parametric=recipe.parametric,
        norm=recipe.norm,
        residual=recipe.residual,
        tied=recipe.tied,
        scaling=recipe.scaling,
        embedding=recipe.embedding,
        numeric=recipe.embedding_numeric,
        numeric_width=recipe.embedding_numeric_width,
        numeric_parts=recipe.embedding_numeric_parts,
        sigma=recipe.embedding_numeric_sigma,
    )


def _epochs(recipe: Recipe, n_rows: int) -> int:
    return max(FEWEST_EPOCHS, min(60, ROW_VISITS // n_rows)) if recipe.epochs == "auto" else recipe.epochs


def _n_seeds(recipe: Recipe, n_rows: int) -> int:
    if recipe.n_seeds != "auto":
        return recipe.n_seeds
    n_seeds = 4 if n_rows <= SMALL else 2 if n_rows <= MEDIUM else 1
    return -(-n_seeds // 2) if recipe.stop_on == "pairs" else n_seeds  # each of which serves two folds


def _label_smoothing(recipe: Recipe, task: Task) -> float:
    """Smoothing helps labels and ranks but biases probabilities, which log loss and its like judge."""
    if recipe.label_smoothing != "auto":
        return recipe.label_smoothing
    return 0.1 if task.metric.reads == "label" or task.metric.of_order else 0.0


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe with as many seeds, then epochs, as so many minutes allow on two cores."""
    n_rows = size["n_train"]
    while seconds(recipe, **size) > 60 * minutes:
        if (n_seeds := _n_seeds(recipe, rows_of_a_fold(n_rows))) > 1:
            recipe = recipe.model_copy(update={"n_seeds": n_seeds - 1})
        elif (epochs := _epochs(recipe, n_rows)) > (fewest := recipe.fewest_epochs):
            recipe = recipe.model_copy(update={"epochs": max(fewest, epochs * 3 // 4)})
        else:
            break
    return recipe


def seconds(recipe: Recipe, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes on two cores, by the weights and the rows that pass through them."""
    sizes = (ENCODED * n_columns, *(recipe.hidden or (recipe.width,) * recipe.depth), n_outputs)
    weights = sum(a * b for a, b in pairwise(sizes))
    if recipe.embedding_numeric != "none":
        weights += PART * recipe.embedding_numeric_parts * n_columns
    if recipe.parametric:
        weights += UNIT * sum(sizes[1:-1])
    trained = recipe.passes(_epochs(recipe, n_train)) * n_train
    a_fit = SECONDS * _n_seeds(recipe, rows_of_a_fold(n_train)) * weights * (trained + n_test)
    return starting_seconds(n_fits, n_train, n_columns) + n_fits * a_fit


cross_fit = cross_fitter(resolve)
