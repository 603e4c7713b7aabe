"""The targets of a competition: one column of train, or several that are predicted side by side and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.types import Table

COLUMN_MEANS = {"mcrmse": "rmse", "mcrmsle": "rmsle", "mcmae": "mae"}
"""Other names of metrics: of several targets, each metric of values is the mean of its scores of them."""


def names_of(target: str | Sequence[str]) -> list[str]:
    """Return the names of the target columns, of which competition.toml states one or a list."""
    return [target] if isinstance(target, str) else list(target)


def alone(table: Table) -> list[Table]:
    """Return the table with each of its targets alone, in their order."""
    if not table.task.targets:
        return [table]
    task = replace(table.task, targets=())
    return [replace(table, task=task, target=own.copy()) for own in table.target.T]


def refuse_several(target: str | Sequence[str], who: str) -> None:
    """Raise a ConfigError for what knows one target only, where competition.toml lists several."""
    if len(names_of(target)) > 1:
        found = f"{who} knows one target only, but competition.toml lists {len(target)}: {in_words(target)}"
        raise ConfigError(found, hint="leave it out, or make a competition of each target alone")


def in_words(target: str | Sequence[str]) -> str:
    """Return the names of the target columns as a message tells them."""
    return ", ".join(names_of(target))
