"""Trials that are given up at a rung: by earlier waves alone, and the same ones after a kill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import FrozenTrial
from searches import Model, Recipe, make_job, trials_of
from small_folds import dealt

from pipeline.engine.stage import Job
from pipeline.files import write_folds, write_json, write_table
from pipeline.metrics import rmse
from pipeline.models import lightgbm
from pipeline.stages import tune
from pipeline.tuning import storage
from pipeline.types import CrossFit, Folds, Metric, Rung, Table, Task


class Watched(Model):
    """Remembers the rungs that it was given, and gives up trials as it is told."""

    RUNGS = ()

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.rungs = list[tuple[Rung, ...]]()

    def cross_fit(self, recipes: Mapping[str, Recipe], table: Table, folds: Folds, **how: Any) -> dict[str, CrossFit]:
        entries = super().cross_fit(recipes, table, folds)
        if folds.n_repeats == 2:
            return entries
        (rung,) = how["rungs"]
        self.rungs.append(how["rungs"])
        assert len(table.test) == 0
        return {name: self._judged(entry, rung) for name, entry in entries.items()}

    def _judged(self, entry: CrossFit, rung: Rung) -> CrossFit:
        error = float(np.nan_to_num(entry.fold_errors, nan=9.0).mean())
        lost = np.full_like(entry.fold_errors, np.nan) if error > rung.limit else entry.fold_errors
        return replace(
            entry, fold_errors=lost, rungs=(error,), given_up=error > rung.limit, failed="left" * (error > rung.limit)
        )


def with_rungs(folder: Path, model: Model, trials: int, progress: Path) -> Job:
    job = make_job(folder, model, trials, progress)
    return replace(job, config={**job.config, "rungs": [0.5], "reduction": 2})


def test_later_waves_must_be_among_the_better_half_of_earlier_ones(tmp_path: Path) -> None:
    model = Watched()
    tune.run(with_rungs(tmp_path / "a", model, 14, tmp_path / "progress"))
    trials = pd.read_parquet(tmp_path / "a/out/trials.parquet")
    errors = trials["rungs"].map(lambda rungs: rungs[0])
    assert [rung.limit for (rung,) in model.rungs] == [
        np.inf, *(float(np.sort(errors[:n])[n // 2 - 1]) for n in (4, 8, 12))
    ]  # fmt: skip
    wave = trials["number"] // 4
    limits = np.array([rung.limit for (rung,) in model.rungs])[wave]
    assert (trials["state"].eq("given up") == (errors > limits)).all()
    assert trials["error"].notna().sum() == trials["state"].eq("finished").sum()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    tune.run(with_rungs(folder, Watched(), 14, folder / "progress"))
    return folder


@pytest.mark.parametrize("dies_at", [2, 3])
def test_a_killed_search_gives_up_the_same_trials(tmp_path: Path, alone: Path, dies_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune.run(with_rungs(tmp_path / "killed", Watched(dies_at=dies_at), 14, tmp_path / "progress"))
    tune.run(with_rungs(tmp_path / "resumed", Watched(), 14, tmp_path / "progress"))
    assert trials_of(tmp_path / "resumed") == trials_of(alone)


SIZE = 60


class Booster(SimpleNamespace):
    """LightGBM, which dies when it is called for the `dies_at`-th time."""

    def __init__(self, dies_at: int = 0) -> None:
        own = {name: getattr(lightgbm, name) for name in ("Recipe", "RUNGS", "settled", "for_tuning")}
        super().__init__(**own, calls=0, dies_at=dies_at)

    def cross_fit(self, recipes: Mapping[str, Any], table: Table, folds: Folds, **how: Any) -> dict[str, CrossFit]:
        self.calls += 1
        if self.calls == self.dies_at:
            raise KeyboardInterrupt
        return lightgbm.cross_fit(recipes, table, folds, **how)


def boosted(
    folder: Path,
    progress: Path,
    model: Booster,
    rungs: list[float],
    n_repeats: int = 1,
    default: Mapping[str, Any] = MappingProxyType({}),
    trials: int = 12,
) -> dict[str, Any]:
    """Search among twelve trials of LightGBM, on rows that it can learn from; return the facts."""
    job = make_job(folder, model, trials, progress)  # type: ignore[arg-type]
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(SIZE, 2)), columns=["a", "b"])
    task, ids = Task("regression", Metric.from_module(rmse)), np.arange(SIZE)
    write_table(job.inputs["preprocess"], Table(task, X, X, X["a"].to_numpy() + 0.1 * X["b"].to_numpy() ** 2, ids, ids))
    for seed, name in enumerate(("split", "fresh")):
        generator = np.random.default_rng(seed)
        fold = np.stack([generator.permutation(SIZE) % 3 for _ in range(n_repeats)])
        write_folds(job.inputs[name], dealt(fold, every=2))
    write_json(
        job.inputs["recipe"] / "net/recipe.json",
        lightgbm.Recipe(**{"rounds": 40, "min_rows": 2, **default}).model_dump(),
    )
    space = {
        "lr": {"tune": "loguniform", "low": 0.001, "high": 0.2},
        "leaves": {"tune": "int", "low": 2, "high": 8, "step": 1},
    }
    return tune.run(replace(job, config={**job.config, "space": space, "rungs": rungs, "reduction": 2}))


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a search over a booster at whose one rung trials are given up, and its facts."""
    folder = tmp_path_factory.mktemp("cut")
    return folder, boosted(folder, folder / "progress", Booster(), [1 / 9])


