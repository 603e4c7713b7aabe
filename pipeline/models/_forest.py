"""What random forests and extremely randomised trees have in common: recipe, defaults, fit and price.

Nodes are split down to 5 rows for values and 10 for probabilities, as in the package ranger (Wright and Ziegler 2017,
after Malley et al. 2012, "Probability machines"), and to more on larger tables, where consistent forests need larger
leaves (Biau and Scornet 2016, "A random forest guided tour") and small ones cost gigabytes. 300 trees as in AutoGluon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from pipeline.models._fold_recipe import Auto, Count, EncodedRecipe, Share
from pipeline.transforms.recipe import Encode

if TYPE_CHECKING:
    from pipeline.models._folds import Learnt, Lesson
    from pipeline.types import Task

FEWEST_TREES = 50
NODES = 2_000
"""A node is split down to one part in so many of the rows, if that is more than 5 or 10: trees end at some size."""


SPACE = {
    "columns": {"tune": "uniform", "low": 0.2, "high": 1.0},
    "split_rows": {"tune": "logint", "low": 2, "high": 32},
}
"""TabArena's parameters (Erickson et al. 2025, package tabarena) in ranges that hold our defaults."""


class ForestRecipe(EncodedRecipe):
    """How trees are grown."""

    trees: Count = Field(300, description="trees")
    columns: Share | Auto = Field("auto", description="share of the columns that a split may choose from")
    split_rows: Count | Auto = Field(
        "auto", description="rows of a node that is split: 5 for regression, 10 for classes, rows/2000 if that is more"
    )
    encode: Encode = Field(
        Encode(max_one_hot=10), description="how columns become numbers; more than 10 levels: target means"
    )

    def shortened(self, share: float) -> Self:
        """Return the recipe with a share of the trees.

        With a ninth of them the errors of 12 recipes for Titanic had a rank correlation of 0.77 with those of all.
        """
        return self.model_copy(update={"trees": max(1, round(share * self.trees))})


def grow(lesson: Lesson, regressor: Any, classifier: Any, **more: Any) -> Learnt:
    """Fit the forest that suits the task. One more vote goes to the classes' shares, so that none is impossible."""
    from pipeline.models._scikit import encoded, fitted

    recipe = lesson.recipe
    columns, X = encoded(lesson)
    forest = (classifier if lesson.task.classes else regressor)(
        n_estimators=recipe.trees,
        max_features=recipe.columns,
        min_samples_split=max(2, recipe.split_rows),
        random_state=lesson.seed,
        n_jobs=_threads(),
        **more,
    )
    learnt = fitted(forest, columns, X, lesson, doubt=1 / recipe.trees)
    learnt.model.estimator.n_jobs = 1  # threads that finish first would change the last bit of a sum
    return learnt


def _threads() -> int:
    """Return how many threads other libraries take here: OMP_NUM_THREADS, else a core each."""
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def settle(recipe: Any, task: Task, n_rows: int, columns: float) -> Any:
    """Return the recipe with a number for every "auto"; columns: the share that suits the kind of forest and task."""
    rows = max(10 if task.classes else 5, n_rows // NODES)
    auto = {"columns": columns, "split_rows": rows}
    return recipe.model_copy(update={name: own for name, own in auto.items() if getattr(recipe, name) == "auto"})


def affordable(recipe: Any, minutes: float, **size: int) -> Any:
    """Return the recipe with as many trees as so many minutes allow on two cores."""
    allowed, needed = 60 * minutes, seconds(recipe, **size)
    if needed <= allowed:
        return recipe
    trees = max(min(FEWEST_TREES, recipe.trees), int(recipe.trees * allowed / needed))
    return recipe.model_copy(update={"trees": trees})


def seconds(recipe: Any, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what a cross-fit takes on two cores: each split sorts a share of the columns."""
    del n_outputs
    share = 0.4 if recipe.columns == "auto" else recipe.columns
    cells = n_train * (3 + share * n_columns) + 2 * n_test
    return n_fits * (0.5 + recipe.trees * (1e-3 + 3e-7 * cells))
