"""AutoGluon's presets on our folds: their models in the order that AutoGluon fits them, and what else is taken of them.

A preset is a portfolio of models and settings of how they are bagged, stacked, refitted and timed. The models are
taken; folds, repeats and what is kept are ours, stacking and the clock only on request (see autogluon.Recipe).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config
from autogluon.tabular.configs.presets_configs import tabular_presets_alias, tabular_presets_dict
from autogluon.tabular.registry import ag_model_registry
from autogluon.tabular.trainer.model_presets.presets import clean_model_cfg, is_model_cfg_valid

from pipeline.errors import ModelError
from pipeline.log import Log
from pipeline.models._autogluon_cost import Size, seconds
from pipeline.types import Folds, TaskKind

Configured = tuple[str, dict[str, Any]]
"""A family, and one configuration of it."""

LEFT_OUT = ("FASTAI",)
"""Families of a portfolio that are not fitted: the extra fastai breaks torch (it brings another torchvision)."""

TAKEN = ("hyperparameters", "callbacks", "aux_kwargs")
"""What is taken of a preset: its models, after how many of them it stops, and how its weighted ensemble is chosen."""


@dataclass(frozen=True)
class Order:
    """What AutoGluon is asked for: models {family: configurations}, and settings of its `fit` that are not ours."""

    models: Mapping[Any, list[dict[str, Any]]]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_models(self) -> int:
        return sum(map(len, self.models.values()))

    @property
    def stack_levels(self) -> int:
        return int(self.settings.get("num_stack_levels", 0))

    @property
    def limits(self) -> list[str]:
        """Limits of AutoGluon's own: what they leave room for depends on the clock, or on what the process holds."""
        return [limit for limit in ("time_limit", "memory_limit") if limit in self.settings]


def order_of(recipe: Any, kind: TaskKind, folds: Folds, log: Log) -> Order:
    """Return what a recipe asks of one repeat's predictor, and say what becomes of its preset.

    Raises ModelError where stacking would have to learn from rows that no fold predicts.
    """
    preset = _preset(recipe.preset)
    settings = {key: preset[key] for key in TAKEN[1:] if key in preset}
    if recipe.stack_levels:
        _check_covered(recipe.stack_levels, folds)
        settings["num_stack_levels"] = recipe.stack_levels
    if recipe.time_limit is not None:
        settings["time_limit"] = recipe.time_limit / folds.n_repeats
    if recipe.memory_limit is not None:
        settings["memory_limit"] = recipe.memory_limit
    models = recipe.models or _by_family(portfolio(recipe.preset, kind)[: recipe.n_models])
    order = Order(models, settings)
    if recipe.preset:
        left = [f"{key} = {preset[key]}" for key in sorted(preset.keys() - set(TAKEN))]
        log.info(
            f"AutoGluon's preset {recipe.preset}: {order.n_models} models on our {folds.n_folds} folds, "
            f"{folds.n_repeats} times; not taken from it: {', '.join(left) or 'nothing'}"
        )
    return order


def portfolio(name: str, kind: TaskKind) -> list[Configured]:
    """Return a preset's models for a task, in the order of AutoGluon's priorities, which is that of their worth."""
    priorities = {ag_model_registry.key(own): rank for own, rank in ag_model_registry.priority_map(kind).items()}
    preset = _preset(name)
    found: list[tuple[int, Configured]] = []
    for family, configs in get_hyperparameter_config(preset.get("hyperparameters", "default")).items():
        for config in configs if isinstance(configs, list) else [configs]:
            whole = clean_model_cfg(config, family, problem_type=kind)
            if family not in LEFT_OUT and is_model_cfg_valid(whole, problem_type=kind):
                found.append((whole["ag_args"].get("priority", priorities[family]), (family, config)))
    return [model for _, model in sorted(found, key=lambda one: -one[0])]


def n_affordable(recipe: Any, budget: float, kind: TaskKind, size: Size) -> int | None:
    """Return how many of a preset's models fit into `budget` seconds, at least one; what is asked for if all do."""
    wanted = portfolio(recipe.preset, kind)[: recipe.n_models]
    for place, (family, config) in enumerate(wanted):
        budget -= seconds(family, config, size)
        if budget < 0:
            return max(1, place)
    n_models: int | None = recipe.n_models
    return n_models


def _preset(name: str | None) -> dict[str, Any]:
    return tabular_presets_dict[tabular_presets_alias.get(name, name)] if name else {}


def _by_family(models: list[Configured]) -> dict[str, list[dict[str, Any]]]:
    """Return {family: configurations}, ranked so that AutoGluon, which sorts by priority, keeps their order."""
    ranked: dict[str, list[dict[str, Any]]] = {}
    for place, (family, config) in enumerate(models):
        words = config.get("ag_args", {}) | {"priority": -place}
        ranked.setdefault(family, []).append(config | {"ag_args": words})
    return ranked


def _check_covered(stack_levels: int, folds: Folds) -> None:
    n_missing = int((~folds.covered).any(axis=0).sum())
    if n_missing:
        raise ModelError(
            f"stack_levels = {stack_levels}: stacked models learn from out-of-fold predictions, and {n_missing} train "
            "rows have none, because no fold validates them",
            hint="stack_levels = 0, or a split that validates every row",
        )
