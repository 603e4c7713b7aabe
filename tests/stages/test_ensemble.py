"""The ensemble stage: its score is honest, its weights are used on the test rows, and mistakes are said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import job_of, make_entry, noisy
from small_folds import shuffled

from pipeline.blenders import mean, nnls
from pipeline.blenders._blend import Blend
from pipeline.engine.stage import Job
from pipeline.entries import read_as_submitted
from pipeline.errors import ConfigError, ModelError
from pipeline.files import read_entries, read_json
from pipeline.metrics import accuracy, f1, log_loss, rmse, rmsle
from pipeline.stages import ensemble
from pipeline.types import CrossFit, Folds, Metric


def test_a_blend_of_independent_models_beats_each_and_says_by_how_much(tmp_path: Path) -> None:
    folds = shuffled(400)
    target, entries = noisy(400, [1.0, 1.0, 1.0], folds)
    facts = ensemble.run(job_of(tmp_path, target, folds, entries))
    result, rows = read_json(tmp_path / "out/result.json"), read_json(tmp_path / "out/leaderboard.json")
    by_name = {row["entry"]: row for row in rows}
    assert facts["n_entries"] == 3
    assert result["cv_score"] == by_name["ensemble"]["cv_score"] == pytest.approx(0.58, abs=0.06)
    assert by_name["best single"]["cv_error"] > 0.9
    assert [row["cv_error"] for row in rows] == sorted(row["cv_error"] for row in rows)
    assert by_name["m0"]["weight"] == read_json(tmp_path / "out/weights.json")["m0"]


def test_the_reported_score_does_not_reward_fitting_noise(tmp_path: Path) -> None:
    """Weights among 40 models that know nothing look good in their own rows; the reported score must not."""
    rng = np.random.default_rng(0)
    folds = shuffled(60)
    target = rng.normal(size=60)
    entries = {f"m{i}": make_entry(folds, rng.normal(size=(60, 1)), np.zeros((5, 1))) for i in range(40)}
    ensemble.run(job_of(tmp_path, target, folds, entries, blender=nnls))
    weights = read_json(tmp_path / "out/weights.json")
    in_sample = sum(w * entries[name].oof[0, :, 0] for name, w in weights.items())
    reported = read_json(tmp_path / "out/result.json")["cv_error"]
    assert reported > 1.1 * np.sqrt(np.mean((in_sample - target) ** 2))
    assert reported > 0.95 * target.std()


def test_a_fold_never_sees_weights_fitted_on_its_own_rows(tmp_path: Path) -> None:
    folds = shuffled(80)
    target, entries = noisy(80, [1.0, 1.0], folds)
    ensemble.run(job_of(tmp_path / "a", target, folds, entries))
    changed = target.copy()
    rows = folds.valid_rows(0, 2)
    changed[rows] = np.random.default_rng(9).normal(loc=-50, size=len(rows))
    ensemble.run(job_of(tmp_path / "b", changed, folds, entries))
    before, after = (read_entries(tmp_path / part / "out")["ensemble"].oof[0, rows] for part in "ab")
    np.testing.assert_array_equal(before, after)


def test_test_rows_are_blended_with_the_written_weights(tmp_path: Path) -> None:
    folds = shuffled(200)
    target, entries = noisy(200, [0.5, 1.0, 3.0], folds)
    ensemble.run(job_of(tmp_path, target, folds, entries))
    weights = read_json(tmp_path / "out/weights.json")
    wanted = sum(weight * entries[name].test for name, weight in weights.items())
    np.testing.assert_allclose(read_entries(tmp_path / "out")["ensemble"].test, wanted)


def test_values_beyond_all_that_were_seen_are_cut(tmp_path: Path) -> None:
    """One row that a linear model carries away would decide a fold."""
    folds = shuffled(200)
    target, entries = noisy(200, [0.5, 0.5], folds)
    entries["m0"].oof[0, 7] = entries["m0"].test[3] = 1e4
    ensemble.run(job_of(tmp_path, target, folds, entries, blender=mean))
    made = read_entries(tmp_path / "out")["ensemble"]
    assert max(made.oof.max(), made.test.max()) <= target.max()
    assert read_json(tmp_path / "out/result.json")["cv_error"] < 0.6


def test_in_time_a_trend_may_lead_beyond_what_was_seen(tmp_path: Path) -> None:
    folds = Folds(shuffled(200).role, "time")
    target, entries = noisy(200, [0.5, 0.5], folds)
    for entry in entries.values():
        entry.test[:] = 1e4
    ensemble.run(job_of(tmp_path, target, folds, entries))
    np.testing.assert_allclose(read_entries(tmp_path / "out")["ensemble"].test, 1e4)


def test_rmsle_averages_logs(tmp_path: Path) -> None:
    folds = shuffled(100)
    target = np.exp(np.random.default_rng(0).normal(loc=5, size=100))
    halves = {"low": target / 2, "high": target * 2}
    entries = {n: make_entry(folds, v[:, None], np.full((3, 1), v.mean())) for n, v in halves.items()}
    ensemble.run(job_of(tmp_path, target, folds, entries, metric=rmsle, blender=nnls))
    assert read_json(tmp_path / "out/result.json")["cv_error"] < 0.1  # of plain averages log(1.25)


def test_repeats_are_kept_apart_and_averaged(tmp_path: Path) -> None:
    folds = shuffled(90, n_folds=3, repeats=2)
    target, entries = noisy(90, [1.0, 2.0], folds)
    ensemble.run(job_of(tmp_path, target, folds, entries))
    result = read_json(tmp_path / "out/result.json")
    oof = read_entries(tmp_path / "out")["ensemble"].oof
    errors = [
        [rmse.score(target[fold == number], own[fold == number, 0]) for number in range(3)]
        for own, fold in zip(oof, folds.valid_fold, strict=True)
    ]
    assert result["fold_errors"] == [pytest.approx(own) for own in errors]
    assert result["cv_error"] == pytest.approx(np.mean(errors))


def test_uncovered_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    folds = shuffled(100, uncovered=20)
    target, entries = noisy(100, [1.0, 1.0], folds)
    target[:20] = 1e9
    facts = ensemble.run(job_of(tmp_path, target, folds, entries))
    result = read_json(tmp_path / "out/result.json")
    assert facts["n_rows_uncovered"] == 20
    assert result["rows_covered"] == 80
    assert result["cv_error"] < 2.0


def test_a_reference_is_listed_but_never_blended(tmp_path: Path) -> None:
    folds = shuffled(100)
    target, entries = noisy(100, [1.0, 2.0], folds)
    entries["autogluon"] = make_entry(folds, target[:, None], np.zeros((30, 1)), reference=True, stop_on="fold")
    ensemble.run(job_of(tmp_path, target, folds, entries))
    row = next(r for r in read_json(tmp_path / "out/leaderboard.json") if r["entry"] == "autogluon")
    assert row["reference"]
    assert row["weight"] == 0.0
    assert row["cv_error"] == 0.0
    assert "autogluon" not in read_json(tmp_path / "out/weights.json")
    assert read_json(tmp_path / "out/result.json")["stop_on"] == "inner"


def test_a_part_that_stopped_on_its_fold_marks_the_whole(tmp_path: Path) -> None:
    folds = shuffled(100)
    target, entries = noisy(100, [1.0, 1.0], folds, stop_on="fold")
    ensemble.run(job_of(tmp_path, target, folds, entries))
    assert read_json(tmp_path / "out/result.json")["stop_on"] == "fold"


def test_probabilities_stay_probabilities(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folds = shuffled(150)
    target = rng.integers(3, size=150)
    share = {n: rng.dirichlet(np.ones(3), size=150) + np.eye(3)[target] for n in ("one", "two")}
    entries = {
        n: make_entry(folds, s / s.sum(axis=1, keepdims=True), rng.dirichlet(np.ones(3), size=20))
        for n, s in share.items()
    }
    ensemble.run(job_of(tmp_path, target, folds, entries, metric=accuracy))
    result = read_entries(tmp_path / "out")["ensemble"]
    np.testing.assert_allclose(result.test.sum(axis=1), 1.0)
    assert Metric.from_module(accuracy).score(target, result.oof[0]) > 0.6


def test_the_same_bytes_come_out_again(tmp_path: Path) -> None:
    folds = shuffled(100, repeats=2)
    target, entries = noisy(100, [1.0, 1.5, 2.0], folds)
    for part in "ab":
        ensemble.run(job_of(tmp_path / part, target, folds, entries, bags=4))
    for file in (tmp_path / "a/out").iterdir():
        assert file.read_bytes() == (tmp_path / "b/out" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("broken", ["missing", "none", "only a reference", "option"])
def test_mistakes_are_said(tmp_path: Path, broken: str) -> None:
    folds = shuffled(60)
    target, entries = noisy(60, [1.0, 1.0], folds)
    options: dict[str, Any] = {}
    if broken == "missing":
        entries["m1"].oof[0, :7] = np.nan
        expected, text = ModelError, "entry 'm1' has no out-of-fold prediction for 7 of 60 rows"
    elif broken == "none":
        entries, expected, text = {}, ConfigError, "found 0 entries"
    elif broken == "only a reference":
        entries = {"ag": make_entry(folds, target[:, None], np.zeros((3, 1)), reference=True)}
        expected, text = ConfigError, "nothing to blend"
    else:
        options, expected, text = {"stepz": 3}, ConfigError, "stepz"
    with pytest.raises(expected, match=text):
        ensemble.run(job_of(tmp_path, target, folds, entries, **options))


def test_curves_are_for_probabilities(tmp_path: Path) -> None:
    folds = shuffled(60)
    target, entries = noisy(60, [1.0], folds)
    job = job_of(tmp_path, target, folds, entries)
    curved = Job(**(vars(job) | {"config": {**job.config, "calibration": "isotonic"}}))
    with pytest.raises(ConfigError, match="this target has values"):
        ensemble.run(curved)


def test_two_models_with_one_name_are_refused(tmp_path: Path) -> None:
    folds = shuffled(60)
    target, entries = noisy(60, [1.0], folds)
    job = job_of(tmp_path, target, folds, entries)
    twice = Job(**(vars(job) | {"inputs": {**job.inputs, "train:again": job.inputs["train:all"]}}))
    with pytest.raises(ConfigError, match="'m0' of all is taken"):
        ensemble.run(twice)


def test_an_entry_too_timid_for_an_average_is_not_drowned_by_bold_and_worse_ones(tmp_path: Path) -> None:
    """Label smoothing leaves a network's labels best and its probabilities flat."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 900)
    folds = shuffled(900)

    def entry(accuracy_wanted: float, top: float) -> CrossFit:
        said = np.where(rng.random(900) < accuracy_wanted, target, (target + rng.integers(1, 3, 900)) % 3)
        probabilities = np.full((900, 3), (1 - top) / 2)
        probabilities[np.arange(900), said] = top
        return make_entry(folds, probabilities, np.full((4, 3), 1 / 3))

    entries = {"timid": entry(0.97, 0.45), "bold": entry(0.85, 0.9), "bolder": entry(0.85, 0.95)}
    ensemble.run(job_of(tmp_path, target, folds, entries, metric=accuracy))
    assert read_json(tmp_path / "out/result.json")["cv_score"] >= 0.96
    assert read_json(tmp_path / "out/temperatures.json")["timid"] < 0.5


