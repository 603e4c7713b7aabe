"""Config files: what is right is read, and every mistake is one message with the file, the place and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from pipeline.config import load_competition, load_experiment, metric_plugin, read_toml
from pipeline.engine import plugins
from pipeline.errors import ConfigError, FeatureError
from pipeline.workspace import Workspace

COMPETITION = """
task = "regression"
id = "Id"
target = "SalePrice"
metric = "rmsle"
submission = "value"
"""
EXPERIMENT = """
minutes = 3
[split]
kind = "kfold"
n_folds = 3
[split.options]
shuffle = false
[models.net]
kind = "toynet"
lr = { tune = "loguniform", low = 1e-4, high = 1e-1, default = 1e-2 }
hidden = { tune = "choice", values = [[64], [128, 64]] }
[models.net.encode]
impute = "mean"
[ensemble]
kind = "greedy"
"""


class Encode(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    impute: Literal["mean", "median"] = "median"
    max_one_hot: int = 20


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    lr: float = Field(1e-3, gt=0, lt=1)
    hidden: list[int] = [64]
    encode: Encode = Encode()
    layers: list[Encode] = []
    named: dict[str, Encode] = {}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with one competition and one experiment, whose model is a small one of our own."""
    real_names, real_load = plugins.names, plugins.load
    monkeypatch.setattr(plugins, "names", lambda kind: ["toynet", "forest"] if kind == "models" else real_names(kind))
    toynet = type("toynet", (), {"Recipe": Recipe, "for_tuning": None})
    monkeypatch.setattr(plugins, "load", lambda p: toynet if p.module.startswith("pipeline.models") else real_load(p))
    folder = tmp_path / "experiments" / "houses"
    folder.mkdir(parents=True)
    (folder / "competition.toml").write_text(COMPETITION)
    (folder / "default.toml").write_text(EXPERIMENT)
    return Workspace(tmp_path / "data", tmp_path / "experiments", tmp_path / "submissions")


def mistake(workspace: Workspace, file: str, old: str, new: str) -> tuple[str, str]:
    """Return message and hint for a file in which `old` reads `new`."""
    path = workspace.experiments / "houses" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    load = load_competition if file == "competition.toml" else lambda *a: load_experiment(*a, "default")
    with pytest.raises(ConfigError) as caught:
        load(workspace, "houses")
    assert str(path.parent) in str(caught.value) + caught.value.hint, "the message names the file"
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.hint


