"""The split stage: its files, its report and its messages."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline.engine.stage import Job
from pipeline.errors import ConfigError
from pipeline.files import read_folds, read_json, write_table
from pipeline.metrics import auc, log_loss, rmse
from pipeline.splitters import group, kfold, stratified, time
from pipeline.stages import split
from pipeline.types import Metric, Table, Task

SPLITTERS = {"kfold": kfold, "stratified": stratified, "group": group, "time": time}
METRICS = {"auc": auc, "log_loss": log_loss, "rmse": rmse}


def table(n: int = 50, classes: tuple[str, ...] = (), **parts) -> Table:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=n)})
    metric = Metric.from_module(log_loss if classes else rmse)
    task = Task("multiclass", metric, classes) if classes else Task("regression", metric)
    target = np.arange(n) % len(classes) if classes else rng.normal(size=n)
    return Table(task, frame, frame, parts.pop("target", target), np.arange(n), np.arange(n), **parts)


def run(tmp_path, rows: Table, **config):
    folders = {name: tmp_path / name for name in ("preprocess", "out", "again")}
    for folder in folders.values():
        folder.mkdir()
    write_table(folders["preprocess"], rows)
    config = {"kind": "kfold", "n_folds": 5, "repeats": 1, "seed": 0, "options": {}} | config
    metric = METRICS[rows.task.metric.name]
    for name in ("out", "again"):
        job = Job(
            config=config,
            inputs={"preprocess": folders["preprocess"]},
            sources={},
            plugins={"splitter": SPLITTERS[config["kind"]], "metric": metric},
            out=folders[name],
            progress=tmp_path,
            seed=0,
            log=SimpleNamespace(),
        )
        facts = split.run(job)
    return facts, folders


def test_writes_folds_and_a_report_the_same_bytes_twice(tmp_path):
    facts, folders = run(tmp_path, table(), repeats=2)
    folds = read_folds(folders["out"])
    assert (folds.n_repeats, folds.n_folds, folds.kind) == (2, 5, "kfold")
    assert facts["repeats"] == 2
    for file in ("folds.safetensors", "report.json"):
        assert (folders["out"] / file).read_bytes() == (folders["again"] / file).read_bytes()


def test_the_report_shows_sizes_and_targets(tmp_path):
    rows = table()
    _, folders = run(tmp_path, rows)
    report, folds = read_json(folders["out"] / "report.json"), read_folds(folders["out"])
    first = report["folds"][0]
    assert (first["train_rows"], first["of_these_stop_rows"], first["valid_rows"], first["unused_rows"]) == (
        40,
        5,
        10,
        0,
    )
    assert first["valid"]["mean"] == pytest.approx(rows.target[folds.valid_rows(0, 0)].mean())


def test_the_report_shows_class_shares_and_rare_classes(tmp_path):
    target = np.where(np.arange(50) < 3, 2, np.arange(50) % 2)
    _, folders = run(tmp_path, table(classes=("a", "b", "c"), target=target), kind="stratified")
    report = read_json(folders["out"] / "report.json")
    assert report["notes"] == ["class c has 3 rows, fewer than 5 folds"]
    assert set(report["folds"][0]["train"]) == {"a", "b", "c"}
    assert sum(report["folds"][0]["train"].values()) == pytest.approx(1.0)


def test_rows_that_are_never_validated_are_counted(tmp_path):
    facts, _ = run(tmp_path, table(time=np.arange(50.0)), kind="time", n_folds=4)
    assert facts["notes"] == ["10 of 50 rows are never validated"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"n_folds": 51}, "split.n_folds is 51, expected 2 to 50"),
        ({"n_folds": 1}, "split.n_folds is 1"),
        ({"kind": "group"}, "names no group column"),
        ({"options": {"shufle": False}}, "no option 'shufle'"),
        ({"options": {"shuffle": "perhaps"}}, "split.options.shuffle is 'perhaps'"),
        ({"options": {"shuffle": False}, "repeats": 2}, "would be the same folds again"),
    ],
)
def test_what_cannot_be_split_is_refused_in_words(tmp_path, config, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, table(), **config)


def test_a_fold_on_which_the_metric_says_nothing_is_refused(tmp_path):
    rows = table(classes=("no", "yes"), target=np.where(np.arange(50) < 3, 1, 0))
    rare = replace(rows, task=Task("binary", Metric.from_module(auc), rows.task.classes))
    with pytest.raises(ConfigError, match=r"auc cannot be computed on fold \d of repeat 0: its binary") as caught:
        run(tmp_path, rare)
    assert "has 1 distinct values in 10 rows" in str(caught.value)
    assert "choose a split that spreads the target (kind = 'stratified'), or fewer folds" in caught.value.hint


def test_a_gap_longer_than_the_history_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="fold 0 has no training rows"):
        run(tmp_path, table(time=np.arange(50.0)), kind="time", n_folds=4, options={"gap": 30})


def test_training_rows_of_one_group_cannot_be_split_again_and_what_is_told_to_do_helps(tmp_path):
    rows = table(groups=np.arange(50) % 3)
    with pytest.raises(ConfigError, match="early stopping") as caught:
        run(tmp_path, rows, kind="group", n_folds=2)
    assert "more split.n_folds leave it more groups" in caught.value.hint
    other = tmp_path / "other"
    other.mkdir()
    run(other, rows, kind="group", n_folds=3)
