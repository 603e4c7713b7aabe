"""What `pipeline choose` compares: runs on one table, judged by the metric as it is now."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.engine.code import closure
from pipeline.engine.stage import Plugin
from pipeline.errors import ConfigError
from pipeline.metrics import rmsle
from pipeline.own_metric import FILE, MODULE
from pipeline.publish import publish
from pipeline.show import runs as show
from pipeline.show import selection
from pipeline.types import Metric

RunOf = Callable[..., Any]
ONE, OTHER = "1" * 64, "2" * 64


def published(run_of: RunOf, *arguments: Any, **options: Any) -> Any:
    made = run_of(*arguments, **options)
    publish(
        made.workspace.submissions / made.competition.slug,
        made.experiment.name,
        made.results["submit"],
        {**made.results},
    )
    return made


def chosen(made: Any, **facts: Any) -> selection.Chosen:
    competition = made.competition.model_copy(update=facts)
    return selection.choose(made.workspace, competition, Metric.from_module(rmsle))


def ensembles(found: selection.Chosen) -> list[str]:
    return [one.name for one in found.candidates if not one.name.endswith(" alone")]


def own_metric(root: Path) -> str:
    """Write metric.py, and return its digest."""
    file = root / "experiments" / "made-up-houses" / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(rmsle.__file__, file)
    return closure([], [Plugin(MODULE, file)]).digests[FILE]


def test_versions_of_an_experiment_are_candidates_each_called_by_its_file(run_of: RunOf) -> None:
    for version in (ONE, OTHER, ONE):
        made = published(run_of, origin={"features.py:age": version})
    published(run_of, "other", minutes=20)
    found = chosen(made)
    files = {path.stem for path in (made.workspace.submissions / made.competition.slug).glob("default-*.csv")}
    assert len(files) == 2
    assert {*ensembles(found)} == files | {"other"}
    assert found.left == ()


@pytest.mark.parametrize("part", ["train", "test"])
def test_runs_on_another_target_or_test_are_left_out_and_named(run_of: RunOf, part: str) -> None:
    published(run_of, "better", origin={part: ONE})
    made = published(run_of)
    found = chosen(made)
    assert ensembles(found) == ["default"]
    (line,) = found.left
    assert line.startswith("1 run on other training or test data left out: better-")


def test_only_so_many_are_compared_and_those_are_the_best_by_their_cv(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(run_of, "other", minutes=20)
    made = published(run_of)
    errors = sorted(one.cv_error for one in chosen(made).candidates)
    monkeypatch.setattr(selection, "MOST", 2)
    assert [one.cv_error for one in chosen(made).candidates] == errors[:2]


def test_the_raw_files_as_they_are_say_which_runs_count(run_of: RunOf, tmp_path: Path) -> None:
    raw = tmp_path / "data" / "made-up-houses" / "raw"
    raw.mkdir(parents=True)
    files = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}
    for name in files.values():
        (raw / name).write_text(name, encoding="utf-8")
    now = {role: hashlib.sha256(name.encode()).hexdigest() for role, name in files.items()}
    published(run_of, "now", origin=now)
    made = published(run_of, "later")
    assert ensembles(chosen(made)) == ["now"]
    shutil.rmtree(raw)
    assert ensembles(chosen(made)) == ["later"], "without them it is the newest run"


def test_where_runs_were_left_out_it_is_not_said_that_there_are_none(run_of: RunOf) -> None:
    published(run_of, origin={"train": ONE})
    made = published(run_of)
    out = Console(file=io.StringIO(), width=150)
    selection.show(made.workspace, made.competition, Metric.from_module(rmsle), out)
    text = out.file.getvalue()
    assert "left out: default-" in text
    assert "nothing else has been run" not in text


def test_runs_that_another_text_of_the_metric_judged_are_left_out(run_of: RunOf, tmp_path: Path) -> None:
    now = own_metric(tmp_path)
    published(run_of, "now", origin={FILE: now})
    made = published(run_of, "later", origin={FILE: ONE})
    found = chosen(made, metric="own")
    assert ensembles(found) == ["now"]
    assert found.left[0].startswith("1 run judged by another metric left out: later-")
    assert show.find_runs(made.workspace, made.competition.slug, now)[0].name == "now"
    assert show.find_runs(made.workspace, made.competition.slug)[0].name == "later"


def test_where_no_run_was_judged_by_the_metric_as_it_is_now_that_is_said(run_of: RunOf, tmp_path: Path) -> None:
    now = own_metric(tmp_path)
    made = published(run_of, origin={FILE: ONE})
    with pytest.raises(ConfigError, match="was judged by its metric as it is now, 1 by another"):
        chosen(made, metric="own")
    out = Console(file=io.StringIO(), width=150)
    show.compare(made.workspace, made.competition.slug, out, now)
    assert "none of these was judged by the competition's metric as it is now" in out.file.getvalue()
