"""Where labels are decided afterwards a search goes by the log loss, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from searches import Model, make_job
from small_folds import shuffled

from pipeline.engine.stage import Job
from pipeline.files import read_json, write_folds, write_json, write_table
from pipeline.metrics import accuracy, f1, mcc
from pipeline.models import neighbours
from pipeline.report.trials import figures
from pipeline.stages import tune
from pipeline.tuning.choice import Optimism
from pipeline.types import Folds, Metric, Table, Task

N = 600
DEFAULT = {"neighbours": 400, "weights": "uniform"}


def rare(folder: Path, metric: ModuleType) -> Job:
    """Return a search for how many neighbours tell a class that no row makes likeliest; the default asks nearly all."""
    job = make_job(folder, Model(), 8, folder / "progress")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.uniform(size=N)})
    target = (rng.random(N) < 0.3 * rows["x"] ** 4).to_numpy(np.int64)
    task = Task("binary", Metric.from_module(metric), ("no", "yes"))
    write_table(job.inputs["preprocess"], Table(task, rows, rows, target, np.arange(N), np.arange(N)))
    write_folds(job.inputs["split"], shuffled(N))
    write_folds(job.inputs["fresh"], Folds(shuffled(N, repeats=2).role[1:]))
    write_json(job.inputs["recipe"] / "net/recipe.json", neighbours.Recipe(**DEFAULT).model_dump(mode="json"))
    space = {"neighbours": {"tune": "logint", "low": 30, "high": 400}}
    plugins: dict[str, Any] = {"model": neighbours, "metric": metric}
    return replace(job, config=job.config | {"space": space}, plugins=plugins, log=Heard())


@pytest.mark.parametrize("metric", [f1, mcc])
def test_of_a_class_that_no_trial_calls_likeliest_the_recipe_that_knows_it_is_found(
    tmp_path: Path, metric: ModuleType
) -> None:
    """By their likeliest labels all trials are the same, and the first of them is the default."""
    job = rare(tmp_path / "rare", metric)
    facts = tune.run(job)
    assert facts["kept"]
    assert "in log loss on fresh folds" in facts["verdict"]
    assert read_json(job.out / "recipe.json")["neighbours"] < 150
    trials = pd.read_parquet(job.out / "trials.parquet")
    assert facts["best"] == trials.set_index("number").loc[facts["best_number"], "log loss"]
    assert 0 < trials["log loss"].min() < trials["log loss"][0] < np.log(2), "the default, which knows nothing"
    assert figures(trials)["history"].axes[0].get_ylabel() == "log loss"
    assert job.log.tables[-1][0][:2] == ["trial", "log loss"]  # type: ignore[attr-defined]


def test_what_the_choice_flatters_is_told_in_the_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "optimism", lambda *_: Optimism(cautious=0.01, plain=0.2))
    monkeypatch.setattr(tune, "persistence", lambda *_: 0.5)
    job = rare(tmp_path / "rare", f1)
    facts = tune.run(job)
    assert facts["corrected"] == facts["best"] + 0.01, "both are log losses"
    assert read_json(job.out / "optimism.json")["optimism"] == 0.1, "what the score stage subtracts is in F1"


def test_labels_that_are_submitted_as_they_are_judge_trials_themselves(tmp_path: Path) -> None:
    job = rare(tmp_path / "rare", accuracy)
    assert tune.run(job)["verdict"] == "the default is kept: no trial was better"
    assert pd.read_parquet(job.out / "trials.parquet")["error"].nunique() == 1
