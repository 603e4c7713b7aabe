"""TabM: one network that holds k, with most weights shared; each is trained on its own loss, predictions are averaged.

Gorishniy, Kotelnikov and Babenko 2024, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling";
defaults of its package: k, width, dropout, AdamW's rates, piecewise-linear embeddings, batch size by rows, patience.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.models._network_recipe import (
    Activation,
    Auto,
    Count,
    DeepRecipe,
    Numeric,
    Patience,
    StopBy,
    as_number,
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

SHARE = 1.0
TARGETS = "together"
RUNGS = (1 / 9, 1 / 3)  # of the epochs without patience

BATCH_SIZES = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (108_000, 512))  # below so many rows; else 1 024
ROW_VISITS = 2_000_000  # epochs x rows that larger tables are given
FEWEST_MEMBERS, NARROWEST, FEWEST_EPOCHS = 8, 128, 15  # what a short time is never met with less than
USUALLY_FOUND = 25
"""Which epoch stopping rows choose at most, usually: on average over folds it was 2 to 29 (over all 11) on Titanic,
House Prices, Mercedes and spaceship-titanic, whole and cut to 600 rows, and otto, s4e4, diabetes and breast-cancer."""
SPACE = {
    "lr": {"tune": "loguniform", "low": 1e-4, "high": 3e-3},
    "weight_decay": {"tune": "loguniform", "low": 1e-4, "high": 0.1},
    "depth": {"tune": "int", "low": 2, "high": 5},
    "width": {"tune": "int", "low": 128, "high": 1024, "step": 16},
    "dropout": {"tune": "uniform", "low": 0.0, "high": 0.5},
    "embedding_numeric": {"tune": "choice", "values": ["piecewise", "none"]},
    "embedding_numeric_width": {
        "tune": "int",
        "low": 8,
        "high": 32,
        "step": 4,
        "when": {"embedding_numeric": ["piecewise"]},
    },
    "embedding_numeric_parts": {"tune": "int", "low": 2, "high": 128, "when": {"embedding_numeric": ["piecewise"]}},
}
"""TabArena's space for TabM (Erickson et al. 2025, package tabarena), after Gorishniy et al. 2024; "none" is ours."""

INPUTS = 8  # inputs of the first layer a column, roughly
SECONDS = 8.5e-11  # for one row to pass one weight in training, everything included; small widths take twice as long


class Recipe(DeepRecipe):
    """What network is trained, how, and on which encoding. "auto" depends on the rows and the task (see `settled`)."""

    k: Count = Field(32, description="members that share the network's weights")
    width: Count = Field(512, description="units of a hidden layer")
    depth: Count | Auto = Field("auto", description="hidden layers: 2 where numbers are embedded, else 3")
    activation: Activation = Field("relu", description="of the hidden layers")
    embedding_numeric: Numeric = Field(
        "piecewise", description="how a number becomes a vector: from its bins, from waves (PLR), or RealMLP's waves"
    )
    embedding_numeric_width: int = Field(16, ge=2, description="length of a number's vector")
    embedding_numeric_parts: Count = Field(48, description="bins or frequencies a number")
    embedding_numeric_sigma: float = Field(0.1, gt=0, description="deviation of the first frequencies")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of hidden units dropped in training, rounded to 1/256")
    weight_decay: float = Field(3e-4, ge=0, description="decoupled (AdamW) or joined to the gradient; never on biases")
    lr: float = Field(2e-3, gt=0, description="learning rate")
    beta2: float = Field(0.999, ge=0, lt=1, description="memory of the squared gradients")
    epochs: Count | Auto = Field("auto", description="most passes over the training rows: 100, fewer above 20 000 rows")
    batch_size: Count | Auto = Field("auto", description="rows a step: 32 below 2 800 rows, up to 1 024")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    n_seeds: Count = Field(1, description="networks averaged in each fold")
    stop_on: StopBy = "inner"
    patience: Patience = 16
    encode: Encode = Field(Encode(scale="robust", impute="median"), description="how columns become numbers")

    def usually_found(self, epochs: int) -> float:
        """Return which of so many epochs stopping rows usually choose."""
        return float(min(epochs, USUALLY_FOUND))


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:  # noqa: ARG001 - every plug-in's has the task
    """Return the recipe with a number for every "auto", which depends on the rows of a fold."""
    numbers = {
        "depth": _depth(recipe),
        "epochs": _epochs(recipe, n_rows),
        "batch_size": _batch_size(recipe, n_rows),
    }
    return recipe.model_copy(update=numbers)


def resolve(recipe: Recipe, task: Task, n_rows: int) -> Plan:
    """Turn a recipe into a plan for a table with this many training rows in a fold."""
    from pipeline.core.blocks import Architecture
    from pipeline.models._network_losses import outputs_for

    recipe = settled(recipe, task, n_rows)
    architecture = Architecture(
        n_outputs=outputs_for(recipe.loss, task),
        hidden=(recipe.width,) * as_number(recipe.depth),
        activation=recipe.activation,
        embedding=recipe.embedding,
        numeric=recipe.embedding_numeric,
        numeric_width=recipe.embedding_numeric_width,
        numeric_parts=recipe.embedding_numeric_parts,
        sigma=recipe.embedding_numeric_sigma,
        k=recipe.k,
        logits=task.kind != "regression" and recipe.loss != "ordinal",
    )
    return recipe.plan(task, architecture, init="torch", beta=(0.9, recipe.beta2))


def _depth(recipe: Recipe) -> int:
    if recipe.depth != "auto":
        return recipe.depth
    return 3 if recipe.embedding_numeric == "none" else 2


def _epochs(recipe: Recipe, n_rows: int) -> int:
    return max(FEWEST_EPOCHS, min(100, ROW_VISITS // n_rows)) if recipe.epochs == "auto" else recipe.epochs


def _batch_size(recipe: Recipe, n_rows: int) -> int:
    if recipe.batch_size != "auto":
        return recipe.batch_size
    return next((size for rows, size in BATCH_SIZES if n_rows < rows), 1_024)


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:
    """Return the recipe with as many seeds, members, units and epochs as so many minutes allow on two cores."""
    while seconds(recipe, **size) > 60 * minutes and (less := _less(recipe, size["n_train"])):
        recipe = recipe.model_copy(update=less)
    return recipe


def _less(recipe: Recipe, n_rows: int) -> dict[str, int]:
    """Return the next thing to do without, nothing where all is at its least."""
    if recipe.n_seeds > 1:
        return {"n_seeds": recipe.n_seeds - 1}
    if recipe.k > FEWEST_MEMBERS:
        return {"k": max(FEWEST_MEMBERS, recipe.k // 2)}
    if recipe.width > NARROWEST:
        return {"width": max(NARROWEST, recipe.width // 2)}
    epochs = _epochs(recipe, n_rows)
    return {"epochs": max(FEWEST_EPOCHS, epochs * 3 // 4)} if epochs > FEWEST_EPOCHS else {}


def seconds(recipe: Recipe, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes, by the weights and the rows that pass through them, once for each member."""
    depth = _depth(recipe)
    weights = recipe.width * (INPUTS * n_columns + recipe.width * (depth - 1) + n_outputs)
    passed = recipe.passes(_epochs(recipe, n_train)) * n_train + n_test
    a_fit = SECONDS * recipe.n_seeds * recipe.k * weights * passed
    return starting_seconds(n_fits, n_train, n_columns) + n_fits * a_fit


cross_fit = cross_fitter(resolve)