def test_what_is_right_is_read_with_every_default_filled_in(workspace: Workspace) -> None:
    competition = load_competition(workspace, "houses")
    assert (competition.slug, competition.metric, competition.files.train) == ("houses", "rmsle", "train.csv")
    experiment = load_experiment(workspace, "houses", "default")
    model = experiment.models["net"]
    assert (experiment.name, experiment.minutes, experiment.split.repeats) == ("default", 3.0, 1)
    assert model.recipe == {
        "lr": 0.01,
        "hidden": [64],
        "encode": {"impute": "mean", "max_one_hot": 20},
        "layers": [],
        "named": {},
    }
    assert set(model.space) == {"lr", "hidden"}
    assert load_experiment(workspace, "houses", "default", minutes=9).minutes == 9


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "right"),
    [
        ("competition.toml", "target", "taget", "taget", "target"),
        ("competition.toml", "submission", "[files]\ntrian = 'a.csv'\nsubmission", "files.trian", "train"),
        (
            "competition.toml",
            'id = "Id"',
            'id = "Id"\ncolumns = { catgorical = [] }',
            "columns.catgorical",
            "categorical",
        ),
        ("default.toml", "minutes", "minuets", "minuets", "minutes"),
        ("default.toml", "n_folds", "nfolds", "split.nfolds", "n_folds"),
        ("default.toml", "shuffle", "shufle", "shufle", "shuffle"),
        ("default.toml", 'kind = "toynet"', 'kind = "toynet"\nhiden = [3]', "hiden", "hidden"),
        ("default.toml", "impute", "imput", "encode.imput", "impute"),
        (
            "default.toml",
            "[models.net.encode]",
            "[[models.net.layers]]\nmax_onehot = 3\n[models.net.encode]",
            "layers.0.max_onehot",
            "max_one_hot",
        ),
        (
            "default.toml",
            "[models.net.encode]",
            "[models.net.named.a]\nmax_onehot = 3\n[models.net.encode]",
            "named.a.max_onehot",
            "max_one_hot",
        ),
        ("default.toml", "low =", "lwo =", "lwo", "low"),
        ("default.toml", "hidden = {", "hiddn = {", "hiddn", "hidden"),
        ("default.toml", "[ensemble]", "[ensemble.options]\nstep = 1\n[ensemble]", "step", "steps"),
        ("default.toml", "[ensemble]", "[tuen]\ntrials = 3\n[ensemble]", "tuen", "tune"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_right_one(
    workspace: Workspace, file: str, old: str, new: str, place: str, right: str
) -> None:
    message, hint = mistake(workspace, file, old, new)
    assert message.endswith(f"unknown key '{place}'")
    assert file in message
    assert f"did you mean '{right}'?" in hint


@pytest.mark.parametrize(
    ("file", "old", "new", "said", "hint"),
    [
        ("competition.toml", 'id = "Id"\n', "", "'id' is missing", "add id ="),
        ("competition.toml", '"regression"', '"regresion"', "task: Input should be 'regression'", "'regression'?"),
        ("competition.toml", '"Id"', "3", "id: Input should be a valid string, found 3", ""),
        (
            "competition.toml",
            'id = "Id"',
            'id = "Id"\nslug = "other"',
            "slug is 'other', but the file's place",
            "leave",
        ),
        ("default.toml", "n_folds = 3", "n_folds = 1", "split.n_folds: Input should be greater than or equal to 2", ""),
        ("default.toml", "n_folds = 3", 'n_folds = "x"', "split.n_folds: Input should be a valid integer", ""),
        ("default.toml", "shuffle = false", "shuffle = 7", "shuffle: Input should be a valid boolean", ""),
        ("default.toml", '"mean"', '"maen"', "encode.impute: Input should be 'mean' or 'median'", "'mean'?"),
        ("default.toml", "minutes = 3", "minutes = nan", "minutes: expected a finite number, found nan", ""),
        ("default.toml", "minutes = 3", "minutes = 0", "minutes: Input should be greater than 0, found 0", ""),
        ("default.toml", "high = 1e-1", "high = inf", "models.net.lr.high: expected a finite number", ""),
        (
            "default.toml",
            "high = 1e-1",
            "high = 1.5",
            "[models.net] lr: lr: Input should be less than 1, found 1.5",
            "",
        ),
        (
            "default.toml",
            "[64], [128, 64]",
            '[64], ["a"]',
            "[models.net] hidden: hidden.0: Input should be a valid i",
            "",
        ),
        ("default.toml", "default = 1e-2", "default = 0.9", "lr: value: default 0.9 must lie between", ""),
        ("default.toml", '"loguniform"', '"logunifrom"', "lr: value: Input tag 'logunifrom'", "'loguniform'?"),
        (
            "default.toml",
            "[split]",
            "[preprocess]\nfeatures = 'al'\n[split]",
            "preprocess.features: Input should be",
            "'all'?",
        ),
        ("default.toml", '"toynet"', '"toynett"', "[models.net] kind: no model is called 'toynett'", "'toynet'?"),
        ("default.toml", '"kfold"', '"k-fold"', "[split] kind: no splitter is called 'k-fold'", "'kfold'?"),
        ("default.toml", '"greedy"', '"gredy"', "[ensemble] kind: no blender is called 'gredy'", "'greedy'?"),
        ("competition.toml", '"rmsle"', '"rmlse"', "metric: no metric is called 'rmlse'", "'rmsle'?"),
        ("competition.toml", '"rmsle"', '"auc"', "metric 'auc' is for binary", ""),
        ("competition.toml", '"rmsle"', '"own"', "metric is 'own', but", ""),
        ("competition.toml", '"rmsle"', '"rmsle', "not valid TOML: ", ""),
        ("default.toml", "[models.net]", "[models.Net]", "models.Net: String should match pattern", ""),
        ("default.toml", "[split]", "[models]\nnet = 3\n[split]\n#", "not valid TOML", ""),
    ],
)
def test_a_mistake_is_one_message(workspace: Workspace, file: str, old: str, new: str, said: str, hint: str) -> None:
    if "Net" in new:
        path = workspace.experiments / "houses" / file
        path.write_text(path.read_text().replace("models.net.encode", "models.Net.encode"))
    message, hinted = mistake(workspace, file, old, new)
    assert said in message
    assert hint in hinted


def test_models_must_be_sections(workspace: Workspace) -> None:
    path = workspace.experiments / "houses" / "default.toml"
    path.write_text('[models]\nnet = "toynet"\n')
    with pytest.raises(ConfigError, match=r"\[models\] must hold one section a model"):
        load_experiment(workspace, "houses", "default")
    path.write_text("minutes = 3\n")
    with pytest.raises(ConfigError, match="models"):
        load_experiment(workspace, "houses", "default")


@pytest.mark.parametrize(("slug", "name", "right"), [("house", "default", "houses"), ("houses", "defualt", "default")])
def test_an_unknown_competition_or_experiment_names_the_nearest(
    workspace: Workspace, slug: str, name: str, right: str
) -> None:
    with pytest.raises(ConfigError, match="does not exist") as caught:
        load_experiment(workspace, slug, name)
    assert f"did you mean '{right}'?" in caught.value.hint


def test_an_own_metric_is_checked_like_one_of_the_package(workspace: Workspace) -> None:
    folder = workspace.experiments / "houses"
    (folder / "competition.toml").write_text(COMPETITION.replace("rmsle", "own"))
    own = folder / "metric.py"
    own.write_text("TASKS = ('binary',)\ndef score(target, prediction): return 0.0\n")
    with pytest.raises(ConfigError, match="has no READS, GREATER_IS_BETTER, OPTIMUM"):
        load_competition(workspace, "houses")
    whole = "READS, GREATER_IS_BETTER, OPTIMUM = 'value', False, 0.0\n"
    own.write_text(own.read_text() + whole)
    with pytest.raises(ConfigError, match="'own' is for binary, but task is 'regression'"):
        load_competition(workspace, "houses")
    own.write_text(own.read_text().replace("binary", "regression"))
    assert metric_plugin(workspace, load_competition(workspace, "houses")).file == own
    own.write_text("import no_such_library")
    with pytest.raises(FeatureError, match=r"metric\.py cannot be imported: ModuleNotFoundError"):
        load_competition(workspace, "houses")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(ConfigError, match=r"a\.toml is not valid TOML"):
        read_toml(path)


def test_every_committed_config_is_right() -> None:
    root = Path(__file__).parents[1]
    ours = Workspace(root / "data", root / "experiments", root / "submissions")
    for slug in ours.competitions():
        load_competition(ours, slug)
        for name in ours.experiments_of(slug):
            experiment: Any = load_experiment(ours, slug, name)
            assert experiment.models


@pytest.mark.parametrize(
    ("task", "metric", "form"),
    [
        ("binary", "auc", "value"),
        ("multiclass", "log_loss", "probability"),
        ("multiclass", "accuracy", "value"),
        ("regression", "rmse", "probability"),
    ],
)
def test_a_form_that_does_not_suit_the_task_is_refused(workspace: Workspace, task: str, metric: str, form: str) -> None:
    """A binary "value" would be written as the probability of the negative class."""
    path = workspace.competition("houses") / "competition.toml"
    path.write_text(f'task = "{task}"\nid = "Id"\ntarget = "y"\nmetric = "{metric}"\nsubmission = "{form}"\n')
    with pytest.raises(ConfigError, match=f"submission = '{form}' does not suit task = '{task}'"):
        load_competition(workspace, "houses")
