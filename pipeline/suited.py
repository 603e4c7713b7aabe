"""What an experiment asks of its models must suit the competition: its task and its targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.config import Competition, Experiment, Model
from pipeline.engine import plugins
from pipeline.errors import ConfigError
from pipeline.models import _optional
from pipeline.targets import refuse_several


def check_suited(competition: Competition, experiment: Experiment, path: Path) -> None:
    """Raise a ConfigError where it does not; path: the experiment's file."""
    if experiment.extra.files:
        refuse_several(competition.target, f"{path}: [extra]")
    for name, model in experiment.models.items():
        where = f"{path}: [models.{name}]"
        plugin = plugins.load(plugins.find("models", model.kind, where=f"{where} kind"))
        if _optional.targets_of(plugin) == _optional.ONE:
            refuse_several(competition.target, where)
        _check_losses(competition, model, plugin.Recipe, where)


def _check_losses(competition: Competition, model: Model, recipe_type: Any, where: str) -> None:
    """Refuse a loss, stated or searched, that is not for the task."""
    if not hasattr(recipe_type, "loss_for"):
        return
    recipe = recipe_type.model_validate(model.recipe)
    for loss in (recipe.loss, *(model.space["loss"].edges() if "loss" in model.space else [])):
        try:
            recipe.model_copy(update={"loss": loss}).loss_for(competition.task)
        except ConfigError as error:
            raise ConfigError(f"{where} {error}", hint=error.hint) from error
