"""budget: minutes become work units (which recipes, how many trials) that then run without a clock.

A pure formula of the minutes and the table's size, so that the same budget means the same work everywhere;
each model's own formula stands beside it (`affordable` in its plug-in), measured on 2 cores.
"""

from __future__ import annotations

from typing import Any

from pipeline.engine.stage import Job
from pipeline.files import read_folds, read_json, write_json
from pipeline.tuning.halving import n_trials, shares_of

TUNING_SHARE = 1.0
"""Weight of tuning one model, beside the SHARE that each model's plug-in declares for training."""


TESTING_SHARE = 0.25
"""Part of tuning's minutes that is left for the test of what it found, on fresh folds."""


SHOWN = 3
"""How many cuts of a recipe are told."""


def run(job: Job) -> dict[str, Any]:
    """Write <model>/recipe.json, as much of each recipe as its part of the minutes allows, and <model>/trials.json."""
    models = job.config["models"]
    shares = {name: job.plugins[f"model:{name}"].SHARE for name in models}
    tuning = {name: TUNING_SHARE for name, m in models.items() if m["tuned"] and job.config["tune"]["trials"]}
    minute = job.config["minutes"] / max(sum(shares.values()) + sum(tuning.values()), 1e-9)
    size = _size(job)
    notes = []
    for name, model in models.items():
        plugin = job.plugins[f"model:{name}"]
        wanted = plugin.Recipe.model_validate(model["recipe"])
        recipe = plugin.affordable(wanted, minute * shares[name], **size)
        (job.out / name).mkdir()
        write_json(job.out / name / "recipe.json", recipe.model_dump(mode="json"))
        if recipe != wanted:
            notes.append(f"{name}: cut to fit into {minute * shares[name]:.1f} minutes")
            job.log.warn(f"{notes[-1]} ({_cut(wanted, recipe)}); more with --minutes")
        if name in tuning:
            minutes = minute * tuning[name] * (1 - TESTING_SHARE)
            write_json(job.out / name / "trials.json", _trials(job, plugin, recipe, minutes, size))
    return {"notes": notes}


def _trials(job: Job, plugin: Any, recipe: Any, minutes: float, size: dict[str, int]) -> int:
    """Return how many trials are made; those that are given up at a rung leave their time to others."""
    tune = job.config["tune"]
    size = size | {"n_fits": size["n_fits"] // job.config["repeats"] * tune["repeats"]}
    n_whole, shares = plugin.affordable_trials(recipe, minutes, **size), shares_of(plugin, tune["rungs"])
    return min(n_trials(n_whole, tune["wave"], shares, tune["reduction"]), tune["trials"])


def _size(job: Job) -> dict[str, int]:
    """Return what costs depend on: rows, columns and classes of the table, and the fits a cross-fit makes."""
    import pyarrow.parquet as pq

    folder = job.inputs["preprocess"]
    train, test = (pq.ParquetFile(folder / f"{part}.parquet").metadata for part in ("train", "test"))
    folds = read_folds(job.inputs["split"])
    return {
        "n_train": train.num_rows,
        "n_test": test.num_rows,
        "n_columns": train.num_columns,
        "n_outputs": len(read_json(folder / "task.json")["classes"]) or 1,
        "n_fits": folds.n_repeats * folds.n_folds,
    }


def _cut(wanted: Any, recipe: Any) -> str:
    """Say what was cut, by the path of each value in the recipe; a few examples are enough."""
    before, after = _leaves(wanted.model_dump(mode="json")), _leaves(recipe.model_dump(mode="json"))
    paths = [path for path in before | after if before.get(path) != after.get(path)]
    changes = [f"{path}: {before.get(path, 'unset')} → {after.get(path, 'left out')}" for path in paths]
    return "; ".join(changes[:SHOWN] + [f"{len(changes) - SHOWN} more"] * (len(changes) > SHOWN))


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        parts = {f"{path}.{key}" if path else str(key): part for key, part in value.items()}
    elif isinstance(value, list):
        parts = {f"{path}[{place}]": part for place, part in enumerate(value)}
    else:
        return {path: value}
    return {leaf: v for inner, part in parts.items() for leaf, v in _leaves(part, inner).items()}
