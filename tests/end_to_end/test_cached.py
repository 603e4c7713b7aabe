"""What is cached stays cached, what depends on an edit reruns, and a cached run loads none of the heavy libraries."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pandas as pd
from shop import SLUG, Shop

from pipeline.engine.key import hash_file

Edit = Callable[[str, str, str], None]

HEAVY = ("torch", "autogluon", "mlflow", "pandas", "sklearn", "optuna", "scipy", "matplotlib")


def states(shop: Shop) -> dict[str, str]:
    """Return {stage: cached | run | run?} as `pipeline plan` prints it."""
    lines = shop.run("plan", SLUG, "-e", "quick").splitlines()
    return {
        words[0]: words[1] for line in lines if len(words := line.split()) > 1 and words[1] in ("cached", "run", "run?")
    }


def test_a_second_run_makes_nothing_and_says_the_same(copied: Shop) -> None:
    before = copied.submissions
    printed = copied.run("run", SLUG, "-e", "quick")
    assert copied.submissions == before
    assert next(iter(before)) in printed.replace("\n", "")
    assert set(states(copied).values()) == {"cached"}


def test_a_cached_run_imports_no_heavy_library(copied: Shop) -> None:
    code = (
        "import sys, json; from pipeline.cli import app\n"
        f"try: app(['run', {SLUG!r}, '-e', 'quick'])\n"
        f"except SystemExit as end: print('LOADED', json.dumps([end.code, sorted(set({HEAVY!r}) & set(sys.modules))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=copied.environment,
        cwd=copied.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = json.loads(done.stdout.rpartition("LOADED")[2])
    assert loaded == [0, []]


def test_a_comment_in_a_model_file_reruns_nothing(edited: Shop, edit: Edit) -> None:
    edit("pipeline/models/mlp.py", "from __future__", "# a comment\nfrom __future__")
    edit("pipeline/core/fused.py", '"""', '"""Other words. ')
    assert set(states(edited).values()) == {"cached"}


def test_a_helper_two_imports_away_reruns_just_what_depends_on_it(edited: Shop, edit: Edit) -> None:
    edit("pipeline/core/schedule.py", "\nimport", "\nEDITED = 1\nimport")
    printed = edited.run("train", SLUG, "-e", "quick")
    made = {line.split()[0] for line in printed.splitlines() if line.split()[1] == "made"}
    assert made == {"budget", "train[linear]", "train[mlp]"}
    assert states(edited)["tune[mlp]"] == "run"


def test_a_rerun_that_gives_equal_bytes_stops_there(edited: Shop, edit: Edit) -> None:
    edit("pipeline/stages/ingest.py", "\nimport", "\nEDITED = 1\nimport")
    assert states(edited)["ingest"] == "run"
    edited.run("ingest", SLUG, "-e", "quick")
    assert set(states(edited).values()) == {"cached"}


def test_a_damaged_result_is_noticed_and_made_anew(copied: Shop) -> None:
    before = copied.submissions
    store = copied.folder / "data" / SLUG / "cache"
    table = next(store.glob("preprocess/all/*/train.parquet"))
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(bytes(content))
    for result in store.glob("train/linear/*"):
        (result / "manifest.json").unlink()
    done = copied.call("run", SLUG, "-e", "quick")
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stderr
    assert copied.submissions == before


def test_two_runs_at_once_do_each_other_no_harm(finished: Shop, shop: Shop) -> None:
    runs = [shop.start("run", SLUG, "-e", "quick") for _ in range(2)]
    ends = [process.end() for process in runs]
    assert [end.returncode for end in ends] == [0, 0], ends
    assert shop.submissions == finished.submissions
    assert shop.run("verify", SLUG).endswith("0 damaged\n")


def test_explain_walks_back_to_the_raw_files(copied: Shop) -> None:
    path = copied.folder / "submissions" / SLUG / next(iter(copied.submissions))
    said = copied.run("explain", str(path), COLUMNS="")
    for name in ("train[mlp-tuned]", "ensemble"):
        assert name in said
    for raw in (copied.folder / "data" / SLUG / "raw").iterdir():
        assert f"raw file {raw.name} {hash_file(raw)}" in said
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    refused = copied.call("explain", str(path))
    assert refused.returncode == 2
    assert "was not made by any result" in refused.stderr


def test_gc_keeps_what_the_experiment_reaches(copied: Shop) -> None:
    copied.run("gc", SLUG)
    assert set(states(copied).values()) == {"cached"}


def test_gc_removes_what_was_cut_short_and_all_that_was_made_from_it(copied: Shop) -> None:
    (manifest,) = (copied.folder / "data" / SLUG / "cache" / "train").glob("linear/*/manifest.json")
    said = json.loads(manifest.read_text())
    said["facts"]["truncated"] = ["1 of 3 folds"]
    manifest.write_text(json.dumps(said))
    copied.run("gc", SLUG, "--truncated")
    after = states(copied)
    assert after["split"] == "cached"
    assert {after[name] for name in ("train[linear]", "ensemble", "submit")} <= {"run", "run?"}


def test_more_trials_continue_the_old_study(copied: Shop) -> None:
    before, (began,) = searched(copied), times_of_trials(copied)
    path = copied.folder / "experiments" / SLUG / "quick.toml"
    path.write_text(path.read_text().replace("trials = 4", "trials = 6"))
    printed = copied.run("tune", SLUG, "-e", "quick")
    assert "tune[mlp]" in {line.split()[0] for line in printed.splitlines() if line.split()[1:2] == ["made"]}
    after, (times,) = searched(copied), times_of_trials(copied)
    assert (sorted(before), sorted(after)) == ([4], [4, 6])
    pd.testing.assert_frame_equal(after[6].head(4), before[4])
    assert (len(times), times[:4]) == (6, began)


def searched(shop: Shop) -> dict[int, pd.DataFrame]:
    """Return the tables of all searches in the cache by their number of trials."""
    tables = [pd.read_parquet(path) for path in (shop.folder / "data" / SLUG / "cache/tune/mlp").glob("*/*.parquet")]
    return {len(table): table for table in tables}


def times_of_trials(shop: Shop) -> list[list[str]]:
    """Return when the trials of each stored study began: a trial that is trained again begins anew."""
    times = []
    for path in (shop.folder / "data" / SLUG / "cache" / ".progress").glob("*/study.db"):
        with contextlib.closing(sqlite3.connect(path)) as study:
            times.append([time for (time,) in study.execute("SELECT datetime_start FROM trials ORDER BY number")])
    return times
