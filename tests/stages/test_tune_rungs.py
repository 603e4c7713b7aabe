"""Trials that are given up at a rung: by earlier waves alone, and the same ones after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from searches import Model, Recipe, make_job, trials_of

from pipeline.engine.stage import Job
from pipeline.stages import tune
from pipeline.types import CrossFit, Folds, Rung, Table


class Watched(Model):
    """Remembers the rungs that it was given, and gives up trials as it is told."""

    RUNGS = ()

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.rungs = list[tuple[Rung, ...]]()

    def cross_fit(self, recipes: Mapping[str, Recipe], table: Table, folds: Folds, **how: Any) -> dict[str, CrossFit]:
        entries = super().cross_fit(recipes, table, folds)
        if folds.n_repeats == 2:
            return entries
        (rung,) = how["rungs"]
        self.rungs.append(how["rungs"])
        assert len(table.test) == 0
        return {name: self._judged(entry, rung) for name, entry in entries.items()}

    def _judged(self, entry: CrossFit, rung: Rung) -> CrossFit:
        error = float(np.nan_to_num(entry.fold_errors, nan=9.0).mean())
        lost = np.full_like(entry.fold_errors, np.nan) if error > rung.limit else entry.fold_errors
        return replace(
            entry, fold_errors=lost, rungs=(error,), given_up=error > rung.limit, failed="left" * (error > rung.limit)
        )


def with_rungs(folder: Path, model: Model, trials: int, progress: Path) -> Job:
    job = make_job(folder, model, trials, progress)
    return replace(job, config={**job.config, "rungs": [0.5], "reduction": 2})


def test_later_waves_must_be_among_the_better_half_of_earlier_ones(tmp_path: Path) -> None:
    model = Watched()
    tune.run(with_rungs(tmp_path / "a", model, 14, tmp_path / "progress"))
    trials = pd.read_parquet(tmp_path / "a/out/trials.parquet")
    errors = trials["rungs"].map(lambda rungs: rungs[0])
    assert [rung.limit for (rung,) in model.rungs] == [
        np.inf, *(float(np.sort(errors[:n])[n // 2 - 1]) for n in (4, 8, 12))
    ]  # fmt: skip
    wave = trials["number"] // 4
    limits = np.array([rung.limit for (rung,) in model.rungs])[wave]
    assert (trials["state"].eq("given up") == (errors > limits)).all()
    assert trials["error"].notna().sum() == trials["state"].eq("finished").sum()


@pytest.mark.parametrize("dies_at", [2, 3])
def test_a_killed_search_gives_up_the_same_trials(tmp_path: Path, dies_at: int) -> None:
    tune.run(with_rungs(tmp_path / "alone", Watched(), 14, tmp_path / "progress-alone"))
    with pytest.raises(KeyboardInterrupt):
        tune.run(with_rungs(tmp_path / "killed", Watched(dies_at=dies_at), 14, tmp_path / "progress"))
    tune.run(with_rungs(tmp_path / "resumed", Watched(), 14, tmp_path / "progress"))
    assert trials_of(tmp_path / "resumed") == trials_of(tmp_path / "alone")
