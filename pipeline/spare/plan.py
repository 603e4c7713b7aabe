"""budget of spare minutes: what models leave by stopping early, or by wanting little, goes to more fits.

First to larger fits of those that the first budget cut or left out, then to other seeds of the rest. A formula like
that of the first budget, into which goes what was found in the meantime: rounds and epochs, and no clock. So the same
minutes mean the same work here as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.engine.stage import Job
from pipeline.entries import MORE
from pipeline.files import read_entries, read_folds, read_json, write_json
from pipeline.minutes import Work, plan_of
from pipeline.models import _optional
from pipeline.sharing import STRETCH, Claim, share_out
from pipeline.stages.budget import extra_rows, pace_of, seconds_of, works_of
from pipeline.types import Metric, Task

MOST = 4
"""Fits more of each fold, at most: of what n + 1 gain on average, the last one has a share of 1 / (n (n + 1))."""


LARGER = 1.5
"""How many times as long a fit must take as the one that was cut, to be worth making beside it."""


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
    """Write <model>+more/recipe.json: more of a recipe that was cut, or one as trained with as many other seeds as fit.

    It is null where nothing is left for it.
    """
    works = works_of(job)
    done = _done(job, works)
    left = seconds_of(job) - sum(work.seconds for work in done.values())
    wanted = {name: _again(done[name]) for name in job.config["again"] if name in done}
    whole = {name: _as_found(job, name, works[name], done.get(name)) for name in job.config["again"]}
    cut = {name: work for name, work in whole.items() if _clearly_larger(work, done.get(name))}
    larger = _larger(left, cut, done, {name: work.claim for name, work in wanted.items() if name not in cut})
    rest = left - sum(work.seconds for work in larger.values())
    fitting = {name: work for name, work in wanted.items() if name not in larger and work.claim.least <= rest}
    again = plan_of(rest, fitting)[0] if fitting else {}
    plan = larger | again
    for name in job.config["again"]:
        (job.out / f"{name}{MORE}").mkdir()
        recipe = plan[name].recipe.model_dump(mode="json") if name in plan else None
        write_json(job.out / f"{name}{MORE}" / "recipe.json", recipe)
    job.log.info(_said(left / pace_of(job), larger, again))
    return {"seconds": {name: round(work.seconds, 1) for name, work in plan.items()}, "left": round(left, 1)}


def _said(left: float, larger: Mapping[str, Work], again: Mapping[str, Work]) -> str:
    minutes = f"{max(left, 0) / 60:.1f} minutes are left"
    if not (larger or again):
        return f"{minutes}: too little for more fits"
    of = [f"larger fits of {', '.join(larger)}"] * bool(larger)
    seeds = ", ".join(f"{name} ({work.recipe.n_seeds})" for name, work in again.items())
    of += [f"more fits of every fold, by other seeds: {seeds}"] * bool(again)
    return f"{minutes}: {'; '.join(of)}"


def _larger(
    left: float, cut: Mapping[str, Work], done: Mapping[str, Work], others: Mapping[str, Claim]
) -> dict[str, Work]:
    """Return more of the recipes that were cut or left out: as much of each as its part of what is left allows."""
    plan: dict[str, Work] = {}
    for name in sorted(cut, key=lambda name: -cut[name].weight):
        waiting = {n: Claim(work.weight, 0.0, work.seconds) for n, work in cut.items() if n not in plan}
        share = share_out(left, {**others, **waiting})[name]
        more = cut[name].within(share)
        if more.seconds <= min(left, STRETCH * share) and _clearly_larger(more, done.get(name)):
            plan[name] = more
            left -= more.seconds
    return plan


def _clearly_larger(more: Work, done: Work | None) -> bool:
    return done is None or more.seconds >= LARGER * done.seconds


def _as_found(job: Job, name: str, work: Work, done: Work | None) -> Work:
    """Return a model's whole work, as early as it would stop by what its cut form found, if recipes can say so."""
    found = _found(job, name)
    if done is None or found is None or not hasattr(work.recipe, "pace"):
        return work
    cut, whole = done.recipe, _settled(job, work.plugin, work.recipe)
    if cut.stop_on != whole.stop_on or found >= _length(cut):
        return work
    return replace(work, passes=work.passes * _pace(whole, whole.found_by(cut, found), work))


def _length(recipe: Any) -> float:
    return float(recipe.rounds if hasattr(recipe, "rounds") else recipe.epochs)


def _done(job: Job, works: Mapping[str, Work]) -> dict[str, Work]:
    """Return the work of every model that was not left out as it was done: as planned, as early as it stopped."""
    done = {}
    for name, work in works.items():
        given = read_json(job.inputs["budget"] / name / "recipe.json")
        if given is not None:
            settled = _settled(job, work.plugin, work.plugin.Recipe.model_validate(given))
            done[name] = replace(work, recipe=settled, passes=work.passes * _pace(settled, _found(job, name), work))
    return done


def _settled(job: Job, plugin: Any, recipe: Any) -> Any:
    """Return a recipe with the number for every "auto" that it was trained with."""
    n_rows = read_folds(job.inputs["split"]).n_fit_rows + extra_rows(job)
    return _optional.settled(plugin, recipe, _task(job), n_rows)


def _task(job: Job) -> Task:
    task = read_json(job.inputs["preprocess"] / "task.json")
    return Task(task["kind"], Metric.from_module(job.plugins["metric"]), tuple(task["classes"]))


def _pace(recipe: Any, found: float | None, work: Work) -> float:
    """Return how many times what was planned a model takes, where its folds find so many rounds or epochs."""
    if found is None or not hasattr(recipe, "pace"):
        return 1.0
    return float(recipe.pace(found, work.size["n_train"]))


def _found(job: Job, name: str) -> float | None:
    """Return the rounds or epochs that a model's folds found, on average, if they are known."""
    entry = read_entries(job.inputs[f"train:{name}"] / "entries").get(name) if f"train:{name}" in job.inputs else None
    return float(np.nanmean(entry.epochs)) if entry is not None and np.isfinite(entry.epochs).any() else None


def _again(done: Work) -> Work:
    return replace(done, plugin=ByItsSeeds(done.plugin), recipe=done.recipe.model_copy(update={"n_seeds": MOST}))