def test_a_mean_of_calibrated_entries_is_made_as_bold_as_it_is_right(tmp_path: Path) -> None:
    """Entries that see different halves of the truth know more together than their mean says."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(2000, 2))
    target = (rng.random(2000) < 1 / (1 + np.exp(-2 * signals.sum(axis=1)))).astype(np.int64)
    folds = shuffled(2000)

    def entry(signal: np.ndarray) -> CrossFit:
        positive = 1 / (1 + np.exp(-1.4 * signal))
        return make_entry(folds, np.column_stack([1 - positive, positive]), np.full((4, 2), 0.5))

    entries = {"left": entry(signals[:, 0]), "right": entry(signals[:, 1])}
    ensemble.run(job_of(tmp_path, target, folds, entries, metric=log_loss))
    assert read_json(tmp_path / "out/temperatures.json")["ensemble"] < 0.7
    by_name = {row["entry"]: row["cv_score"] for row in read_json(tmp_path / "out/leaderboard.json")}
    assert by_name["ensemble"] < 0.9 * min(by_name["left"], by_name["right"])


def test_labels_are_decided_on_other_folds_and_what_was_decided_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folds = shuffled(600)
    sure, test = rng.dirichlet([1.6, 0.4], 600), rng.dirichlet([1.6, 0.4], 50)
    target = (rng.random(600) < sure[:, 1]).astype(int)
    entries = {"m": make_entry(folds, sure, test)}
    ensemble.run(job_of(tmp_path, target, folds, entries, metric=f1))
    rows = {row["entry"]: row["cv_score"] for row in read_json(tmp_path / "out/leaderboard.json")}
    assert rows["ensemble"] == rows["m"]  # alone it would be decided, too
    likeliest = Metric.from_module(f1).score(target, sure)
    assert rows["m"] > likeliest + 0.03
    stored = read_json(tmp_path / "out/blend.json")
    blend = Blend.from_dict(stored["blend"])
    written = read_entries(tmp_path / "out")["ensemble"].test
    np.testing.assert_array_equal(blend.apply(test[:, None]), written)
    assert (written.argmax(axis=1) != test.argmax(axis=1)).any()


def test_repeats_are_blended_by_the_rows_of_both(tmp_path: Path) -> None:
    """With twice as many predictions of a row, weights follow noise less: the second repeat is seen by the first's."""
    folds = shuffled(60, repeats=2)
    target, entries = noisy(60, [1.0, 1.0], folds)
    ensemble.run(job_of(tmp_path / "a", target, folds, entries, blender=nnls))
    entries["m0"].oof[1] += np.random.default_rng(1).normal(size=(60, 1)) * 3
    ensemble.run(job_of(tmp_path / "b", target, folds, entries, blender=nnls))
    first, second = (read_entries(tmp_path / part / "out")["ensemble"].oof[0] for part in "ab")
    assert (first != second).any()


