"""The graph of an experiment: what reads what, which names clash, and that raw files may lie inside an archive."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from graphs import FACTS

from pipeline.config import Competition, Experiment, load_competition, load_experiment
from pipeline.engine.plan import plan
from pipeline.engine.stage import Input
from pipeline.engine.store import Store
from pipeline.errors import ConfigError, DataError
from pipeline.graph import build
from pipeline.workspace import Workspace

FILES = """
[files]
train = "all.zip/{train}"
test = "all.zip/test.csv"
sample = ""
"""
SAMPLE = "sample_submission.csv"
TUNED = """
[models.linear]
lr = { tune = "loguniform", low = 1e-3, high = 1e-1 }
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    own = Workspace(tmp_path / "data", tmp_path / "experiments", tmp_path / "submissions")
    own.raw_folder("shop").mkdir(parents=True)
    with zipfile.ZipFile(own.raw_folder("shop") / "all.zip", "w") as archive:
        for name in ("train.csv", "train_again.csv", "test.csv"):
            archive.writestr(name, "id,x,y\n1,2,3\n")
    (own.experiments / "shop").mkdir(parents=True)
    return own


def read(workspace: Workspace, experiment: str, train: str = "train.csv") -> tuple[Competition, Experiment]:
    folder = workspace.experiments / "shop"
    (folder / "competition.toml").write_text(FACTS + FILES.format(train=train))
    (folder / "default.toml").write_text(experiment)
    return load_competition(workspace, "shop"), load_experiment(workspace, "shop", "default")


def test_a_model_called_like_what_tuning_finds_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match="'linear-tuned' already"):
        build(workspace, *read(workspace, f'{TUNED}[models.linear-tuned]\nkind = "linear"\n'))


@pytest.mark.parametrize(
    "section",
    [
        '[models.mlp]\nloss = "ordinal"',
        '[models.linear]\nloss = { tune = "choice", values = ["squared", "cross_entropy"] }',
    ],
)
def test_a_loss_that_does_not_suit_the_task_is_refused_with_its_place(workspace: Workspace, section: str) -> None:
    where = f"{workspace.experiments / 'shop' / 'default.toml'}: {section.partition(chr(10))[0]}"
    with pytest.raises(ConfigError, match=re.escape(where) + " loss '.*' does not suit a regression task"):
        build(workspace, *read(workspace, section))


def test_quick_models_come_first_whatever_their_order(workspace: Workspace) -> None:
    nodes = build(workspace, *read(workspace, "[models.autogluon]\n[models.mlp]\n[models.ridge]\n"))
    trained = [node.variant for node in nodes if node.stage == "train"]
    assert trained == ["ridge", "mlp", "autogluon"]


def test_every_node_has_a_name_of_its_own(workspace: Workspace) -> None:
    names = [node.name for node in build(workspace, *read(workspace, f"{TUNED}[models.mlp]\n"))]
    assert len(set(names)) == len(names)
    assert "train[linear-tuned]" in names


def test_a_title_is_no_part_of_any_key(workspace: Workspace) -> None:
    competition, experiment = read(workspace, TUNED)
    titled = competition.model_copy(update={"title": "Another"})
    assert build(workspace, titled, experiment) == build(workspace, competition, experiment)


def test_a_config_is_what_a_manifest_gives_back(workspace: Workspace) -> None:
    """Else plan would name what is the same as a reason to run."""
    competition, experiment = read(workspace, TUNED)
    (workspace.raw_folder("shop") / "stores.csv").write_text("shop,city\n1,Oslo\n")
    joined = competition.model_copy(update={"tables": {"stores.csv": ["shop"]}})
    for node in build(workspace, joined, experiment):
        assert json.loads(json.dumps(dict(node.config))) == node.config


