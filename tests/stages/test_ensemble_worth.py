"""What the ensemble stage says of every model beside its score: its worth, and what flatters it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from libraries import job_of, make_entry, noisy
from small_folds import shuffled

from pipeline.apart import keep_apart
from pipeline.files import read_json, write_json
from pipeline.stages import ensemble


def test_what_a_model_is_worth_is_the_error_without_all_of_its_entries(tmp_path: Path) -> None:
    folds = shuffled(400, repeats=2)
    target, entries = noisy(400, [1.0, 1.0, 1.0, 5.0], folds)
    entries = dict(zip(("net", "trees/a", "trees/b", "luck"), entries.values(), strict=True))
    ensemble.run(job_of(tmp_path / "all", target, folds, entries))
    worth = {row["model"]: row for row in read_json(tmp_path / "all/out/worth.json")}
    assert list(worth)[:2] == ["trees", "net"]
    assert worth["trees"]["entries"] == 2
    assert worth["luck"]["worth"] < 0.02
    kept = {name: entries[name] for name in ("net", "luck")}
    ensemble.run(job_of(tmp_path / "less", target, folds, kept))
    errors = [read_json(tmp_path / part / "out/result.json")["cv_error"] for part in ("all", "less")]
    assert worth["trees"]["worth"] == pytest.approx(errors[1] - errors[0], abs=0.01)
    assert worth["trees"]["worth"] > 3 * worth["trees"]["se"] > 0


def test_a_lone_model_cannot_be_left_out(tmp_path: Path) -> None:
    folds = shuffled(60)
    target, entries = noisy(60, [1.0, 1.0], folds)
    ensemble.run(job_of(tmp_path, target, folds, {f"ag/{name}": entry for name, entry in entries.items()}))
    assert read_json(tmp_path / "out/worth.json") == []


def test_the_leaderboard_knows_what_averaging_gains_and_what_tuning_flatters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folds = shuffled(400)
    target, entries = noisy(400, [1.0, 1.0], folds)
    tests = {name: [rng.normal(loc=10, size=(30, 1)) for _ in range(4)] for name in entries}
    entries = {
        name: replace(entry, test=np.mean(tests[name], axis=0), apart=keep_apart(tests[name]))
        for name, entry in entries.items()
    }
    entries = {"m0-tuned": entries["m0"], "m1": entries["m1"]}
    job = job_of(tmp_path, target, folds, entries)
    coarse = job_of(tmp_path / "coarse", target, folds, entries)
    ensemble.run(replace(coarse, config={**coarse.config, "finish": {"round": 100.0}}))  # all are submitted as 0
    assert {row["averaging"] for row in read_json(tmp_path / "coarse/out/leaderboard.json")} == {0.0}
    (tmp_path / "tune").mkdir()
    write_json(tmp_path / "tune/optimism.json", {"optimism": 0.2})
    ensemble.run(replace(job, inputs={**job.inputs, "tune:m0": tmp_path / "tune"}))
    rows = {row["entry"]: row for row in read_json(tmp_path / "out/leaderboard.json")}
    assert (rows["m0-tuned"]["tuning"], rows["m1"]["tuning"]) == (0.2, 0.0)
    assert rows["ensemble"]["tuning"] == pytest.approx(0.2 * rows["m0-tuned"]["weight"])
    assert 0 < rows["ensemble"]["averaging"] < rows["m1"]["averaging"]


def test_a_reference_is_flattered_by_weights_that_saw_the_rows_that_score_it(tmp_path: Path) -> None:
    folds = shuffled(80)
    target, base = noisy(80, [1.0] * 12, folds)
    mean = np.mean([entry.oof[0] for entry in base.values()], axis=0)
    entries = {f"ag/{name}": entry for name, entry in base.items()}
    entries |= {name: make_entry(folds, mean, np.full((30, 1), 10.0), reference=True) for name in ("ag", "other")}
    ensemble.run(job_of(tmp_path, target, folds, entries))
    rows = {row["entry"]: row for row in read_json(tmp_path / "out/leaderboard.json")}
    assert rows["ag"]["tuning"] > 0.005
    assert rows["other"]["tuning"] == rows["ag/m0"]["tuning"] == rows["ensemble"]["tuning"] == 0.0
