"""`pipeline new`: what is inferred from the files alone, and what is refused."""

from __future__ import annotations

import tomllib

import pytest
from committed import ROOT, committed

from pipeline.config import load_competition
from pipeline.errors import ConfigError
from pipeline.scaffold import TEMPLATES, experiment_toml, find_files, scaffold
from pipeline.workspace import Workspace


@pytest.fixture
def infer(tmp_path):
    def infer(train: str, test: str, sample: str | None, metric: str | None = None):
        raw = tmp_path / "data" / "shop" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for name, text in (("train", train), ("test", test), ("sample_submission", sample)):
            if text is not None:
                (raw / f"{name}.csv").write_text(text)
        made = scaffold("shop", raw, tmp_path / "experiments", metric)
        return tomllib.loads(made.paths[0].read_text()), "\n".join(made.findings)

    return infer


def table(header: str, *columns: list) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


IDS = list(range(1, 61))
TEST = table("id,a", IDS, IDS)


@pytest.mark.parametrize(
    ("target", "sample", "task", "form", "metric"),
    [
        ([f"{i}.5" for i in IDS], [0] * 60, "regression", "value", "rmse"),
        ([i * 7 for i in IDS], [0] * 60, "regression", "value", "rmse"),
        ([2 ** (i // 4) for i in IDS], [0] * 60, "regression", "value", "rmsle"),
        ([-(2 ** (i // 4)) for i in IDS], [0] * 60, "regression", "value", "rmse"),
        ([i % 2 for i in IDS], [i % 2 for i in IDS], "binary", "label", "accuracy"),
        ([i % 2 for i in IDS], [0.5] * 60, "binary", "probability", "auc"),
        ([bool(i % 2) for i in IDS], [False] * 60, "binary", "label", "accuracy"),
        (["yes" if i % 2 else "no" for i in IDS], ["no"] * 60, "binary", "label", "accuracy"),
        (["yes" if i % 2 else "no" for i in IDS], [0.3] * 60, "binary", "probability", "auc"),
        ([i % 5 for i in IDS], [0] * 60, "multiclass", "label", "accuracy"),
        ([i % 5 for i in IDS], [2.5] * 60, "regression", "value", "rmse"),
        (["abc"[i % 3] for i in IDS], ["a"] * 60, "multiclass", "label", "accuracy"),
    ],
)
def test_task_form_and_metric(infer, target, sample, task, form, metric):
    facts, said = infer(table("id,a,y", IDS, IDS, target), TEST, table("id,y", IDS, sample))
    assert {key: facts[key] for key in ("id", "target", "task", "submission", "metric")} == {
        "id": "id",
        "target": "y",
        "task": task,
        "submission": form,
        "metric": metric,
    }
    for key in ("id: id", "target: y", f"task: {task}", f"submission: {form}", f"metric: {metric}"):
        assert key in said


@pytest.mark.parametrize(
    ("target", "task", "form"),
    [
        ([i % 2 for i in IDS], "binary", "probability"),
        ([i % 5 for i in IDS], "multiclass", "label"),
        (["abc"[i % 3] for i in IDS], "multiclass", "label"),
    ],
)
def test_a_sample_that_leaves_its_values_blank_says_nothing_of_them(infer, target, task, form):
    facts, said = infer(table("id,a,y", IDS, IDS, target), TEST, table("id,y", IDS, [""] * 60))
    assert (facts["task"], facts["submission"]) == (task, form)
    assert f"submission: {form} (the sample is blank)" in said


def test_a_column_a_class(infer):
    train = table("id,a,kind", IDS, IDS, ["xyz"[i % 3] for i in IDS])
    facts, _ = infer(train, TEST, table("id,x,y,z", IDS, IDS, IDS, IDS))
    assert (facts["target"], facts["task"], facts["submission"]) == ("kind", "multiclass", "probabilities")


def test_a_column_for_each_of_two_classes(infer):
    train = table("id,a,Class", IDS, IDS, [i % 2 for i in IDS])
    facts, _ = infer(train, TEST, table("id,class_0,class_1", IDS, [0.5] * 60, [0.5] * 60))
    assert (facts["task"], facts["submission"], facts["metric"]) == ("binary", "probabilities", "log_loss")


def test_zeros_may_be_labels_or_probabilities(infer):
    """Accuracy would go on judging probabilities."""
    _, said = infer(table("id,a,y", IDS, IDS, [i % 2 for i in IDS]), TEST, table("id,y", IDS, [0] * 60))
    assert 'if Kaggle wants a probability, write submission = "probability" and a metric of it' in said


def test_a_metric_of_probabilities_changes_the_form(infer):
    train = table("id,a,y", IDS, IDS, [i % 2 for i in IDS])
    facts, said = infer(train, TEST, table("id,y", IDS, [0] * 60), "auc")
    assert facts["submission"] == "probability"
    assert "auc judges probabilities" in said


def test_says_which_class_a_probability_means(infer, tmp_path):
    train = table("id,a,y", IDS, IDS, ["dead" if i % 2 else "alive" for i in IDS])
    facts, said = infer(train, TEST, table("id,y", IDS, [0.5] * 60))
    assert "positive: dead (the probability is that of dead, not of alive)" in said
    assert "positive" not in facts
    path = tmp_path / "experiments" / "shop" / "competition.toml"
    path.write_text(path.read_text().replace("# positive", "positive"))
    assert load_competition(Workspace(experiments=tmp_path / "experiments"), "shop").positive == "alive"


def test_a_metric_of_probabilities_for_many_classes(infer):
    train = table("id,a,y", IDS, IDS, ["abc"[i % 3] for i in IDS])
    facts, _ = infer(train, TEST, None, "log_loss")
    assert facts["submission"] == "probabilities"


def test_refuses_a_metric_of_probabilities_for_a_sample_of_labels(infer):
    train = table("id,a,y", IDS, IDS, ["abc"[i % 3] for i in IDS])
    with pytest.raises(ConfigError, match=r"log_loss judges probabilities, but sample_submission\.csv has one label"):
        infer(train, TEST, table("id,y", IDS, ["a"] * 60), "log_loss")


def test_a_label_may_be_broken_over_lines(infer):
    labels = ['"not\nsure"' if i % 2 else "sure" for i in IDS]
    facts, _ = infer(table("id,a,y", IDS, IDS, labels), TEST, table("id,y", IDS, ["sure"] * 60))
    assert facts["task"] == "binary"


def test_codes_and_one_sided_columns(infer):
    train = table("id,ShopType,a,casual,y", IDS, [10 * (i % 4) for i in IDS], IDS, IDS, [i / 7 for i in IDS])
    facts, said = infer(train, table("id,ShopType,a", IDS, [10 * (i % 4) for i in IDS], IDS), table("id,y", IDS, IDS))
    assert facts["columns"]["categorical"] == ["ShopType"]
    assert facts["columns"]["drop"] == ["casual"]
    assert "ShopType" in said


def test_a_test_file_that_lies_later(infer):
    train = table("id,day,y", IDS, [f"2020-01-{1 + i % 28:02}" for i in IDS], [i / 7 for i in IDS])
    facts, _ = infer(train, table("id,day", IDS, ["2021-01-01"] * 60), table("id,y", IDS, IDS))
    assert facts["time"] == "day"


def test_existing_files_are_kept(infer, tmp_path):
    folder = tmp_path / "experiments" / "shop"
    folder.mkdir(parents=True)
    (folder / "default.toml").write_text("# mine\n")
    train, sample = table("id,a,y", IDS, IDS, [i / 7 for i in IDS]), table("id,y", IDS, IDS)
    infer(train, TEST, sample)
    assert (folder / "default.toml").read_text() == "# mine\n"
    with pytest.raises(ConfigError, match="is there already"):
        infer(train, TEST, sample)


@pytest.mark.parametrize(
    ("train", "test", "sample", "metric", "expected"),
    [
        (
            "id,a,b,c\n1,2,3,4\n",
            "id,a\n1,2\n",
            None,
            None,
            "which column is the target cannot be told: only in train.csv: b, c",
        ),
        ("id,a\n1,2\n", "id,a\n1,2\n", None, None, "only in train.csv: none"),
        ("a,y\n1,2\n", "a\n1\n", "key,y\n7,0\n", None, "first column of sample_submission.csv is 'key'"),
        ("id,a,y\n1,2,3\n2,2,3\n", "id,a\n1,2\n", "id,y\n1,0\n", None, "y has 1 different values"),
        ("id,a,y\n1,2,u\n2,2,v\n", "id,a\n1,2\n", "id,y\n1,w\n", None, "label or a probability"),
        (
            "id,a,y\n1,2,3.5\n2,2,4\n3,4,5\n",
            "id,a\n1,2\n",
            "id,y\n1,0\n",
            "auc",
            "--metric auc is for binary, but the task is regression",
        ),
        ("id,a,y\n1,2,3.5\n", "id,a\n1,2\n", "id,y\n1,0\n", "rmsel", "no metric is called 'rmsel'"),
        ("id,a,y\n1,2,3\n", None, None, None, "is test cannot be told"),
    ],
)
def test_refuses_what_cannot_be_told(infer, train, test, sample, metric, expected):
    with pytest.raises(ConfigError) as caught:
        infer(train, test, sample, metric)
    assert expected in str(caught.value)
    assert caught.value.hint


SLUGS = [path.parent.name for path in committed("competition.toml")]
LARGE = {"otto-group-product-classification-challenge": pytest.mark.slow}


@pytest.mark.parametrize("slug", [pytest.param(slug, marks=LARGE.get(slug, ())) for slug in SLUGS])
def test_the_committed_facts_are_what_is_inferred(slug, tmp_path):
    raw = ROOT / "data" / slug / "raw"
    if not raw.is_dir() or slug.endswith("-holdout"):
        pytest.skip(f"{raw} is not there")
    ours = load_competition(Workspace(experiments=ROOT / "experiments"), slug)
    scaffold(slug, raw, tmp_path, ours.metric)
    inferred = load_competition(Workspace(experiments=tmp_path), slug)
    same = ("task", "id", "target", "submission", "files", "columns")
    assert {key: getattr(inferred, key) for key in same} == {key: getattr(ours, key) for key in same}


KAGGLE = {"title": "The Shop", "daily_limit": 5, "deadline": "2030-01-31T23:59:00", "code_competition": False}


def scaffold_with(tmp_path, targets, **facts):
    raw = tmp_path / "data" / "shop" / "raw"
    raw.mkdir(parents=True)
    (raw / "train.csv").write_text(table("id,a,y", IDS, IDS, targets))
    (raw / "test.csv").write_text(TEST)
    (raw / "sample_submission.csv").write_text(table("id,y", IDS, [0] * 60))
    made = scaffold("shop", raw, tmp_path / "experiments", kaggle=KAGGLE | facts)
    return tomllib.loads(made.paths[0].read_text()), "\n".join(made.findings)


def test_what_kaggle_knows_is_taken(tmp_path):
    name = "Root Mean Squared Logarithmic Error"
    facts, said = scaffold_with(tmp_path, [f"{i}.5" for i in IDS], metric=name)
    assert (facts["metric"], facts["title"]) == ("rmsle", "The Shop")
    assert f"metric: rmsle (Kaggle's {name})" in said
    assert "5 submissions a day until 2030-01-31" in said


@pytest.mark.parametrize("name", ["WRMSSE", "Categorization Accuracy"])
def test_a_metric_of_kaggle_that_is_none_of_ours_or_of_another_task_is_said(tmp_path, name):
    facts, said = scaffold_with(tmp_path, [f"{i}.5" for i in IDS], metric=name, code_competition=True)
    assert facts["metric"] == "rmse"
    assert f"is it Kaggle's {name}?" in said
    assert "takes code here" in said


def test_several_columns_of_numbers_that_the_sample_asks_for(infer, tmp_path):
    columns = (IDS, [i * 3.5 for i in IDS], IDS, [i % 7 for i in IDS])
    facts, said = infer(table("id,y,a,z", *columns), TEST, table("id,z,y", IDS, IDS, IDS), "mcrmsle")
    assert (facts["target"], facts["task"], facts["metric"]) == (["z", "y"], "regression", "rmsle")
    assert "target: z, y" in said
    models = {
        name: tomllib.loads((tmp_path / f"experiments/shop/{name}.toml").read_text())["models"] for name in TEMPLATES
    }
    assert list(models["default"]) == ["linear", "mlp", "lightgbm"]
    assert {"lightgbm", "tabm"} <= models["best"].keys()
    assert "autogluon" not in models["best"]


@pytest.mark.parametrize(("labels", "said"), [(list("ab") * 30, r"no numbers"), ([0, 1] * 30, "two classes")])
def test_several_targets_one_of_which_holds_classes_are_refused(infer, labels, said):
    with pytest.raises(ConfigError, match=rf"asks for 2 targets \(y, z\), and z seems to hold {said}") as caught:
        infer(table("id,a,y,z", IDS, IDS, IDS, labels), TEST, table("id,y,z", IDS, IDS, IDS))
    assert "make a competition of each target" in caught.value.hint


@pytest.mark.parametrize("n_rows", [500, 50_000])
@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_the_best_experiment_has_models_of_many_kinds(task: str, n_rows: int) -> None:
    text = tomllib.loads(experiment_toml("best", task, n_rows))
    assert len(text["models"]) >= 10
    assert text["split"]["kind"] == {"regression": "kfold", "multiclass": "stratified"}[task]
    assert text["split"]["repeats"] == {500: 2, 50_000: 1}[n_rows]


@pytest.mark.parametrize(
    ("labels", "sample", "task", "form"),
    [
        ([f"{i % 2}.0" for i in IDS], [0] * 60, "binary", "label"),
        ([f"{i % 4}.0" for i in IDS], [1] * 60, "multiclass", "label"),
        ([i % 2 for i in IDS], ["0.0"] * 60, "binary", "probability"),
        ([i % 2 for i in IDS], ["True"] * 60, "binary", "label"),
    ],
    ids=["decimals of two", "decimals of four", "a share", "truths"],
)
def test_labels_are_known_in_another_spelling(infer, labels, sample, task, form):
    facts, _ = infer(table("id,a,y", IDS, IDS, labels), TEST, table("id,y", IDS, sample))
    assert (facts["task"], facts["submission"]) == (task, form)


@pytest.mark.parametrize(("n_days", "n_folds"), [(60, 5), (12, 3), (5, None)])
def test_where_test_lies_after_train_folds_do_too(tmp_path, n_days, n_folds):
    raw = tmp_path / "data" / "shop" / "raw"
    raw.mkdir(parents=True)
    days = [f"2020-0{1 + i % n_days // 28}-{1 + i % n_days % 28:02d}" for i in range(120)]
    rows = list(range(120))
    (raw / "train.csv").write_text(table("id,day,y", rows, days, [i * 7 for i in rows]))
    (raw / "test.csv").write_text(table("id,day", IDS, ["2021-01-01"] * 60))
    (raw / "sample_submission.csv").write_text(table("id,y", IDS, [0] * 60))
    made = scaffold("shop", raw, tmp_path / "experiments")
    for name in TEMPLATES:
        made_up = tomllib.loads((tmp_path / "experiments" / "shop" / f"{name}.toml").read_text())
        split = made_up["split"]
        assert (split["kind"], split["n_folds"]) == (("time", n_folds) if n_folds else ("kfold", 5))
        refitted = {model for model, section in made_up["models"].items() if section.get("refit")}
        assert refitted == (made_up["models"].keys() - {"autogluon"} if n_folds else set())
        assert split.get("repeats", 1) == 1 or not n_folds
    assert ("time" in tomllib.loads(made.paths[0].read_text())) == bool(n_folds)


def test_parquet_is_told(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    (tmp_path / "sample_submission.csv").write_text("id,y\n1,2\n")
    with pytest.raises(ConfigError) as caught:
        find_files(tmp_path)
    assert "train.parquet is no CSV file" in caught.value.hint


def test_a_metric_of_labels_beside_a_sample_of_probabilities_is_told(infer):
    _, said = infer(table("id,a,y", IDS, IDS, [i % 2 for i in IDS]), TEST, table("id,y", IDS, ["0.5"] * 60), "accuracy")
    assert "accuracy judges labels, but the sample holds none of the target's" in said
