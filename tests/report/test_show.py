"""What is printed at the end of a run, and the comparison of experiments."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline.engine.run import Outcome
from pipeline.engine.store import Result
from pipeline.errors import DamagedError
from pipeline.report.summary import summarise
from pipeline.show import runs as show

LONG = ["cabin", "cabin_deck", "cabin_number", "family", "title"]


def printed(function: Callable[..., Any], *arguments: Any, width: int = 100) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    function(*arguments, out)
    return out.file.getvalue()


def finish(made: Any, outcome: Outcome | None = None) -> str:
    return printed(show.finish, made.workspace, made.competition, made.experiment, outcome or made.outcome)


def test_finish_prints_score_judge_submission_and_what_comes_next(finished: Any) -> None:
    text = finish(finished)
    assert re.search(r"CV score +0\.\d+ +± 0\.\d+", text)
    assert re.search(r"expected +0\.\d+ +on \d+ hidden rows; nine times out of ten 0\.\d+ to 0\.\d+", text)
    assert re.search(r"private +0\.190", text)
    assert re.search(r"AutoGluon +0\.240", text)
    assert re.search(r"best +0\.120", text)
    path = next((finished.workspace.submissions / "made-up-houses").glob("default-*.csv"))
    assert str(path) in text
    assert "make run COMPETITION=made-up-houses EXPERIMENT=other" in text


def test_no_interval_is_told_where_there_is_none(finished: Any, tmp_path: Path) -> None:
    """As for a single private row and a metric that needs several."""
    score = finished.results["score"]
    told = json.loads((score.folder / "score.json").read_text())
    (tmp_path / "score.json").write_text(json.dumps(told | {"low": None, "high": None}))
    text = finish(finished, Outcome({**finished.results, "score": replace(score, folder=tmp_path)}, ()))
    assert re.search(r"expected +0\.\d+ +on \d+ hidden rows *\n", text)


def test_what_comes_next_is_of_the_same_minutes_and_a_real_competition_s_can_be_sent(classified: Any) -> None:
    text = printed(
        lambda out: show.finish(
            classified.workspace, classified.competition, classified.experiment, classified.outcome, out, minutes=30.0
        )
    )
    slug = classified.competition.slug
    assert f"make report COMPETITION={slug} EXPERIMENT=default MINUTES=30" in text
    assert f"make send COMPETITION={slug} EXPERIMENT=default MINUTES=30" in text


def test_what_each_model_is_worth_and_cost_is_printed(finished: Any) -> None:
    text = finish(finished)
    assert re.search(r"model +worth +± se +took", text)
    assert re.search(r"mlp-tuned +[+-]0\.\d+ +0\.\d+ +25 s", text)  # the search took as long as the training
    assert re.search(r"autogluon +[+-]0\.\d+ +0\.\d+ +12 s", text)


def test_scores_that_stopped_on_their_own_rows_are_marked(finished: Any) -> None:
    lines = finish(finished).splitlines()
    marked = {name: any(name in line and "*" in line for line in lines) for name in ("LightGBM", "Forest")}
    assert marked == {"LightGBM": True, "Forest": False}
    assert any(line.startswith("* stopped on") for line in lines)


def test_what_was_made_and_what_was_cached_is_said(finished: Any) -> None:
    assert "all 11 stages cached" in finish(finished, Outcome(finished.results, ()))
    assert "9 of 11 stages cached; made in 25 s: ensemble, submit" in finish(
        finished, Outcome(finished.results, ("ensemble", "submit"))
    )


def test_what_was_cut_short_is_said_with_what_to_do(finished: Any) -> None:
    assert "cut short" not in finish(finished)
    name, result = next((n, r) for n, r in finished.results.items() if n.startswith("train"))
    manifest = result.manifest | {"facts": {"truncated": ["net: 3 of 9 epochs"]}}
    results = {**finished.results, name: replace(result, manifest=manifest)}
    text = finish(finished, Outcome(results, ()))
    assert f"{name}: net: 3 of 9 epochs" in text
    assert "pipeline gc made-up-houses --truncated" in text


def test_minutes_that_a_quick_machine_has_room_for_are_named_where_models_were_cut(finished: Any) -> None:
    took = summarise(finished.results).minutes
    budget = finished.results["budget"]
    manifest = budget.manifest | {"facts": {"notes": ["net: cut to fit into 0.1 minutes"]}}
    cut = Outcome({**finished.results, "budget": replace(budget, manifest=manifest)}, ())

    def said(minutes: float, outcome: Outcome) -> str:
        experiment = finished.experiment.model_copy(update={"minutes": minutes})
        return finish(replace(finished, experiment=experiment), outcome)

    room = f"make run COMPETITION=made-up-houses EXPERIMENT=default MINUTES={math.ceil(4 * took)}"
    assert room in said(2 * took, cut)
    assert room not in said(2 * took, finished.outcome)
    assert "planned for two cores" not in said(1.1 * took, cut)
    assert "export PIPELINE_PACE=2 " in said(2 * took, cut)
    assert "PIPELINE_PACE" not in said(2 * took, finished.outcome)


def test_a_machine_that_takes_much_longer_than_its_minutes_is_told_its_pace(finished: Any) -> None:
    took = summarise(finished.results).minutes

    def said(minutes: float, pace: float) -> str:
        ensemble = finished.results["ensemble"]
        seconds = ensemble.manifest["seconds"] + 60 * (minutes - took)
        slow = replace(ensemble, manifest=ensemble.manifest | {"seconds": seconds})
        made = replace(finished, workspace=replace(finished.workspace, pace=pace))
        return finish(made, Outcome({**finished.results, "ensemble": slow}, ()))

    assert "PIPELINE_PACE" not in said(12, 1.0)
    assert "export PIPELINE_PACE=0.5 " in said(20, 1.0)
    assert "export PIPELINE_PACE=1.5 " in said(20, 3.0)


def test_without_a_judge_nothing_is_said_of_private_scores(classified: Any) -> None:
    text = finish(classified)
    assert "private" not in text
    assert "higher is better" in text


def test_a_damaged_submission_is_refused(run_of: Callable[..., Any]) -> None:
    made = run_of()
    (made.results["submit"].folder / "submission.csv").write_text("Id,Price\n1,9.9\n", encoding="utf-8")
    with pytest.raises(DamagedError):
        finish(made)


def test_compare_shows_a_line_a_result_and_only_settings_that_differ(run_of: Callable[..., Any]) -> None:
    for made in (run_of(), run_of("other", minutes=20), run_of("default", minutes=3)):
        finish(made)
    text = printed(show.compare, made.workspace, "made-up-houses")
    assert len(re.findall(r"^ *\d+ +default ", text, re.MULTILINE)) == 2
    assert len(re.findall(r"^ *\d+ +other ", text, re.MULTILINE)) == 1
    differing = text[text.index("differs in") :]
    assert sorted(re.search(r"minutes +(\S+) +(\S+) +(\S+)", differing).groups()) == ["10.0", "20.0", "3.0"]
    assert "n_folds" not in differing


@pytest.mark.parametrize("what", ["features.py:age", "train", "metric.py"])
def test_a_version_that_was_tried_and_taken_back_stays_beside_the_one_before(
    run_of: Callable[..., Any], what: str
) -> None:
    for version in ("1" * 64, "2" * 64, "1" * 64):
        made = run_of(origin={what: version})
        finish(made)
    runs = show.find_runs(made.workspace, "made-up-houses")
    assert made.results["submit"].key in [run.submit.key for run in runs]
    text = printed(show.compare, made.workspace, "made-up-houses")
    differing = {"train": "raw file train.csv"}.get(what, what)
    assert re.search(rf"{differing} +(1{{8}} +2{{8}}|2{{8}} +1{{8}})", text[text.index("differs in") :])


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([5, 10, "-"], ["5", "10", "-"]),
        ([["age"], ["age", "family"]], ["age", "age, family"]),
        ([LONG, [*LONG, "fare_centred"], "-"], ["…", "… + fare_centred", "-"]),
        ([LONG, [*LONG[:3], "title", "family"]], [", ".join(LONG), ", ".join([*LONG[:3], "title", "family"])]),
        (["a" * 40, "b" * 40], ["a" * 27 + "…", "b" * 27 + "…"]),
        (["a" * 40, "a" * 41], ["a" * 40, "a" * 41]),
    ],
)
def test_a_setting_is_cut_only_where_its_values_stay_apart(values: list[Any], shown: list[str]) -> None:
    assert show.values_shown(values) == shown


def test_compare_says_of_runs_on_other_folds_that_they_are(run_of: Callable[..., Any]) -> None:
    for made in (run_of(), run_of("other", minutes=20)):
        finish(made)
    assert "other folds" not in printed(show.compare, made.workspace, "made-up-houses")
    first, second = show.find_runs(made.workspace, "made-up-houses")
    assert show._behind(first, replace(second, folds="others"), 4) == "other folds"
    assert show._behind(first, replace(second, judge="mae"), 4) == "other metric"


def test_compare_cuts_nothing_at_the_usual_width_of_a_terminal(run_of: Callable[..., Any]) -> None:
    name = "a-name-that-is-rather-long"
    for made in (run_of(), run_of(name, minutes=20)):
        finish(made)
    lines = printed(show.compare, made.workspace, "made-up-houses", width=80).splitlines()
    assert not [line for line in lines if "…" in line]
    assert name in "".join(line[2:].partition(" ")[0] for line in lines)


def test_compare_shows_the_newest_of_equal_results_and_names_what_never_ran(run_of: Callable[..., Any]) -> None:
    finish(run_of())
    made = run_of(judged=False)
    finish(made)
    text = printed(show.compare, made.workspace, "made-up-houses")
    assert text.count("default") == 1
    assert "never run to the end: other" in text


def test_compare_passes_over_a_result_in_the_form_of_another_version(run_of: Callable[..., Any]) -> None:
    made = run_of()
    finish(made)
    (made.results["ensemble"].folder / "result.json").write_text(json.dumps({"metric": "rmsle"}))
    assert "no results yet" in printed(show.compare, made.workspace, "made-up-houses")


def test_compare_passes_over_a_result_without_a_file_that_is_read_today(run_of: Callable[..., Any]) -> None:
    made = run_of()
    finish(made)
    (made.results["ensemble"].folder / "weights.json").unlink()
    assert "no results yet" in printed(show.compare, made.workspace, "made-up-houses")


def test_compare_passes_over_a_run_whose_extra_rows_were_set_aside(run_of: Callable[..., Any]) -> None:
    made = run_of()
    known, node = made.results["preprocess"], "preprocess[extra rows]"
    folder = shutil.copytree(known.folder, known.folder.parents[1] / "extra rows" / "e")
    prepared = Result(folder, {**known.manifest, "node": node, "key": "e" * 64})
    (folder / "manifest.json").write_text(json.dumps(prepared.manifest))
    finish(made, Outcome({**made.results, node: prepared}, ()))
    assert "no results yet" in printed(show.compare, made.workspace, "made-up-houses")


def test_compare_passes_over_a_foreign_file_beside_the_submissions(run_of: Callable[..., Any]) -> None:
    made = run_of()
    finish(made)
    (made.workspace.submissions / "made-up-houses" / "notes.json").write_text('{"a": 1}')
    assert "default" in printed(show.compare, made.workspace, "made-up-houses")


def test_compare_without_results_says_what_to_do(run_of: Callable[..., Any]) -> None:
    made = run_of()
    other = made.workspace.experiments / "empty" / "competition.toml"
    other.parent.mkdir()
    other.touch()
    assert "make run COMPETITION=empty" in printed(show.compare, made.workspace, "empty")


def test_printing_imports_no_heavy_library() -> None:
    heavy = ("pandas", "numpy", "torch", "sklearn", "mlflow", "autogluon", "matplotlib", "pyarrow", "optuna")
    code = f"import sys, pipeline.show.runs, pipeline.tracking; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