def test_only_the_plan_knows_of_a_machine_s_pace(workspace: Workspace) -> None:
    usual, paced, quick = (build(replace(workspace, pace=pace), *read(workspace, TUNED)) for pace in (1.0, 1.0, 2.0))
    assert usual == paced
    (other,) = [(old, new) for old, new in zip(usual, quick, strict=True) if old != new]
    assert other == (other[0], replace(other[0], config={**other[0].config, "pace": 2.0}))
    assert other[0].name == "budget"


def test_another_member_of_the_same_archive_is_another_input(workspace: Workspace) -> None:
    store = Store(workspace.cache("shop"))
    steps = [
        plan(build(workspace, *read(workspace, TUNED, train)), store)[0]
        for train in ("train.csv", "train.csv", "train_again.csv")
    ]
    assert [step.state for step in steps] == ["run"] * 3
    assert steps[0].key == steps[1].key != steps[2].key


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["gender_submission.csv"], "gender_submission.csv"),
        (["gender_submission.csv", "sample_submission.csv"], "sample_submission.csv"),
        (["gender_submission.csv", "my_submission.csv"], None),
    ],
)
def test_a_sample_may_have_a_name_of_its_own(workspace: Workspace, there: list[str], taken: str | None) -> None:
    competition, experiment = read(workspace, "[models.linear]\n")
    competition = competition.model_copy(update={"files": competition.files.model_copy(update={"sample": SAMPLE})})
    for name in there:
        (workspace.raw_folder("shop") / name).write_text("id,y\n1,0\n")
    if taken is None:
        with pytest.raises(DataError, match=f"{SAMPLE} does not exist"):
            build(workspace, competition, experiment)
    else:
        assert build(workspace, competition, experiment)[0].sources["sample"].name == taken


def test_raw_files_that_lie_apart_are_looked_for_in_both_places_of_kaggle_s_notebooks(tmp_path: Path) -> None:
    raw = tmp_path / "input"
    for folder in (raw / "houses", raw / "competitions" / "shops"):
        folder.mkdir(parents=True)
    own = Workspace(tmp_path / "data", raw=raw)
    assert own.check_raw_folder("shops") == raw / "competitions" / "shops"
    with pytest.raises(DataError) as caught:
        own.check_raw_folder("shop")
    assert f"nor does {raw / 'shop'}, nor does {raw / 'competitions' / 'shop'}" in str(caught.value)
    assert caught.value.hint.endswith("did you mean 'shops'? known: houses, shops")


def started(wanted: str) -> str:
    return f'{TUNED}[tune]\nstart_from = ["{wanted}"]\n'


def study(workspace: Workspace, slug: str, name: str) -> Path:
    folder = workspace.studies(slug)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.best.json").write_bytes(b"[]")
    return folder / f"{name}.best.json"


@pytest.mark.parametrize(("wanted", "slug"), [("wide", "shop"), ("other/wide", "other")])
def test_a_search_reads_the_trials_that_it_starts_from(workspace: Workspace, wanted: str, slug: str) -> None:
    path = study(workspace, slug, "wide.linear")
    nodes = {node.name: node for node in build(workspace, *read(workspace, started(wanted)))}
    assert nodes["tune[linear]"].sources == {"start:0": path}
    assert wanted not in str(nodes["tune[linear]"].config), "the trials are in the key, not the name of their place"


@pytest.mark.parametrize("wanted", ["wide", "other/wide"])
def test_trials_that_are_not_there_are_asked_for(workspace: Workspace, wanted: str) -> None:
    study(workspace, "shop", "wide.mlp")
    with pytest.raises(ConfigError, match=f"'{wanted}' has no trials of linear"):
        build(workspace, *read(workspace, started(wanted)))


@pytest.mark.parametrize("wanted", ["default", "shop/default"])
def test_an_experiment_does_not_start_from_itself(workspace: Workspace, wanted: str) -> None:
    study(workspace, "shop", "default.linear")
    with pytest.raises(ConfigError, match="this experiment itself"):
        build(workspace, *read(workspace, started(wanted)))


