"""What a search is about: the recipe around which its space lies, and the rows and folds that judge a trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial
from pydantic import ValidationError

from pipeline.engine.stage import Job
from pipeline.errors import ConfigError, StoreError
from pipeline.extra.rows import Extra, cross_fit, join_folds, read_extra
from pipeline.files import read_folds, read_json, table_of
from pipeline.models import _optional
from pipeline.seeds import derive
from pipeline.tuning import first_repeat, storage, study
from pipeline.tuning.halving import FIRST_REPEAT, RECENT, first_wave, limit_of, rungs_for, shares_of
from pipeline.tuning.judge import judged, measure_of
from pipeline.types import CrossFit, Folds, Rung, Table


@dataclass(frozen=True)
class Search:
    """What is searched: the recipe around which the space lies, and the rows and folds that judge a trial."""

    job: Job
    n_trials: int
    wanted: Any
    table: Table
    extra: Extra | None = None

    @property
    def entry(self) -> str:
        return str(self.job.config["entry"])

    @property
    def space(self) -> dict[str, Any]:
        return dict(self.job.config["space"])

    @property
    def measure(self) -> str:
        """What the errors of its trials are called."""
        return measure_of(self.table.task)

    @cached_property
    def folds(self) -> Folds:
        return read_folds(self.job.inputs["split"])

    @property
    def shares(self) -> list[float]:
        """Of the training, the points at which trials are compared."""
        return shares_of(self.job.plugins["model"], self.job.config["rungs"], self.folds.n_repeats)

    @property
    def early(self) -> list[float]:
        """Those that come before a trial has been trained to its end on any fold."""
        return [share for share in self.shares if share < FIRST_REPEAT]

    @property
    def folder(self) -> Path:
        """Where its trials lie, so that it can be continued.

        Fewer than a first wave lie apart: that wave is compared to itself as a whole, and of these none is given up.
        """
        compared = self.early != self.shares and not storage.is_shared()
        few = self.n_trials < first_wave(self.job.config["wave"], self.job.config["reduction"])
        folder = self.job.progress / "few" if compared and few else self.job.progress
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def start(self) -> list[dict[str, Any]]:
        """Parameters of the first trials, as far as they lie in the space: the default, then other studies' best."""
        default = self.settled(self.wanted)
        others = [trial for path in self.job.sources.values() for trial in read_json(path)]
        known = [study.stored_form(own, self.space) for own in (default.model_dump(mode="json"), *others)]
        return [own for place, own in enumerate(known) if own and own not in known[:place]]

    def settled(self, recipe: Any) -> Any:
        """Return the recipe with a number where it says "auto", if the model knows one."""
        n_rows = join_folds(self.folds, self.table, self.extra).n_fit_rows
        return _optional.settled(self.job.plugins["model"], recipe, self.table.task, n_rows)

    def recipe(self, trial: FrozenTrial | optuna.Trial) -> Any:
        """Return the recipe that a trial stands for."""
        own = study.values(trial.params, self.space)
        try:
            return type(self.wanted).model_validate(self.wanted.model_dump() | own)
        except ValidationError as error:  # each value by itself was tried before the run
            found = "; ".join(one["msg"] for one in error.errors())
            raise ConfigError(
                f"{self.entry}: the search came upon {own}, which the model does not take: {found}",
                hint="narrow the space, or say when = {...} where a parameter suits only some values of another",
            ) from error

    def cross_fit(
        self, trials: list[optuna.Trial], earlier: list[FrozenTrial], beside: list[FrozenTrial] | None
    ) -> list[CrossFit]:
        """Fit trials together, without predictions for the test rows, which nobody reads.

        earlier: of waves before. beside: others of their own wave, if it is compared to itself.
        """
        recipes = {str(t.number): self.job.plugins["model"].for_tuning(self.recipe(t)) for t in trials}
        seen, reduction = [study.rung_errors(trial) for trial in earlier], self.job.config["reduction"]
        rungs = rungs_for(self.early, seen, reduction)
        if self.early == self.shares:
            return list(self._cross_fit(recipes, self.folds, rungs).values())
        ended = self._first_repeats(earlier)[-RECENT:] if beside is None else self._first_repeats(beside)
        default = {str(t.number) for t in trials if beside is not None and self.is_default(t)}

        def goes_on(errors: Mapping[str, float]) -> set[str]:
            limit = limit_of(ended if beside is None else [*ended, *errors.values()], reduction)
            return {name for name, error in errors.items() if error <= limit or name in default}

        return list(first_repeat.cross_fit(self._cross_fit, recipes, self.folds, rungs, goes_on).values())

    def _first_repeats(self, trials: Iterable[FrozenTrial]) -> list[float]:
        """Return the errors at the last rung of those that reached it."""
        seen = map(study.rung_errors, trials)
        return [errors[-1] for errors in seen if len(errors) == len(self.shares)]

    def is_default(self, trial: FrozenTrial | optuna.Trial) -> bool:
        """Say whether a trial is the recipe that the search starts from: what is found is compared to it."""
        return bool(self.settled(self.recipe(trial)) == self.settled(self.wanted))

    def _cross_fit(
        self, recipes: Mapping[str, Any], folds: Folds, rungs: tuple[Rung, ...], part: int = 0
    ) -> dict[str, CrossFit]:
        job = self.job
        how = {"seed": derive(job.seed, "fit", part), "log": job.log, "spread": job.spread}
        how |= {"rungs": rungs, "progress": self.wave_folders[part]}
        return cross_fit(job.plugins["model"], recipes, self.table.without_test(), folds, self.extra, **how)

    @property
    def wave_folders(self) -> list[Path]:
        """Where a model keeps what a killed wave goes on from until the wave is told: first repeat, others."""
        return [self.folder / "wave", self.folder / "wave-others"]

    def oof_path(self, number: int) -> Path:
        """Where a trial's out-of-fold predictions lie."""
        return self.folder / f"oof-{number}.npy"


def read_oof(path: Path) -> np.ndarray:
    """Read a trial's out-of-fold predictions; what a power cut left of them is a StoreError."""
    try:
        return np.asarray(np.load(path))
    except (ValueError, EOFError) as error:
        hint = f"remove {path.parent} and run again: the search begins anew"
        raise StoreError(f"{path} is damaged: {error}", hint=hint) from error


def search_of(job: Job) -> Search:
    """Read what a job is about."""
    n_trials = read_json(job.inputs["trials"] / job.config["entry"] / "trials.json")
    recipe = read_json(job.inputs["recipe"] / job.config["entry"] / "recipe.json")
    wanted = recipe and job.plugins["model"].Recipe.model_validate(recipe)  # none of a model that was left out
    table = table_of(job)
    return Search(job, n_trials, wanted, replace(table, task=judged(table.task)), read_extra(job.inputs))
