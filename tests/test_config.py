"""Config files: what is right is read, and every mistake is one message with the file, the place and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from committed import ROOT, committed
from pydantic import BaseModel, ConfigDict, Field

from pipeline.config import load_competition, load_experiment, read_toml
from pipeline.engine import plugins
from pipeline.errors import ConfigError
from pipeline.workspace import Workspace

COMPETITION = """
task = "regression"
id = "Id"
target = "SalePrice"
metric = "rmsle"
submission = "value"
"""
LABELS = 'id = "a"\ntarget = "b"\ntask = "binary"\nmetric = "auc"\nsubmission = "label"'
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
    path.write_text(text.replace(old, new))
    load = load_competition if file == "competition.toml" else lambda *a: load_experiment(*a, "default")
    with pytest.raises(ConfigError) as caught:
        load(workspace, "houses")
    assert str(path) in str(caught.value) + caught.value.hint, "the message names the file"
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


def test_several_targets_and_their_metric_by_its_own_name(workspace: Workspace) -> None:
    path = workspace.experiments / "houses" / "competition.toml"
    path.write_text(COMPETITION.replace('"SalePrice"', '["a", "b"]').replace('"rmsle"', '"mcrmse"'))
    competition = load_competition(workspace, "houses")
    assert (competition.target, competition.metric) == (["a", "b"], "rmse")
    path.write_text(COMPETITION.replace('"SalePrice"', '["a"]'))
    assert load_competition(workspace, "houses").target == "a"


def test_several_targets_of_classes_are_refused(workspace: Workspace) -> None:
    text = (
        COMPETITION.replace('"regression"', '"binary"').replace('"rmsle"', '"auc"').replace('"value"', '"probability"')
    )
    path = workspace.experiments / "houses" / "competition.toml"
    path.write_text(text)
    said, hint = mistake(workspace, "competition.toml", '"SalePrice"', '["a", "b"]')
    assert "target lists 2 columns, but task = 'binary' has one" in said
    assert "a competition of its own" in hint


# what is wrong: the right text, the wrong one, what the message says, what the hint says
COMPETITION_KEYS = {
    "unknown": ("target", "taget", "unknown key 'taget'", "did you mean 'target'?"),
    "of-an-experiment": ("target", "minutes = 5\ntarget", "unknown key 'minutes'", "write it into default.toml"),
    "unknown-in-files": ("submission", "files.trian = 'a'\nsubmission", "unknown key 'files.trian'", "'train'?"),
    "unknown-in-columns": (
        "metric",
        "columns.catgorical = []\nmetric",
        "unknown key 'columns.catgorical'",
        "'categorical'?",
    ),
    "missing": ('id = "Id"\n', "", "'id' is missing", "add id ="),
}
COMPETITION_VALUES = {
    "task": ('"regression"', '"regresion"', "task: Input should be 'regression'", "'regression'?"),
    "number-for-id": ('"Id"', "3", "id: Input should be a valid string, found 3", ""),
    "slug": ("id =", "slug = 'other'\nid =", "slug is 'other', but the file's place", "leave"),
    "unknown-metric": ('"rmsle"', '"rmlse"', "metric: no metric is called 'rmlse'", "'rmsle'?"),
    "no-train-file": ("submission", "files.train = ''\nsubmission", "files.train: String should have at least 1", ""),
    "capital-metric": ('"rmsle"', '"RMSLE"', "metric: no metric is called 'RMSLE'", "did you mean 'rmsle'?"),
    "metric-of-another-task": ('"rmsle"', '"auc"', "metric 'auc' is for binary", ""),
    "own-metric-without-file": ('"rmsle"', '"own"', "metric is 'own', but", ""),
    "target-twice": (
        '"SalePrice"',
        '["a", "b", "a"]',
        "target: a target stands there twice, found ['a', 'b', 'a']",
        "",
    ),
    "no-target": ('"SalePrice"', "[]", "target: no target, found []", ""),
    "positive-of-numbers": ("id =", "positive = 'a'\nid =", "positive is for binary tasks, but task = 'regress", ""),
    "labels-for-probabilities": (COMPETITION, LABELS, "metric 'auc' judges probabilities, but", "'probability'"),
    "open-quote": ('"rmsle"', '"rmsle', "not valid TOML: ", ""),
}
EXPERIMENT_KEYS = {
    "top": ("minutes", "minuets", "unknown key 'minuets'", "did you mean 'minutes'?"),
    "of-the-competition": ("minutes", "metric = 'mae'\nminutes", "unknown key 'metric'", "into competition.toml"),
    "section": ("[ensemble]", "[tuen]\ntrials = 3\n[ensemble]", "unknown key 'tuen'", "did you mean 'tune'?"),
    "split": ("n_folds", "nfolds", "unknown key 'split.nfolds'", "did you mean 'n_folds'?"),
    "splitter-option": ("shuffle", "shufle", "unknown key 'shufle'", "did you mean 'shuffle'?"),
    "blender-option": ("[ensemble]", "[ensemble.options]\nstep = 1\n[ensemble]", "unknown key 'step'", "'steps'?"),
    "recipe": ('kind = "toynet"', 'kind = "toynet"\nhiden = [3]', "unknown key 'hiden'", "did you mean 'hidden'?"),
    "of-every-model": ('kind = "toynet"', 'kind = "toynet"\nrefitt = true', "unknown key 'refitt'", "mean 'refit'?"),
    "in-a-part-of-a-recipe": ("impute", "imput", "unknown key 'encode.imput'", "did you mean 'impute'?"),
    "in-a-list-of-parts": (
        "hidden = {",
        "layers = [{ max_onehot = 3 }]\nhidden = {",
        "unknown key 'layers.0.max_onehot'",
        "'max_one_hot'?",
    ),
    "in-named-parts": (
        "hidden = {",
        "named.a.max_onehot = 3\nhidden = {",
        "unknown key 'named.a.max_onehot'",
        "'max_one_hot'?",
    ),
    "tuned": ("hidden = {", "hiddn = {", "unknown key 'hiddn'", "did you mean 'hidden'?"),
    "range": ("low =", "lwo =", "unknown key 'lwo'", "did you mean 'low'?"),
    "name-of-the-blend": ("[models.net", "[models.ensemble", "[models.ensemble]: the blend has this name", "another"),
    "capital-in-name": ("[models.net", "[models.Net", "models.Net: String should match pattern", ""),
    "twice": ("[split]", "[models]\nnet = 3\n[split]\n#", "not valid TOML", ""),
}
EXPERIMENT_VALUES = {
    "one-fold": ("n_folds = 3", "n_folds = 1", "split.n_folds: Input should be greater than or equal to 2", ""),
    "word-for-number": ("n_folds = 3", "n_folds = 'x'", "split.n_folds: Input should be a valid integer", ""),
    "number-for-truth": ("shuffle = false", "shuffle = 7", "shuffle: Input should be a valid boolean", ""),
    "word-of-a-part": ('"mean"', '"maen"', "encode.impute: Input should be 'mean' or 'median'", "'mean'?"),
    "no-minutes": ("minutes = 3", "minutes = 0", "minutes: Input should be greater than 0, found 0", ""),
    "minutes-word": ("minutes = 3", "minutes = true", "minutes: Input should be a valid number, found true", ""),
    "true-for-a-number": (
        "minutes = 3",
        "seed = true\nminutes = 3",
        "seed: Input should be a valid integer, found true",
        "",
    ),
    "word-for-a-number": (
        "impute",
        "max_one_hot = '5'\nimpute",
        "max_one_hot: Input should be a valid integer, found '5'",
        "",
    ),
    "number-for-true": (
        "minutes",
        "use_spare_minutes = 1\nminutes",
        "use_spare_minutes: Input should be a valid bool",
        "",
    ),
    "minutes-nan": ("minutes = 3", "minutes = nan", "minutes: expected a finite number, found nan", ""),
    "infinite-range": ("high = 1e-1", "high = inf", "models.net.lr.high: expected a finite number", ""),
    "range-outside-bounds": ("1e-1", "1.5", "[models.net] lr: lr: Input should be less than 1, found 1.5", ""),
    "choice-of-wrong-type": ("[128, 64]", '["a"]', "[models.net] hidden: hidden.0: Input should be a valid i", ""),
    "default-outside-range": ("default = 1e-2", "default = 0.9", "lr: value: default 0.9 must lie between", ""),
    "unknown-range": ('"loguniform"', '"logunifrom"', "[models.net] lr: tune: expected 'uniform' or", "'loguniform'?"),
    "default-space-of-none": ('"toynet"', '"toynet"\ntune = "default"', "no search space of its own", "state one"),
    "word-for-a-space": ('"toynet"', '"toynet"\ntune = "all"', 'tune: expected "default"', "lr = { tune ="),
    "condition-on-nothing": (
        "high = 1e-1",
        "high = 1e-1, when = { hiden = [[64]] }",
        "unknown key 'hiden'",
        "'hidden'?",
    ),
    "condition-never-true": (
        "high = 1e-1",
        "high = 1e-1, when = { encode = [3] }",
        "[models.net] lr when: encode:",
        "",
    ),
    "conditions-in-a-circle": (
        "high = 1e-1, default = 1e-2 }\nhidden = { ",
        "high = 1e-1, when = { hidden = [[64]] } }\nhidden = { when = { lr = [0.1] }, ",
        "is searched only when the other is",
        "",
    ),
    "features": ("[split]", "[preprocess]\nfeatures = 'al'\n[split]", "preprocess.features: Input should be", "'all'?"),
    "word-for-a-table": (
        "[models.net.encode]\nimpute = ",
        "encode = ",
        "encode: Input should be a table of keys, fo",
        "",
    ),
    "no-model": (EXPERIMENT, "models = {}", "models: Table should have at least 1 item, not 0", ""),
    "one-number-to-clip-to": (
        "[split]",
        "[submit]\nclip = [1]\n[split]",
        "submit.clip: List should have at least 2 items",
        "",
    ),
    "clip-upside-down": ("[split]", "[submit]\nclip = [1, 0]\n[split]", "submit.clip: the lowest value comes fi", ""),
    "rungs-that-fall": ("[split]", "[tune]\nrungs = [0.5, 0.2]\n[split]", "tune.rungs: shares must ascend", ""),
    "rung-of-one-repeat": (
        "[split]",
        "[tune]\nrungs = [1.0]\n[split]",
        "tune: a rung at 1.0, the end of the first repeat, needs",
        "",
    ),
    "unknown-model": ('"toynet"', '"toynett"', "[models.net] kind: no model is called 'toynett'", "'toynet'?"),
    "model-by-number": ('"toynet"', "1", "[models.net] kind: expected a model's name, found 1", '"lightgbm"'),
    "unknown-splitter": ('"kfold"', '"k-fold"', "[split] kind: no splitter is called 'k-fold'", "'kfold'?"),
    "unknown-blender": ('"greedy"', '"gredy"', "[ensemble] kind: no blender is called 'gredy'", "'greedy'?"),
}
MISTAKES = [
    pytest.param(file, *case, id=f"{kind}-{name}")
    for kind, file, cases in [
        ("competition-key", "competition.toml", COMPETITION_KEYS),
        ("competition-value", "competition.toml", COMPETITION_VALUES),
        ("experiment-key", "default.toml", EXPERIMENT_KEYS),
        ("experiment-value", "default.toml", EXPERIMENT_VALUES),
    ]
    for name, case in cases.items()
]


@pytest.mark.parametrize(("file", "old", "new", "said", "hint"), MISTAKES)
def test_a_mistake_is_one_message(workspace: Workspace, file: str, old: str, new: str, said: str, hint: str) -> None:
    message, hinted = mistake(workspace, file, old, new)
    assert said in message
    assert hint in hinted


@pytest.mark.parametrize(
    ("text", "said"),
    [('[models]\nnet = "toynet"\n', r"\[models\] must hold one section a model"), ("minutes = 3\n", "models")],
    ids=["a-word", "none"],
)
def test_models_must_be_sections(workspace: Workspace, text: str, said: str) -> None:
    (workspace.experiments / "houses" / "default.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_experiment(workspace, "houses", "default")


@pytest.mark.parametrize(("slug", "name", "right"), [("house", "default", "houses"), ("houses", "defualt", "default")])
def test_an_unknown_competition_or_experiment_names_the_nearest(
    workspace: Workspace, slug: str, name: str, right: str
) -> None:
    with pytest.raises(ConfigError, match="does not exist") as caught:
        load_experiment(workspace, slug, name)
    assert f"did you mean '{right}'?" in caught.value.hint


@pytest.mark.parametrize(("kind", "part"), [("models", "Recipe"), ("blenders", "Options"), ("splitters", "Options")])
def test_what_toml_writes_as_a_list_is_one(kind: str, part: str) -> None:
    """Settings are read by their types, and TOML has no tuples: one that was stated would be refused."""
    for name in plugins.names(kind):
        fields = getattr(plugins.load(plugins.find(kind, name, where=kind)), part).model_fields
        assert not [field for field, info in fields.items() if "tuple[" in str(info.annotation)], name


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(ConfigError, match=r"a\.toml is not valid TOML"):
        read_toml(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("title = 'é'", encoding="utf-8-sig")
    assert read_toml(path) == {"title": "é"}


def test_every_committed_config_is_right() -> None:
    ours = Workspace(ROOT / "data", ROOT / "experiments", ROOT / "submissions")
    for path in committed("competition.toml"):
        load_competition(ours, path.parent.name)
    experiments = [path for path in committed("*.toml") if path.name != "competition.toml"]
    assert experiments
    for path in experiments:
        experiment: Any = load_experiment(ours, path.parent.name, path.stem)
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