def test_a_refit_stands_for_its_model_where_test_rows_are_predicted(workspace: Workspace) -> None:
    (workspace.raw_folder("shop") / "more.csv").write_text("id,x,y\n4,5,6\n")
    text = f'{TUNED}refit = true\n[models.ridge]\n[pseudo]\n[extra]\nfiles = ["more.csv"]\n'
    nodes = {node.name: node for node in build(workspace, *read(workspace, text))}
    read_by = {name: one.node for name, one in nodes["ensemble"].inputs.items() if name.startswith("train:")}
    assert read_by == {
        "train:linear": "train[linear refit]",
        "train:linear-tuned": "train[linear-tuned refit]",
        "train:ridge": "train[ridge]",
    }
    for name in ("linear", "linear-tuned"):
        trained, refitted = nodes[f"train[{name}]"], nodes[f"train[{name} refit]"]
        assert refitted.inputs == {**trained.inputs, "train": Input(trained.name, ("entries",))}
        assert {"extra", "recipe"} <= refitted.inputs.keys()
        assert refitted.config["pseudo"] == trained.config["pseudo"]
        assert refitted.seed != trained.seed
    assert not any("refit" in one.node for one in nodes["tune[linear]"].inputs.values())


@pytest.mark.parametrize(
    ("section", "said", "hint"),
    [
        (
            '[preprocess]\nfeatures = ["duoble"]',
            "[preprocess] features: {}/features.py has no function 'duoble'",
            "'double'?",
        ),
        ("", "{}/postprocess.py has no function postprocess(predictions, rows)", "or set postprocess = false"),
    ],
)
def test_a_function_that_is_not_there_is_told_of(workspace: Workspace, section: str, said: str, hint: str) -> None:
    folder = workspace.experiments / "shop"
    (folder / "features.py").write_text("def double(rows):\n    return rows['x'] * 2\n")
    (folder / "postprocess.py").write_text("def finish(predictions, rows):\n    return predictions\n")
    with pytest.raises(ConfigError, match=re.escape(said.format(folder))) as caught:
        build(workspace, *read(workspace, f"[models.ridge]\n{section}\n"))
    assert hint in caught.value.hint


def test_what_finishes_values_is_refused_for_classes_with_its_place(workspace: Workspace) -> None:
    competition, experiment = read(workspace, "[models.ridge]\n[submit]\nround = 1.0\n")
    classes = competition.model_copy(update={"task": "binary", "metric": "auc", "submission": "probability"})
    with pytest.raises(ConfigError, match=r"^\[submit\] round is for values, but the task has classes"):
        build(workspace, classes, experiment)


def test_a_search_space_of_what_cannot_be_tuned_is_refused_with_its_place(workspace: Workspace) -> None:
    section = '[models.autogluon]\nstack_levels = { tune = "choice", values = [0, 1] }\n'
    where = workspace.experiments / "shop" / "default.toml"
    said = f"{where}: [models.autogluon]: 'autogluon' cannot be tuned, but stack_levels has a search space"
    with pytest.raises(ConfigError, match=re.escape(said)):
        read(workspace, section)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[models.autogluon]", "AutoGluon's models stop on the rows that their fold validates"),
        ("[models.h2o]", "an H2O model of all rows already"),
        ('[models.mine]\nkind = "own"', "made elsewhere, and nothing is fitted here"),
        ('[models.mlp]\nstop_on = "fold"', "stop_on = 'fold' stops on the rows that a fold validates"),
        (
            '[models.lightgbm]\nstop_on = { tune = "choice", values = ["inner", "fold"] }',
            "stop_on = 'fold' stops on the rows that a fold validates",
        ),
        ("[models.ridge]\npenalty = 0.1\n[models.linear]", "models.linear.refit: Input should be a valid boolean"),
    ],
)
def test_what_cannot_be_fitted_on_all_rows_is_refused(workspace: Workspace, section: str, message: str) -> None:
    said = '"perhaps"' if "boolean" in message else "true"
    with pytest.raises(ConfigError, match=message):
        read(workspace, f"{section}\nrefit = {said}\n")
