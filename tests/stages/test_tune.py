"""Tuning goes on where it stopped, proposes what an undisturbed search would, and keeps its best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from heard import Heard
from pydantic import model_validator
from searches import Model, Recipe, make_job, trials_of

from pipeline.errors import ConfigError
from pipeline.files import read_folds, read_json, write_folds, write_json
from pipeline.report.trials import figures
from pipeline.stages import tune
from pipeline.tuning import storage, study
from pipeline.tuning.choice import UNKNOWN
from pipeline.types import CrossFit, Folds, Table


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    tune.run(make_job(folder, Model(), 14, folder / "progress"))
    return folder


@pytest.mark.parametrize("dies_at", [1, 2, 4])
def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path: Path, undisturbed: Path, dies_at: int) -> None:
    progress = tmp_path / "progress"
    with pytest.raises(KeyboardInterrupt):
        tune.run(make_job(tmp_path / "killed", Model(dies_at=dies_at), 14, progress))
    tune.run(make_job(tmp_path / "resumed", Model(), 14, progress))
    assert trials_of(tmp_path / "resumed") == trials_of(undisturbed)


@pytest.mark.parametrize("fewer", [1, 4, 7])
def test_more_trials_continue_the_old_study(tmp_path: Path, undisturbed: Path, fewer: int) -> None:
    progress = tmp_path / "progress"
    tune.run(make_job(tmp_path / "first", Model(), fewer, progress))
    assert len(pd.read_parquet(tmp_path / "first" / "out" / "trials.parquet")) == fewer
    model = Model()
    tune.run(make_job(tmp_path / "second", model, 14, progress))
    assert model.waves == 4 - fewer // 4
    assert trials_of(tmp_path / "second") == trials_of(undisturbed)


def test_when_time_is_up_the_finished_waves_are_what_there_is_and_the_search_can_go_on(
    tmp_path: Path, undisturbed: Path
) -> None:
    progress = tmp_path / "progress"
    facts = tune.run(make_job(tmp_path / "late", Model(), 14, progress, patience=2))
    assert facts["truncated"] == ["8 of 14 trials", "the test of what was found: not begun"]
    assert len(pd.read_parquet(tmp_path / "late/out/trials.parquet")) == 8
    assert "truncated" not in tune.run(make_job(tmp_path / "later", Model(), 14, progress))
    assert trials_of(tmp_path / "later") == trials_of(undisturbed)


def test_a_wave_that_was_cut_short_is_not_judged(tmp_path: Path) -> None:
    facts = tune.run(make_job(tmp_path / "cut", Model(cut=True), 14, tmp_path / "progress"))
    assert facts["truncated"] == ["0 of 14 trials"]
    assert read_json(tmp_path / "cut/out/recipe.json") == Recipe().model_dump()


def test_the_best_finished_trial_is_written_and_a_failed_one_counts_as_failed(undisturbed: Path) -> None:
    trials = pd.read_parquet(undisturbed / "out" / "trials.parquet")
    best = trials.loc[trials["error"].idxmin()]
    recipe = read_json(undisturbed / "out" / "recipe.json")
    assert recipe == {"lr": best["lr"], "width": best["width"]}
    assert (trials["error"].isna() == (trials["width"] == 7)).all()


def test_what_was_found_is_used_only_if_it_is_better_on_fresh_folds(tmp_path: Path) -> None:
    def tuned(penalty: float) -> tuple[dict[str, Any], bool]:
        job = make_job(tmp_path / f"{penalty}", Model(penalty=penalty), 14, tmp_path / "progress")
        return tune.run(job), read_json(job.out / "recipe.json") == Recipe().model_dump()

    better, is_default = tuned(0.0)
    assert better["kept"]
    assert "is kept: better than the default by 4." in better["verdict"]
    assert not is_default
    gap = np.log(100) + 0.04 - better["best"]
    for penalty, said in ((gap, "inside the noise"), (gap + 1, "worse by 0.99")):
        worse, is_default = tuned(penalty)
        assert not worse["kept"]
        assert said in worse["verdict"]
        assert is_default


def test_the_best_trials_so_far_are_shown(tmp_path: Path) -> None:
    job = make_job(tmp_path / "shown", Model(), 14, tmp_path / "progress")
    tune.run(job)
    trials = pd.read_parquet(tmp_path / "shown/out/trials.parquet").nsmallest(5, "error")
    first, *_, last = job.log.tables  # type: ignore[attr-defined]
    assert first == [["trial", "error", "lr", "width"]]
    assert [row[0] for row in last[1:]] == [str(number) for number in trials["number"]]


def test_the_search_begins_with_the_default_where_it_lies_in_the_space(undisturbed: Path) -> None:
    first = pd.read_parquet(undisturbed / "out/trials.parquet").iloc[0]
    assert (first["lr"], first["width"]) == (Recipe().lr, Recipe().width)


def test_the_choice_among_many_is_told(tmp_path: Path) -> None:
    facts = tune.run(make_job(tmp_path / "told", Model(), 14, tmp_path / "progress"))
    trials = pd.read_parquet(tmp_path / "told/out/trials.parquet").set_index("number")
    assert facts["best"] == trials.loc[facts["best_number"], "error"]
    assert np.isfinite(facts["corrected"])


def test_a_search_tries_the_best_of_another_study_as_far_as_its_space_reaches(tmp_path: Path) -> None:
    others = [{"lr": 0.04, "width": 99}, {"lr": 0.02, "width": 2, "depth": 1}, {"lr": 0.05, "width": 5}]
    write_json(tmp_path / "best.json", others)
    job = make_job(tmp_path / "started", Model(), 6, tmp_path / "progress")
    tune.run(replace(job, sources={"start:0": tmp_path / "best.json"}))
    trials = pd.read_parquet(tmp_path / "started/out/trials.parquet")
    assert list(trials["lr"][:4]) == [1.0, 0.04, 0.02, 0.05]
    assert list(trials["width"][[0, 2, 3]]) == [4, 2, 5]
    assert 1 <= trials["width"][1] <= 8, "what lies outside the space is proposed"


def test_without_fresh_folds_the_choice_itself_is_counted(tmp_path: Path) -> None:
    job = make_job(tmp_path / "time", Model(), 14, tmp_path / "progress")
    write_folds(job.inputs["fresh"], read_folds(job.inputs["split"]))
    facts = tune.run(job)
    assert "on the folds of the search, for want of others, its choice counted" in facts["verdict"]
    counted = facts["corrected"] - facts["best"]
    fresh = tune.run(make_job(tmp_path / "fresh", Model(), 14, tmp_path / "other-progress"))
    gains = [float(said["verdict"].split(" by ")[1].split()[0]) for said in (facts, fresh)]
    assert gains[0] == pytest.approx(gains[1] - counted, abs=0.05)


def test_a_default_that_nothing_beats_is_kept_without_a_test(tmp_path: Path) -> None:
    class Best(Model):
        def _entry(self, recipe: Recipe, table: Table, fresh: bool) -> CrossFit:
            assert not fresh, "tested against itself"
            entry = super()._entry(recipe, table, fresh)
            return replace(entry, fold_errors=entry.fold_errors - 100 * (recipe == Recipe()))

    facts = tune.run(make_job(tmp_path / "best", Best(), 8, tmp_path / "progress"))
    assert facts["verdict"] == "the default is kept: no trial was better"
    assert facts["best_number"] == 0


def test_a_search_without_a_single_trial_leaves_a_table_all_the_same(tmp_path: Path) -> None:
    tune.run(make_job(tmp_path / "none", Model(), 0, tmp_path / "progress"))
    trials = pd.read_parquet(tmp_path / "none/out/trials.parquet")
    assert list(trials.columns) == ["number", "state", "error", "se", "rungs", "lr", "width"]
    assert figures(trials) == {}
    assert read_json(tmp_path / "none/out/recipe.json") is None, "the default is an entry already"


def test_that_all_trials_failed_is_said(tmp_path: Path) -> None:
    class Failing(Model):
        def _entry(self, recipe: Recipe, table: Table, fresh: bool) -> CrossFit:
            entry = super()._entry(recipe, table, fresh)
            return replace(entry, fold_errors=entry.fold_errors * np.nan)

    job = make_job(tmp_path / "failed", Failing(), 4, tmp_path / "progress")
    assert tune.run(job)["verdict"] == "the default is kept: all of 4 trials failed"
    assert read_json(job.out / "recipe.json") == Recipe().model_dump()


def test_values_that_do_not_go_together_are_told_without_a_traceback(tmp_path: Path) -> None:
    class Narrow(Recipe):
        @model_validator(mode="after")
        def _suits(self) -> Narrow:
            if self.width > 5 and self.lr < 0.5:
                raise ValueError("the widest learn fast")
            return self

    model = Model()
    model.Recipe = Narrow
    with pytest.raises(
        ConfigError, match=r"net: the search came upon .*'width': [678].* does not take: .*widest learn fast"
    ):
        tune.run(make_job(tmp_path / "odd", model, 14, tmp_path / "progress"))


def test_fresh_folds_of_few_groups_are_nearly_those_of_the_search_and_its_choice_is_counted(tmp_path: Path) -> None:
    job = make_job(tmp_path / "groups", Model(), 14, tmp_path / "progress")
    role = read_folds(job.inputs["split"]).role.copy()
    role[..., [0, 1]] = role[..., [1, 0]]
    write_folds(job.inputs["fresh"], Folds(np.concatenate([role, role[:, ::-1]])))
    assert "for want of others, its choice counted" in tune.run(job)["verdict"]


def test_choices_of_several_types_can_be_written_to_a_table(tmp_path: Path) -> None:
    space = {"leaves": {"tune": "choice", "values": ["auto", 31, [1, 2]]}}
    rows = pd.DataFrame([study.written({"leaves": place}, space) for place in range(3)])
    rows.to_parquet(tmp_path / "trials.parquet")
    assert list(pd.read_parquet(tmp_path / "trials.parquet")["leaves"]) == ['"auto"', "31", "[1, 2]"]


def test_a_search_killed_while_a_wave_is_told_fits_the_wave_as_it_was(tmp_path: Path, undisturbed: Path) -> None:
    asked = list[list[str]]()

    class Half(Model):
        def cross_fit(self, recipes: Mapping[str, Recipe], table: Table, folds: Folds, **how: Any) -> Any:
            if folds.n_repeats == 1:
                asked.append(list(recipes))
                how["progress"].mkdir(exist_ok=True)
            return super().cross_fit(recipes, table, folds, **how)

    progress, told = tmp_path / "progress", storage.Own.tell

    def killed(self: storage.Own, place: int, trial: Any) -> None:
        if place == 6:
            raise KeyboardInterrupt
        told(self, place, trial)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.Own, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            tune.run(make_job(tmp_path / "killed", Half(), 14, progress))
    tune.run(make_job(tmp_path / "resumed", Half(), 14, progress))
    assert asked[1] == asked[2], "a wave in other company than before"
    assert trials_of(tmp_path / "resumed") == trials_of(undisturbed)


def test_a_parameter_that_was_not_searched_is_missing_from_the_table_and_the_best(
    tmp_path: Path,
) -> None:
    job = make_job(tmp_path / "some", Model(), 14, tmp_path / "progress")
    space = job.config["space"] | {"lr": job.config["space"]["lr"] | {"when": {"width": [4, 5, 6, 8]}}}
    tune.run(replace(job, config=job.config | {"space": space}))
    trials = pd.read_parquet(tmp_path / "some/out/trials.parquet")
    assert set(trials.loc[trials["lr"].isna(), "width"]) == {1, 2, 3, 7} & set(trials["width"])
    assert figures(trials).keys() >= {"history", "parameters", "parallel"}
    lines = np.array([line.get_ydata() for line in figures(trials)["parallel"].axes[0].lines])
    finished = trials.dropna(subset=["error"])
    assert np.isfinite(lines).sum(axis=0).tolist() == [finished["lr"].notna().sum(), finished["width"].notna().sum()]
    best = read_json(tmp_path / "some/out/best.json")
    assert [own["width"] for own in best] == list(trials.nsmallest(3, "error")["width"])
    assert all(("lr" in own) == (own["width"] in (4, 5, 6, 8)) for own in best)


class Lucky(Model):
    """Its recipes differ by what chance makes of the rows, which other folds show as well."""

    def _entry(self, recipe: Recipe, table: Table, fresh: bool) -> CrossFit:
        entry = super()._entry(recipe, table, fresh)
        chance = np.random.default_rng([round(1e6 * recipe.lr), recipe.width]).normal(size=entry.oof.shape[1:])
        return replace(entry, oof=entry.oof + table.target[:, None] + chance)


@pytest.mark.parametrize(("penalty", "kept"), [(0.0, True), (100.0, False)])
def test_what_the_choice_flatters_on_other_folds_is_told_of_what_was_kept(
    tmp_path: Path, penalty: float, kept: bool
) -> None:
    facts = tune.run(make_job(tmp_path / "some", Lucky(penalty=penalty), 14, tmp_path / "progress"))
    found = read_json(tmp_path / "some/out/optimism.json")["optimism"]
    assert facts["kept"] is kept
    assert 0 < found < 1 if kept else found == 0.0


def test_where_nothing_of_a_lucky_gain_persists_nothing_is_carried_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "persistence", lambda *_: 0.0)
    assert tune.run(make_job(tmp_path / "some", Lucky(), 14, tmp_path / "progress"))["kept"]
    assert read_json(tmp_path / "some/out/optimism.json")["optimism"] == 0.0


def test_a_choice_that_flatters_by_nobody_knows_how_much_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "optimism", lambda *_: UNKNOWN)
    log = Heard()
    facts = tune.run(replace(make_job(tmp_path / "some", Lucky(), 14, tmp_path / "progress"), log=log))
    assert facts["kept"]
    assert read_json(tmp_path / "some/out/optimism.json")["optimism"] is None
    assert facts["verdict"].endswith("the expected score is not corrected for it")
    assert "how much the choice among trials flatters is not known" in log.warnings[-1]