def test_what_is_scored_is_what_is_submitted(tmp_path: Path) -> None:
    """Predictions that stray beyond the target's range are scored, written and kept as they are clipped."""
    folds = shuffled(400)
    target, entries = noisy(400, [3.0], folds)
    job = job_of(tmp_path / "plain", target, folds, entries)
    ensemble.run(job)
    finished = job_of(tmp_path / "clipped", target, folds, entries)
    ensemble.run(replace(finished, config={**finished.config, "finish": {"clip": [9.0, 11.0], "round": 0.5}}))
    plain, clipped = (read_json(tmp_path / name / "out/result.json") for name in ("plain", "clipped"))
    assert clipped["cv_score"] < 0.6 * plain["cv_score"]
    entry = read_entries(tmp_path / "clipped/out")["ensemble"]
    assert folds.errors(Metric.from_module(rmse), target, entry.oof).mean() == pytest.approx(clipped["cv_score"])
    for predicted in (entry.oof, entry.test):
        assert set(np.unique(predicted)) <= {9.0, 9.5, 10.0, 10.5, 11.0}
    rows = {row["entry"]: row for row in read_json(tmp_path / "clipped/out/leaderboard.json")}
    # what is sent of one model alone is finished, too
    for name, alone in read_as_submitted(tmp_path / "clipped/out", entries).items():
        assert folds.errors(Metric.from_module(rmse), target, alone.oof).mean() == pytest.approx(rows[name]["cv_error"])
        assert set(np.unique(alone.test)) <= {9.0, 9.5, 10.0, 10.5, 11.0}
    assert read_as_submitted(tmp_path / "plain/out", entries) == entries
