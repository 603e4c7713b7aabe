"""What each model is worth to a blend: how much larger the error becomes without it, the weights fitted anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.blenders._blender import Blender
from pipeline.entries import MORE
from pipeline.uncertainty import paired_difference


def model_of(entry: str) -> str:
    """Return which model made an entry: base models of AutoGluon are called `<model>/<base model>`, more fits +more."""
    return entry.partition("/")[0].removesuffix(MORE)


def places_by_model(blender: Blender, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return, by model that a blender may use, its entries' positions; none where nothing would be left without it."""
    models = np.array([model_of(name) for name in names])
    usable = np.arange(len(names)) if blender.among is None else blender.among
    own = {model: usable[models[usable] == model] for model in sorted(set(models))}
    return {model: places for model, places in own.items() if 0 < len(places) < len(usable)}


def worth_table(
    errors: np.ndarray, without: Mapping[str, np.ndarray], weights: Mapping[str, float], valid_to_train: float
) -> list[dict[str, Any]]:
    """Return a row a model, the most valuable first: `worth`, its `se` (None with one fold), entries and weight.

    errors: cross-fitted fold errors (n_repeats, n_folds) of the ensemble; without: those by model without it. weights:
    by entry. Two models that know the same are worth little each, even where both together are worth much.
    """
    rows = []
    for model, others in without.items():
        own = [weight for name, weight in weights.items() if model_of(name) == model]
        gain = paired_difference(others, errors, valid_to_train)
        se = gain.se if np.isfinite(gain.se) else None
        rows.append({"model": model, "entries": len(own), "weight": sum(own), "worth": gain.mean, "se": se})
    return sorted(rows, key=lambda row: (-row["worth"], row["model"]))
