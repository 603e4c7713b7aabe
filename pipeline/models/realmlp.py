"""RealMLP-TD: the MLP with the defaults that Holzmueller, Grinsztajn and Steinwart tuned on 118 data sets.

"Better by default: Strong pre-tuned MLPs and boosted trees on tabular data" (NeurIPS 2024), appendix A, and the
package pytabkit. Slower than `mlp` and closer to the paper: waves of each number (PBLD), parametric activations, 256
epochs or as few as stopping rows choose, embeddings for columns of more than eight levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.models import mlp
from pipeline.models._network_recipe import Activation, Auto, Count, Numeric, Patience, StopBy, cross_fitter
from pipeline.models.mlp import RUNGS, SHARE, TARGETS, affordable, for_tuning, load, on_folds, seconds
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from pipeline.models._network_plan import Plan
    from pipeline.types import Task

__all__ = [
    "RUNGS",
    "SHARE",
    "TARGETS",
    "Recipe",
    "affordable",
    "cross_fit",
    "for_tuning",
    "load",
    "on_folds",
    "seconds",
    "settled",
]


SPACE = {
    "depth": {"tune": "int", "low": 2, "high": 4},
    "width": {"tune": "choice", "values": [256, 384, 512]},
    "dropout": {"tune": "uniform", "low": 0.0, "high": 0.5},
    "embedding_numeric": {"tune": "choice", "values": ["pbld", "none"]},
    "embedding_numeric_sigma": {
        "tune": "loguniform",
        "low": 1e-2,
        "high": 50.0,
        "when": {"embedding_numeric": ["pbld"]},
    },
    "beta2": {"tune": "uniform", "low": 0.95, "high": 0.995},
    "lr": {"tune": "loguniform", "low": 2e-2, "high": 0.3},
    "weight_decay": {"tune": "loguniform", "low": 1e-3, "high": 5e-2},
}
"""TabArena's space for RealMLP, as far as the recipe has its parameters (Erickson et al. 2025, package tabarena); to do
without vectors for numbers is a choice of RealMLP's own space (Holzmueller, Grinsztajn and Steinwart 2024)."""

EPOCHS = 256
USUALLY_FOUND = 0.3
"""After which share of the epochs stopping rows choose to end, usually: 0.27 on average over eleven data sets, cut to
600 rows (0.07 to 0.55). Looking ends with the cycle after that one. On fourteen draws of ten data sets (118 to 1,600
rows, four seeds) 64 of 70 folds found the epoch that a look at all 256 had found, and rows were passed 0.62 times as
often as in 256 epochs, looking and training again, instead of 1.2 times. In the four draws where an epoch is another
Titanic's errors became lower by 11 % out of fold and 2 % on held-out rows; those of wine, digits and breast-cancer
changed by 0, +20 (three rows of 600) and 0 % out of fold, and by -3, -9 and +1 % on held-out rows."""


class Recipe(mlp.Recipe):
    """An MLP's recipe with RealMLP's defaults; lr "auto" is 0.2 for regression, 0.04 for classes."""

    activation: Activation | Auto = Field(  # type: ignore[assignment]  # `settled` makes it one of mlp's
        "auto", description="of the hidden layers; 'auto' is mish for regression, selu for classes"
    )
    parametric: bool = Field(True, description="train for each unit how much of its activation it takes")
    embedding_numeric: Numeric = Field(
        "pbld", description="how a number becomes a vector: from its bins, from waves (PLR), or RealMLP's waves"
    )
    dropout: float = Field(0.15, ge=0, lt=1, description="share of hidden units dropped in training, rounded to 1/256")
    weight_decay: mlp.NotNegative | Auto = Field(
        0.02, description="decoupled (AdamW) or joined to the gradient; never on biases"
    )
    epochs: Count | Auto = Field(EPOCHS, description="passes over the training rows")
    stop_on: StopBy = "pairs"
    patience: Patience = "cycle"
    encode: Encode = Field(
        Encode(scale="robust", impute="median", max_one_hot=9, many_levels="embedding"),
        description="how columns become numbers",
    )

    @property
    def fewest_epochs(self) -> int:
        """What a short time is never met with less than: as many as are usually found to be enough."""
        return round(self.usually_found(EPOCHS))

    def usually_found(self, epochs: int) -> float:
        """Return which of so many epochs stopping rows usually choose."""
        return USUALLY_FOUND * epochs


def settled(recipe: Recipe, task: Task, n_rows: int) -> Recipe:
    """Return the recipe without "auto": RealMLP's own activation and lr, otherwise what `mlp` takes."""
    regression, update = task.kind == "regression", dict[str, object]()
    if recipe.activation == "auto":
        update["activation"] = "mish" if regression else "selu"
    if recipe.lr == "auto":
        update["lr"] = 0.2 if regression else 0.04
    return mlp.settled(recipe.model_copy(update=update), task, n_rows)


def resolve(recipe: Recipe, task: Task, n_rows: int) -> Plan:
    """Turn a recipe into a plan, as `mlp` does."""
    return mlp.resolve(settled(recipe, task, n_rows), task, n_rows)


cross_fit = cross_fitter(resolve)
