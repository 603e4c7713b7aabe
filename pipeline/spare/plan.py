"""budget of spare minutes: what models leave by stopping early, or by wanting little, goes to more fits of them.

A formula like that of the first budget, into which goes what was found in the meantime: rounds and epochs, and no
clock. So the same minutes mean the same work here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.engine.stage import Job
from pipeline.entries import MORE
from pipeline.files import read_entries, read_folds, read_json, write_json
from pipeline.stages.budget import Work, plan_of, seconds_of, works_of
from pipeline.types import Metric, Task

MOST = 4
"""Fits more of each fold, at most: of what n + 1 gain on average, the last one has a share of 1 / (n (n + 1))."""


@dataclass(frozen=True)
class ByItsSeeds:
    """A model's plug-in of whose recipes nothing is cut but the number of fits."""

    plugin: Any

    def seconds(self, recipe: Any, **size: int) -> float:
        """Return what a cross-fit takes, as the plug-in says."""
        return float(self.plugin.seconds(recipe, **size))

    def affordable(self, recipe: Any, minutes: float, **size: int) -> Any:
        """Return the recipe with as many fits as so many minutes allow, at least one."""
        while recipe.n_seeds > 1 and self.seconds(recipe, **size) > 60 * minutes:
            recipe = recipe.model_copy(update={"n_seeds": recipe.n_seeds - 1})
        return recipe


def run(job: Job) -> dict[str, Any]:
    """Write <model>+more/recipe.json: the recipe as it was trained, with as many other seeds as the minutes allow.

    It is null where nothing is left for it, or the first budget left the model out.
    """
    done = {name: work for name, work in _done(job).items() if work is not None}
    left = seconds_of(job) - sum(work.seconds for work in done.values())
    wanted = {name: _again(done[name]) for name in job.config["again"] if name in done}
    fitting = {name: work for name, work in wanted.items() if work.claim.least <= left}
    plan = plan_of(job, left, fitting)[0] if fitting else {}
    for name in job.config["again"]:
        (job.out / f"{name}{MORE}").mkdir()
        recipe = plan[name].recipe.model_dump(mode="json") if name in plan else None
        write_json(job.out / f"{name}{MORE}" / "recipe.json", recipe)
    job.log.info(_said(left, plan))
    return {"seconds": {name: round(work.seconds, 1) for name, work in plan.items()}, "left": round(left, 1)}


def _said(left: float, plan: Mapping[str, Work]) -> str:
    minutes = f"{max(left, 0) / 60:.1f} minutes are left"
    if not plan:
        return f"{minutes}: too little for more fits"
    more = ", ".join(f"{name} ({work.recipe.n_seeds})" for name, work in plan.items())
    return f"{minutes}: more fits of every fold, by other seeds: {more}"


def _done(job: Job) -> dict[str, Work | None]:
    """Return every model's work as it was done: by the planned recipe, as early as it stopped."""
    task, n_rows = _task(job), read_folds(job.inputs["split"]).n_fit_rows
    found: dict[str, Work | None] = {}
    for name, work in works_of(job).items():
        given = read_json(job.inputs["budget"] / name / "recipe.json")
        if given is None:
            found[name] = None
            continue
        recipe = work.plugin.Recipe.model_validate(given)
        settled = getattr(work.plugin, "settled", lambda recipe, *_: recipe)(recipe, task, n_rows)
        found[name] = replace(work, recipe=settled, passes=work.passes * _pace(job, name, settled))
    return found


def _task(job: Job) -> Task:
    task = read_json(job.inputs["preprocess"] / "task.json")
    return Task(task["kind"], Metric.from_module(job.plugins["metric"]), tuple(task["classes"]))


def _pace(job: Job, name: str, recipe: Any) -> float:
    """Return how many times what was planned a model took, by the rounds or epochs that its folds found."""
    entry = read_entries(job.inputs[f"train:{name}"] / "entries").get(name) if f"train:{name}" in job.inputs else None
    if entry is None or not hasattr(recipe, "pace"):
        return 1.0
    found = float(np.nanmean(entry.epochs)) if np.isfinite(entry.epochs).any() else None
    return 1.0 if found is None else float(recipe.pace(found))


def _again(done: Work) -> Work:
    return replace(done, plugin=ByItsSeeds(done.plugin), recipe=done.recipe.model_copy(update={"n_seeds": MOST}))
