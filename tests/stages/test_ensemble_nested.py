"""The ensemble stage with a stack: what it may use, what stands in while nothing is nested, and what it says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from libraries import job_of, make_entry, noisy
from small_folds import shuffled

from pipeline.blenders import chosen, stack
from pipeline.blenders._blend import Blend
from pipeline.engine.stage import Job
from pipeline.files import read_entries, read_json, write_entry
from pipeline.metrics import log_loss, rmsle
from pipeline.nested.rounds import rounds
from pipeline.stages import ensemble
from pipeline.types import CrossFit, Folds, Metric

N = 240
FOLDS = shuffled(N, n_folds=4)


def nest(job: Job, entries: dict[str, CrossFit]) -> Job:
    """Give a job nested predictions: the ordinary ones, as often as there are rounds (of four folds, none rests)."""
    folder = job.out.parent / "nested"
    (folder / "entries").mkdir(parents=True)
    for name, entry in entries.items():
        unknown = np.full((len(rounds(4)), 2), np.nan)
        oof = np.repeat(entry.oof, len(rounds(4)), axis=0)
        made = CrossFit(oof, entry.test[:0], unknown, unknown, unknown, entry.stop_on)
        write_entry(folder / "entries", name, made)
    return replace(job, inputs={**job.inputs, "nested:all": folder})


def timid(folds: Folds = FOLDS) -> tuple[np.ndarray, dict[str, CrossFit]]:
    """Entries that go half as far from the mean as they should, and one that knows what they are off by."""
    rng = np.random.default_rng(0)
    target, off = rng.normal(10, 1, size=N), rng.normal(size=N) * 0.5
    half = {f"m{i}": 10 + (target - 10 + off) / 2 + rng.normal(size=N) * 0.05 for i in range(2)}
    found = half | {"tow": 10 + off + rng.normal(size=N) * 0.05}
    return target, {name: make_entry(folds, v[:, None], v[:30, None]) for name, v in found.items()}


def rows_of(folder: Path) -> dict[str, dict]:
    return {row["entry"]: row for row in read_json(folder / "out" / "leaderboard.json")}


def test_a_stack_stretches_what_is_timid_and_subtracts_what_all_are_off_by(tmp_path: Path) -> None:
    target, entries = timid()
    ensemble.run(nest(job_of(tmp_path, target, FOLDS, entries, blender=stack), entries))
    rows, weights = rows_of(tmp_path), read_json(tmp_path / "out" / "weights.json")
    assert rows["ensemble"]["cv_error"] < 0.3 < 0.45 < rows["equal weights"]["cv_error"]
    assert weights["tow"] < -0.5
    assert weights["m0"] + weights["m1"] > 1.5
    stored = Blend.from_dict(read_json(tmp_path / "out" / "blend.json")["blend"])
    test = np.stack([entry.test for entry in entries.values()], axis=1)
    np.testing.assert_array_equal(read_entries(tmp_path / "out")["ensemble"].test, stored.apply(test))
    worth = {row["model"]: row["worth"] for row in read_json(tmp_path / "out" / "worth.json")}
    assert worth["tow"] > 0.1


def test_what_is_not_nested_is_not_used_and_named_once(tmp_path: Path) -> None:
    target, entries = timid()
    entries["gluon/a"] = replace(entries["m0"], stop_on="fold")
    job = nest(job_of(tmp_path, target, FOLDS, entries, blender=stack), {n: entries[n] for n in ("m0", "gluon/a")})
    ensemble.run(job)
    assert read_json(tmp_path / "out" / "weights.json").keys() == {"m0"}
    (said,) = [line for line in job.log.infos if "cannot be nested" in line]
    assert "3 of 4 entries cannot be nested and are not used: gluon/a, m1, tow" in said
    rows = rows_of(tmp_path)
    assert (rows["ensemble"]["stop_on"], rows["equal weights"]["stop_on"]) == ("inner", "fold")
    assert read_json(tmp_path / "out" / "worth.json") == []


def test_while_nothing_is_nested_equal_weights_stand_in(tmp_path: Path) -> None:
    target, entries = timid()
    job = job_of(tmp_path, target, FOLDS, entries, blender=stack)
    ensemble.run(job)
    assert set(read_json(tmp_path / "out" / "weights.json").values()) == {1 / 3}
    assert any("nothing is nested yet" in line for line in job.log.infos)


def test_what_a_stack_leads_to_stays_within_what_was_seen(tmp_path: Path) -> None:
    target, entries = timid()
    entries["m0"].test[0] = entries["m1"].test[0] = 1e6
    ensemble.run(nest(job_of(tmp_path, target, FOLDS, entries, blender=stack), entries))
    made = read_entries(tmp_path / "out")["ensemble"]
    assert target.min() <= min(made.oof.min(), made.test.min())
    assert max(made.oof.max(), made.test.max()) <= target.max()


@pytest.mark.parametrize("blender", [stack, chosen])
def test_classes_are_pooled_and_stay_probabilities(tmp_path: Path, blender: object) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(3, size=N)
    odds = np.exp(np.eye(3)[target] + rng.normal(size=(2, N, 3)))
    entries = {f"m{i}": make_entry(FOLDS, p, p[:30]) for i, p in enumerate(odds / odds.sum(axis=2, keepdims=True))}
    options = {"among": ["best", "stack"]} if blender is chosen else {}
    ensemble.run(nest(job_of(tmp_path, target, FOLDS, entries, metric=log_loss, blender=blender, **options), entries))
    made, rows = read_entries(tmp_path / "out")["ensemble"], rows_of(tmp_path)
    np.testing.assert_allclose(made.oof.sum(axis=2), 1.0)
    assert rows["ensemble"]["cv_error"] < 0.9 * min(rows["m0"]["cv_error"], rows["m1"]["cv_error"])
    judged = Metric.from_module(log_loss).error(target[:30], made.test)
    assert judged == pytest.approx(rows["ensemble"]["cv_error"], rel=0.4)


def test_rmsle_stacks_logs(tmp_path: Path) -> None:
    """What entries are off by is a factor."""
    target, entries = noisy(N, [0.3, 0.3], FOLDS)
    high = {n: replace(e, oof=1.5 * np.exp(e.oof), test=1.5 * np.exp(e.test)) for n, e in entries.items()}
    ensemble.run(nest(job_of(tmp_path, np.exp(target), FOLDS, high, metric=rmsle, blender=stack), high))
    rows = rows_of(tmp_path)
    assert rows["ensemble"]["cv_error"] < 0.25 < 0.4 < rows["equal weights"]["cv_error"]
