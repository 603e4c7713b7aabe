"""The stage score: valid JSON for every sort of competition, the rows that hang together, and drift in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from small_folds import dealt

from pipeline.engine.stage import Job
from pipeline.entries import ENSEMBLE
from pipeline.files import read_json, write_entry, write_folds, write_json, write_table
from pipeline.metrics import auc, rmse
from pipeline.report.expectation import lines
from pipeline.report.summary import read_expected
from pipeline.stages import score
from pipeline.types import CrossFit, Folds, Metric, Table, Task

N_TRAIN, N_TEST = 120, 80


def make_table(module: ModuleType, shift: float = 0.0, **more: Any) -> Table:
    rng = np.random.default_rng(0)
    train, test = (pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc")) for n in (N_TRAIN, N_TEST))
    test["b"] += shift
    binary = module is auc
    signal = train["a"].to_numpy() + rng.normal(size=N_TRAIN)
    task = Task("binary" if binary else "regression", Metric.from_module(module), ("no", "yes") if binary else ())
    target = (signal > 0).astype(np.int64) if binary else signal
    return Table(task, train, test, target, np.arange(N_TRAIN), np.arange(N_TEST), **more)


def make_folds(kind: str = "kfold") -> Folds:
    rows = np.arange(N_TRAIN)
    return dealt(rows // 24 - 1 if kind == "time" else rows % 4, every=30, kind=kind)


def run(
    folder: Path,
    table: Table,
    folds: Folds,
    share: float | None = 0.25,
    stop_on: str = "inner",
    averaging: float = 0.0,
    tuning: float = 0.0,
) -> dict[str, Any]:
    """Run the stage on a blend that predicts from column a; return what it wrote."""
    for name in ("preprocess", "split", "ensemble", "out"):
        (folder / name).mkdir(parents=True)
    p = 1 / (1 + np.exp(-table.train["a"].to_numpy()))
    oof = np.column_stack([1 - p, p]) if table.task.classes else table.train[["a"]].to_numpy()
    spread = np.where(folds.covered[:, :, None], oof[None], np.nan)
    unknown = np.full((1, 4), np.nan)
    write_table(folder / "preprocess", table)
    write_folds(folder / "split", folds)
    test = np.full((N_TEST, table.task.n_outputs), 0.5)
    write_entry(folder / "ensemble", ENSEMBLE, CrossFit(spread, test, unknown, unknown, unknown, stop_on))
    rows = [{"entry": "net", "weight": 1.0, "stop_on": stop_on}, {"entry": ENSEMBLE, "weight": None, "stop_on": "none"}]
    rows = [row | {"averaging": averaging, "tuning": tuning} for row in rows]
    write_json(folder / "ensemble/leaderboard.json", rows)
    inputs = {name: folder / name for name in ("preprocess", "split", "ensemble")}
    module = {"auc": auc, "rmse": rmse}[table.task.metric.name]
    score.run(Job({"public_share": share}, inputs, {}, {"metric": module}, folder / "out", folder, 0, Heard()))
    return dict(read_json(folder / "out/score.json"))


@pytest.mark.parametrize("module", [rmse, auc])
def test_the_expected_score_lies_near_cv_and_inside_its_interval(tmp_path: Path, module: ModuleType) -> None:
    found = run(tmp_path, make_table(module), make_folds())
    assert found["low"] < found["expected"] < found["high"]
    assert abs(found["expected"] - found["cv_score"]) < found["own_se"]
    assert found["n_private"] == 60
    assert found["drawn"] == {"what": "rows", "n": 120, "n_rows": 120}
    assert found["drift"]["found"] is False
    assert found["optimism"] == 0.0


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (run(tmp_path / name, make_table(rmse), make_folds()) for name in ("one", "other"))
    assert one == other


def test_groups_and_stretches_of_time_are_what_is_drawn(tmp_path: Path) -> None:
    grouped = replace(make_table(rmse), groups=np.arange(N_TRAIN) % 4 * 10 + np.arange(N_TRAIN) // 40)
    assert run(tmp_path / "groups", grouped, make_folds())["drawn"] == {"what": "groups", "n": 12, "n_rows": 120}
    timed = replace(make_table(rmse), time=np.arange(N_TRAIN, dtype=np.float64))
    drawn = run(tmp_path / "time", timed, make_folds("time"))["drawn"]
    assert (drawn["what"], drawn["n_rows"]) == ("stretches of time", 96)
    assert drawn["n"] < 30


def test_folds_in_time_are_told_to_say_nothing_of_the_first_folds_models_on_test(tmp_path: Path) -> None:
    timed = replace(make_table(rmse), time=np.arange(N_TRAIN, dtype=np.float64))
    told = {}
    for kind in ("time", "kfold"):
        run(tmp_path / kind, timed, make_folds(kind))
        told[kind] = "know only the beginning" in " ".join(lines(read_expected(tmp_path / kind / "out"), 3))
    assert told == {"time": True, "kfold": False}


def test_a_blend_of_what_stopped_on_the_fold_is_expected_to_do_worse(tmp_path: Path) -> None:
    honest, flattered = (run(tmp_path / s, make_table(auc), make_folds(), stop_on=s) for s in ("inner", "fold"))
    assert flattered["flattered"] == 1.0
    assert flattered["expected"] < honest["expected"]  # of AUC more is better


def test_what_averaging_gains_and_tuning_flatters_moves_the_expectation_and_is_told(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", make_table(rmse), make_folds())
    moved = run(tmp_path / "moved", make_table(rmse), make_folds(), averaging=0.05, tuning=0.02)
    for bound in ("low", "expected", "high"):
        assert moved[bound] == pytest.approx(plain[bound] - 0.03)
    assert moved["weighted"]["expected"] == pytest.approx(plain["weighted"]["expected"] - 0.03)
    assert moved["cv_score"] == plain["cv_score"]
    text = " ".join(lines(read_expected(tmp_path / "moved/out"), 3))
    assert "whose error is higher by 0.050" in text
    assert "the expected error is higher by 0.020" in text


def test_drift_is_named_in_words_and_weighs(tmp_path: Path) -> None:
    run(tmp_path, make_table(rmse, shift=1.5), make_folds(), share=None)
    text = " ".join(lines(read_expected(tmp_path / "out"), 3))
    assert "if 30 % are public" in text
    assert "mostly by b (" in text
    assert "Counting rows as often as test has such" in text


def test_columns_that_are_all_missing_and_a_tiny_test_file_are_no_errors(tmp_path: Path) -> None:
    table = make_table(rmse)
    table = replace(table, train=table.train.assign(c=np.nan), test=table.test.assign(c=np.nan))
    run(tmp_path / "missing", table, make_folds())
    few = replace(table, test=table.test[:2], test_ids=table.test_ids[:2])
    found = run(tmp_path / "few", few, make_folds())
    assert found["drift"]["auc"] is None
    assert found["weighted"]["expected"] is None
    told = {name: " ".join(lines(read_expected(tmp_path / name / "out"), 3)) for name in ("few", "missing")}
    assert "AUC" not in told["few"]
    assert ["hardly the rows that will be judged" in text for text in told.values()] == [True, False]
