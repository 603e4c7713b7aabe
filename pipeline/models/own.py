"""Bring your own: predictions that were made elsewhere, in a folder with the files `oof` and `test`.

Each is CSV or parquet with the competition's ids, and a column an output: the value; of classes each one's probability,
or of two the last one's. `oof` may say of each row in which `fold` (and `repeat`) it was predicted. What cannot be
true is refused: see _own_files and _own_doubts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import ConfigError
from pipeline.spread import Spread, in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.log import Log
    from pipeline.types import CrossFit, Folds, Table

SHARE = 0.0
TARGETS = "together"
NOT_REFITTED = "its predictions were made elsewhere, and nothing is fitted here"

FILES = ("oof", "test")
FORMS = ("csv", "parquet")


class Recipe(BaseModel):
    """Where the files are, and what is known of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field("", description="folder of the files, from the experiment's own on; the model's name if empty")
    stop_on: Literal["fold", "inner", "none"] = Field(
        "fold", description="what chose the rounds; 'fold' unless you know that no row chose for itself"
    )
    trusted: bool = Field(False, description="join even if made on other folds, or too good to be true")


def sources(recipe: Mapping[str, Any], experiments: Path, name: str) -> dict[str, Path]:
    """Return the files that a model reads; a folder without them, or with both forms of one, is a ConfigError."""
    from pathlib import Path

    folder = experiments / Path(recipe["folder"] or name).expanduser()
    return {role: _file(folder, role, name) for role in FILES}


def _file(folder: Path, role: str, name: str) -> Path:
    names = [f"{role}.{form}" for form in FORMS]
    found = [folder / name for name in names if (folder / name).is_file()]
    if not found:
        raise ConfigError(f"[models.{name}]: {folder} has no {' or '.join(names)}", hint="folder = '...' says where")
    if len(found) > 1:
        raise ConfigError(f"[models.{name}]: {folder} has both {' and '.join(names)}", hint="remove one of them")
    return found[0]


def affordable(recipe: Recipe, minutes: float, **size: int) -> Recipe:  # noqa: ARG001 - nothing is fitted
    """Return the recipe: reading costs nothing."""
    return recipe


def seconds(recipe: Recipe, **size: int) -> float:  # noqa: ARG001 - nothing is fitted
    """Return what reading takes."""
    return 0.0


def cross_fit(
    recipes: Mapping[str, Recipe],
    table: Table,
    folds: Folds,
    *,
    seed: int,  # noqa: ARG001 - nothing is drawn
    log: Log,  # noqa: ARG001 - it takes no time
    progress: Path | None = None,  # noqa: ARG001 - nothing is fitted
    spread: Spread = in_turn,  # noqa: ARG001 - nor spread
    files: Mapping[str, Path],
    id_name: str,
    others: Mapping[str, CrossFit],
) -> dict[str, CrossFit]:
    """Return what the files predict as an entry, once it was checked; others: our own entries.

    Raises ModelError where the files do not fit our rows or, unless they are trusted, cannot be true.
    """
    from pipeline.models._own_entry import Elsewhere, read_entry

    elsewhere = Elsewhere(files, id_name, others)
    return {name: read_entry(recipe, table, folds, elsewhere) for name, recipe in recipes.items()}
