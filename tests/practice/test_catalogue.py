"""Practice competitions: ordinary files, the same bytes every time, a solution that only the judge reads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import ConfigError
from pipeline.practice import catalogue
from pipeline.practice.houses import N_TEST, N_TRAIN, NOISE
from pipeline.workspace import Workspace

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(scope="module", params=catalogue.SLUGS)
def provided(request, tmp_path_factory):
    workspace = Workspace(tmp_path_factory.mktemp("data"))
    assert catalogue.provide(workspace, request.param)
    return workspace, request.param


def files(workspace: Workspace, slug: str) -> dict[str, bytes]:
    paths = [*workspace.raw_folder(slug).iterdir(), workspace.solution(slug)]
    return {path.name: path.read_bytes() for path in paths}


def test_the_same_bytes_every_time(provided, tmp_path):
    workspace, slug = provided
    catalogue.provide(Workspace(tmp_path), slug)
    assert files(Workspace(tmp_path), slug) == files(workspace, slug)


def test_the_solution_is_nowhere_but_in_the_solution(provided):
    workspace, slug = provided
    facts = tomllib.loads((EXPERIMENTS / slug / "competition.toml").read_text())
    raw = workspace.raw_folder(slug)
    assert sorted(path.name for path in raw.iterdir()) == ["sample_submission.csv", "test.csv", "train.csv"]
    train, test, sample = (pd.read_csv(raw / facts["files"][role]) for role in ("train", "test", "sample"))
    solution = pd.read_csv(workspace.solution(slug))
    assert [*train.columns.drop(facts["target"])] == [*test.columns]
    assert sample[facts["id"]].tolist() == test[facts["id"]].tolist() == solution[facts["id"]].tolist()
    assert not set(train[facts["id"]]) & set(test[facts["id"]])
    assert abs(len(train) - len(test)) <= 1
    assert abs((solution["usage"] == "Public").sum() - len(test) / 2) <= 1
    assert sample[facts["target"]].nunique() == 1


def test_nothing_is_written_twice_or_left_half_done(provided):
    workspace, slug = provided
    assert not catalogue.provide(workspace, slug)
    workspace.solution(slug).unlink()
    before = {path.name for path in workspace.raw_folder(slug).parent.iterdir()}
    assert catalogue.provide(workspace, slug)
    assert {path.name for path in workspace.raw_folder(slug).parent.iterdir()} == before | {"solution.csv"}


def test_other_competitions_are_left_alone(tmp_path):
    assert not catalogue.provide(Workspace(tmp_path), "titanic")
    assert not any(tmp_path.iterdir())
    with pytest.raises(ConfigError) as caught:
        catalogue.build("practice-house")
    assert "practice-houses" in caught.value.hint


@pytest.fixture(scope="module")
def houses():
    return catalogue.build("practice-houses")


def test_houses_have_what_real_competitions_have(houses):
    train, test = houses.train, houses.test
    assert (len(train), len(test)) == (N_TRAIN, N_TEST)
    assert 40 <= train.shape[1] <= 80
    missing_train, missing_test = train.isna().sum(), test.isna().sum()
    assert ((missing_train > 0).sum()) > 8
    only_test = [name for name in test if missing_test[name] and not missing_train[name]]
    assert {"GarageCars", "KitchenQuality"} <= set(only_test)
    unseen = [name for name in test.select_dtypes(object) if set(test[name].dropna()) - set(train[name].dropna())]
    assert {"Heating", "Roof", "Cladding"} <= set(unseen)
    assert train["SalePrice"].min() > 0
    assert train["SalePrice"].skew() > 1.5


def test_the_best_possible_score_of_houses_is_the_noise(houses):
    residual = np.log1p(houses.solution["SalePrice"]) - np.log1p(houses.solution["best"])
    assert np.sqrt((residual**2).mean()) == pytest.approx(NOISE, rel=0.06)
    assert abs(residual.mean()) < 4 * NOISE / np.sqrt(N_TEST)


def test_a_line_misses_what_the_best_prediction_knows(houses):
    columns = ["LivingArea", "OverallQuality", "YearBuilt", "LotArea", "CentreKm", "Baths"]
    train = houses.train.dropna(subset=columns)
    test = houses.test.dropna(subset=columns)
    design = [np.column_stack([np.ones(len(rows)), np.log1p(rows[columns])]) for rows in (train, test)]
    weights = np.linalg.lstsq(design[0], np.log(train["SalePrice"]), rcond=None)[0]
    truth = np.log(houses.solution.loc[test.index, "SalePrice"])
    error = np.sqrt(((design[1] @ weights - truth) ** 2).mean())
    assert 1.25 * NOISE < error < 0.7 * truth.std()
