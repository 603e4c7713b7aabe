"""A run that was killed goes on from its checkpoint to the same bits; one of another plan is never used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import MEMBERS, PROGRAM, SIZES, assert_same_bits, lasting, rows_of, shared_views, views_of

from pipeline.core import checkpoint, job
from pipeline.core.fused import train
from pipeline.core.members import Program, View
from pipeline.core.rungs import NONE, Rungs

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
WANTED = replace(PROGRAM, patience=2, epochs=6)
TRAIN_EPOCH = job.train_epoch
UNEVEN = lasting(MEMBERS, [6, 1, 3, 6, 2])


class KilledError(Exception):
    """Stands for a kill between two epochs."""


@pytest.fixture(autouse=True)
def kept_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)


def dying_after(n_epochs: int) -> Any:
    """Return an epoch of training that fails once so many have been done."""
    done = [0]

    def dying(*arguments: Any) -> Any:
        if done[0] == n_epochs:
            raise KilledError
        done[0] += 1
        return TRAIN_EPOCH(*arguments)

    return dying


def die_after(n_epochs: int, folder: Path, devices: Sequence[torch.device] = (CPU,)) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "train_epoch", dying_after(n_epochs))
        with pytest.raises(KilledError):
            train(PROGRAM, MEMBERS, views_of(SIZES), devices=devices, checkpoint=folder)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(0, 12),
    st.integers(1, 5),
    st.sampled_from([torch.float32, torch.float64]),
    st.sampled_from([WANTED, replace(WANTED, schedule="coslog4", patience="cycle")]),
)
def test_a_run_that_died_after_any_epoch_ends_with_the_same_bits(
    n_epochs: int, at_once: int, dtype: torch.dtype, wanted: Program
) -> None:
    views = views_of(SIZES, dtype)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(job, "plan_capacity", lambda *_: at_once)
        undisturbed = train(wanted, UNEVEN, views)
        patch.setattr(job, "train_epoch", dying_after(n_epochs))
        try:
            resumed = train(wanted, UNEVEN, views, checkpoint=Path(folder))
        except KilledError:
            patch.setattr(job, "train_epoch", TRAIN_EPOCH)
            resumed = train(wanted, UNEVEN, views, checkpoint=Path(folder))
    assert_same_bits(resumed, undisturbed)
    for one, other in zip(resumed, undisturbed, strict=True):
        assert list(one.layers) == list(other.layers)
        for name, found in one.layers.items():
            np.testing.assert_array_equal(found, other.layers[name])


def test_progress_counts_what_an_earlier_run_has_done(tmp_path: Path) -> None:
    counted = list[int]()
    die_after(3, tmp_path)
    train(PROGRAM, MEMBERS, views_of(SIZES), checkpoint=tmp_path, advance=counted.append)
    assert sum(counted) == 5 * PROGRAM.epochs


def test_a_finished_run_is_read_back_and_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 60.0)
    first = train(WANTED, UNEVEN, views_of(SIZES), checkpoint=tmp_path)
    monkeypatch.setattr(job, "train_epoch", dying_after(0))
    assert_same_bits(train(WANTED, UNEVEN, views_of(SIZES), checkpoint=tmp_path), first)


@pytest.mark.parametrize("n_stops", [0, 1, 2])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, n_stops: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 60.0)
    views = views_of(SIZES, n_stops=n_stops)
    assert all(member.truncated for member in train(PROGRAM, MEMBERS, views, stop=lambda: True, checkpoint=tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(job, "train_epoch", dying_after(PROGRAM.epochs - 1))
        resumed = train(PROGRAM, MEMBERS, views, checkpoint=tmp_path)
    assert_same_bits(resumed, train(PROGRAM, MEMBERS, views))


def test_the_next_checkpoint_is_due_a_minute_after_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 60.0)
    now, due = 0.0, list[bool]()
    monkeypatch.setattr(checkpoint, "monotonic", lambda: now)
    keeper = checkpoint.Keeper(tmp_path, {})
    for now in (59.0, 61.0, 119.0, 122.0):  # noqa: B007 - the clock reads it
        due.append(keeper.is_due())
        if due[-1]:
            keeper.write(checkpoint.Snapshot(1, [], {}, {}))
    assert due == [False, True, False, True]


def test_every_device_has_its_own_checkpoint(tmp_path: Path) -> None:
    views, devices = views_of(SIZES), [CPU, CPU]
    die_after(4, tmp_path, devices)
    resumed = train(PROGRAM, MEMBERS, views, devices=devices, checkpoint=tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert_same_bits(resumed, train(PROGRAM, MEMBERS, views, devices=devices))


def test_stopping_rows_weights_rungs_and_the_version_of_torch_are_parts_of_a_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, *others = views_of(SIZES)
    stops, weight = (rows_of(3, len(first.stops[0])),), torch.ones(len(first.train))
    limited = Rungs((1,), (0.5,), [0] * len(MEMBERS), NONE.measure)

    def plan(first: View = first, rungs: Rungs = NONE) -> checkpoint.Plan:
        return checkpoint.plan_of(PROGRAM, dict(enumerate(MEMBERS)), [first, *others], rungs, CPU)

    def differing(other: checkpoint.Plan) -> list[str]:
        return [name for name, found in ours.items() if other[name] != found]

    ours = plan()
    assert differing(plan(replace(first, stops=stops))) == ["rows"]
    assert differing(plan(replace(first, train=replace(first.train, weight=weight)))) == ["rows"]
    assert differing(plan(rungs=limited)) == ["rungs"]
    monkeypatch.setattr(torch, "__version__", "0.1")
    assert differing(plan()) == ["torch"]


@pytest.mark.parametrize("part", ["numbers", "flags", "at"])
def test_what_a_sheet_holds_and_where_rows_are_on_it_is_part_of_a_plan(part: str) -> None:
    def plan() -> checkpoint.Plan:
        return checkpoint.plan_of(PROGRAM, {0: MEMBERS[0]}, views, NONE, CPU)

    views = shared_views(0, 3, 2, [1])
    ours, excerpt = plan(), views[0].train.excerpt
    assert excerpt is not None
    changed = excerpt.at if part == "at" else getattr(excerpt.sheet, part)
    changed[0] = changed[1]
    assert plan()["rows"] != ours["rows"]


OTHERS = {
    "program": (replace(PROGRAM, beta=(0.9, 0.95)), MEMBERS, views_of(SIZES)),
    "members": (PROGRAM, [replace(MEMBERS[0], lr=0.5), *MEMBERS[1:]], views_of(SIZES)),
    "rows": (PROGRAM, MEMBERS, [View(rows_of(1, 70), (rows_of(2, 15),)), *views_of(SIZES)[1:]]),
}


@pytest.mark.parametrize("part", OTHERS)
def test_another_plan_starts_anew_and_refuses_a_checkpoint_under_its_name(part: str, tmp_path: Path) -> None:
    train(PROGRAM, MEMBERS, views_of(SIZES), stop=lambda: True, checkpoint=tmp_path)
    (ours,) = tmp_path.iterdir()
    other = OTHERS[part]
    assert_same_bits(train(*other, checkpoint=tmp_path), train(*other))
    (theirs,) = set(tmp_path.iterdir()) - {ours}
    ours.replace(theirs)
    with pytest.raises(ValueError, match=f"checkpoint of another plan; remove it to start anew:\n{part}: [0-9a-f]+ in"):
        train(*other, checkpoint=tmp_path)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views, written = views_of(SIZES), list[Path]()

    def half(_: Any, path: Path, **__: Any) -> None:
        written.append(path)
        path.write_bytes(b"half of it")
        raise KilledError

    die_after(2, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.core.save.save_file", half)
        with pytest.raises(KilledError):
            train(PROGRAM, MEMBERS, views, checkpoint=tmp_path)
    assert written
    assert_same_bits(train(PROGRAM, MEMBERS, views, checkpoint=tmp_path), train(PROGRAM, MEMBERS, views))


SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from small_networks import MEMBERS, PROGRAM, SIZES, views_of
from pipeline.core import checkpoint, fused
from pipeline.core.fused import train
checkpoint.SECONDS, fused.cpu_jobs = 0.0, lambda n_members: 1
print("ready", flush=True)
train(replace(PROGRAM, epochs=300), MEMBERS, views_of(SIZES), checkpoint=Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.8])
def test_a_process_that_was_killed_is_resumed_to_the_same_bits(seconds: float, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL or seconds > 0.1
    program, views = replace(PROGRAM, epochs=300), views_of(SIZES)
    counted = list[int]()
    resumed = train(program, MEMBERS, views, checkpoint=tmp_path, advance=counted.append)
    assert sum(counted) == 1500
    assert_same_bits(resumed, train(program, MEMBERS, views))
