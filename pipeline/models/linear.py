"""Linear and softmax regression, all folds trained as one program.

The default is a ridge: squared loss or cross entropy with an L2 penalty, on straightened and standardised columns,
with a learning rate that falls to zero, so that it ends at the optimum. The book's network (d2l, section 5.7) is
an experiment: experiments/house-prices-advanced-regression-techniques/d2l.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.core.schedule import Schedule
from pipeline.models._network_recipe import (
    Auto,
    Count,
    NetworkRecipe,
    cross_fitter,
    starting_seconds,
)
from pipeline.models._network_recipe import for_tuning as for_tuning
from pipeline.models._network_recipe import load as load
from pipeline.models._network_recipe import on_folds as on_folds
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from pipeline.models._network_plan import Plan
    from pipeline.types import Task

SHARE = 0.1
TARGETS = "together"

SPACE = {
    "weight_decay": {"tune": "loguniform", "low": 1e-5, "high": 10.0},
    "lr": {"tune": "loguniform", "low": 5e-3, "high": 0.1},
}

STEPS = 1_000  # in which Adam reaches the optimum of standardised columns
ROW_VISITS = 3_000_000  # epochs x rows that larger tables are given
FEWEST_EPOCHS = 20
SECONDS_A_STEP = 1e-3  # on two cores, nearly all of it overhead


class Recipe(NetworkRecipe):
    """How the weights are found, and on which encoding."""

    lr: float = Field(0.02, gt=0, description="learning rate")
    optimiser: Literal["adamw", "adam", "sgd"] = Field("adam", description="'adam' joins the penalty to the gradient")
    weight_decay: float = Field(0.02, ge=0, description="L2 penalty, on the loss of one row; never on the bias")
    schedule: Schedule = Field("cosine", description="of the lr")
    epochs: Count | Auto = Field("auto", description="passes over the rows: 1 000 steps, at least 20 epochs")
    batch_size: Count = Field(256, description="rows a step")
    beta2: float = Field(0.999, ge=0, lt=1, description="memory of the squared gradients")
    init: Literal["normal", "constant", "xavier", "he", "lecun", "torch"] = Field(
        "constant", description="initial weights; 'constant' is zero"
    )
    n_seeds: Count = Field(1, description="fits averaged in each fold")
    encode: Encode = Field(Encode(skew="yeo-johnson", min_rows=5), description="how columns become numbers")


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:  # noqa: ARG001 - every plug-in's has the task
    """Return the recipe with a number of epochs, which depends on the rows of a fold."""
    return recipe.model_copy(update={"epochs": _epochs(recipe, n_rows)})


def resolve(recipe: Recipe, task: Task, n_rows: int) -> Plan:
    """Turn a recipe into a plan for a table with this many training rows in a fold."""
    from pipeline.core.blocks import Architecture
    from pipeline.models._network_losses import outputs_for

    recipe = settled(recipe, task, n_rows)
    return recipe.plan(task, Architecture(n_outputs=outputs_for(recipe.loss, task)), beta=(0.9, recipe.beta2))


def _epochs(recipe: Recipe, n_rows: int) -> int:
    """Return the epochs; "auto" asks for enough steps to reach the optimum, and ends at ROW_VISITS."""
    if recipe.epochs != "auto":
        return recipe.epochs
    wanted = -(-STEPS // -(-n_rows // recipe.batch_size))
    return max(FEWEST_EPOCHS, min(wanted, ROW_VISITS // n_rows))


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe with as many epochs as so many minutes allow on two cores."""
    while seconds(recipe, **size) > 60 * minutes and (epochs := _epochs(recipe, size["n_train"])) > FEWEST_EPOCHS:
        recipe = recipe.model_copy(update={"epochs": max(FEWEST_EPOCHS, epochs * 3 // 4)})
    return recipe


def seconds(recipe: Recipe, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes on two cores, by its steps: all folds and seeds take theirs together."""
    del n_test, n_outputs
    steps = recipe.passes(_epochs(recipe, n_train)) * -(-n_train // recipe.batch_size)
    return starting_seconds(n_fits, n_train, n_columns) + SECONDS_A_STEP * steps * recipe.n_seeds


cross_fit = cross_fitter(resolve)