def test_a_search_over_a_booster_gives_up_trials_and_ends_with_one_that_was_fitted_whole(
    cut_short: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, facts = cut_short
    boosted(tmp_path, tmp_path / "progress", Booster(), [])
    cut, whole = (pd.read_parquet(place / "out/trials.parquet") for place in (folder, tmp_path))
    assert set(cut["state"]) == {"finished", "given up"}
    assert (cut["state"][:4] == "finished").all(), "there was nothing to compare the first wave to"
    assert cut["error"].notna().tolist() == (cut["state"] == "finished").tolist()
    assert cut["rungs"].map(len).tolist() == [1] * 12
    assert cut["error"][:4].tolist() == whole["error"][:4].tolist()
    assert whole["rungs"].map(len).tolist() == [0] * 12
    assert facts["given_up"] == (cut["state"] == "given up").sum()
    assert cut.loc[facts["best_number"], "state"] == "finished"


@pytest.mark.parametrize("dies_at", [2, 3])
def test_a_killed_search_over_a_booster_gives_up_the_same_trials(
    tmp_path: Path, cut_short: tuple[Path, dict[str, Any]], dies_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        boosted(tmp_path / "killed", tmp_path / "progress", Booster(dies_at=dies_at), [1 / 9])
    boosted(tmp_path / "resumed", tmp_path / "progress", Booster(), [1 / 9])
    assert trials_of(tmp_path / "resumed") == trials_of(cut_short[0])


REPEATED: dict[str, Any] = {"rungs": [1.0], "n_repeats": 2}


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search whose trials have a rung at the end of the first repeat."""
    folder = tmp_path_factory.mktemp("repeated")
    boosted(folder, folder / "progress", Booster(), **REPEATED)
    return folder


def test_on_the_first_repeat_a_wave_is_compared_to_earlier_ones_and_the_first_to_itself(repeated: Path) -> None:
    trials = pd.read_parquet(repeated / "out/trials.parquet")
    errors = trials["rungs"].map(lambda rungs: rungs[0])
    limits = np.repeat([np.sort(errors[:seen])[seen // 2 - 1] for seen in (4, 4, 8)], 4)
    default = trials["number"] == 0
    assert ((trials["state"] == "finished") == (errors <= limits) | default).all()
    assert set(trials["state"]) == {"finished", "given up"}
    assert trials["error"].notna().tolist() == (trials["state"] == "finished").tolist()


def test_a_search_of_less_than_a_first_wave_is_none_that_a_longer_one_goes_on_from(
    tmp_path: Path, repeated: Path
) -> None:
    progress = tmp_path / "progress"
    boosted(tmp_path / "few", progress, Booster(), **REPEATED, trials=3)
    boosted(tmp_path / "many", progress, Booster(), **REPEATED)
    boosted(tmp_path / "few again", progress, Booster(), **REPEATED, trials=3)
    assert trials_of(tmp_path / "many") == trials_of(repeated)
    assert trials_of(tmp_path / "few again") == trials_of(tmp_path / "few")


def test_a_first_wave_that_others_fit_too_is_compared_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.Own, "alone", False)
    boosted(tmp_path, tmp_path / "progress", Booster(), **REPEATED)
    trials = pd.read_parquet(tmp_path / "out/trials.parquet")
    assert (trials["state"][:4] == "finished").all()


@pytest.mark.parametrize("dies_at", [2, 6])
def test_a_search_that_is_killed_while_it_tells_a_wave_gives_up_the_same_trials(
    tmp_path: Path, repeated: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = storage.Own.tell

    def dying(own: storage.Own, place: int, trial: FrozenTrial) -> None:
        if place == dies_at:
            raise KeyboardInterrupt
        tell(own, place, trial)

    with monkeypatch.context() as patch:
        patch.setattr(storage.Own, "tell", dying)
        with pytest.raises(KeyboardInterrupt):
            boosted(tmp_path / "killed", tmp_path / "progress", Booster(), **REPEATED)
    boosted(tmp_path / "resumed", tmp_path / "progress", Booster(), **REPEATED)
    assert trials_of(tmp_path / "resumed") == trials_of(repeated)


def test_the_default_goes_on_whatever_else_a_wave_found(tmp_path: Path) -> None:
    boosted(tmp_path, tmp_path / "progress", Booster(), **REPEATED, default={"lr": 0.001, "leaves": 4})
    trials = pd.read_parquet(tmp_path / "out/trials.parquet")
    first = trials["rungs"].map(lambda rungs: rungs[0])[:4]
    assert first[0] == first.max()
    assert trials["state"][0] == "finished"


@pytest.mark.parametrize("dies_at", [2, 4])
def test_a_search_that_is_killed_between_repeats_gives_up_the_same_trials(
    tmp_path: Path, repeated: Path, dies_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        boosted(tmp_path / "killed", tmp_path / "progress", Booster(dies_at=dies_at), **REPEATED)
    boosted(tmp_path / "resumed", tmp_path / "progress", Booster(), **REPEATED)
    assert trials_of(tmp_path / "resumed") == trials_of(repeated)
