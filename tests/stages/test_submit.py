"""The submission: exactly the sample's form, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.stage import Job
from pipeline.entries import AS_SUBMITTED
from pipeline.errors import DataError, SubmissionError
from pipeline.files import read_json, write_entry, write_json
from pipeline.metrics import accuracy, auc, log_loss, rmse, rmsle
from pipeline.raw.labels import spell_labels
from pipeline.stages import submit
from pipeline.stages.submit import read_form
from pipeline.types import CrossFit

FACTS = {"slug": "shop", "id": "Id", "target": "y", "task": "regression", "metric": "rmse", "submission": "value"}


def form_of(sample: pd.DataFrame, ids: list[Any], classes: tuple[str, ...] = (), **facts: str) -> submit.Form:
    return read_form(FACTS | facts, sample, np.array(ids, dtype=object), classes)


def entry_of(test: np.ndarray) -> CrossFit:
    unknown = np.full((1, 2), np.nan)
    return CrossFit(np.zeros((1, 4, test.shape[1])), test, unknown, unknown, unknown, "inner")


def job_of(folder: Path, sample: pd.DataFrame, test: np.ndarray, module: Any, solution: str = "", **facts: str) -> Job:
    classes = {"regression": [], "binary": ["0", "1"], "multiclass": ["a", "b", "c"]}[facts.get("task", "regression")]
    for name in ("ingest", "preprocess", "ensemble", "train/entries", "out", "progress"):
        (folder / name).mkdir(parents=True)
    sample.set_index(sample["Id"].astype(str).rename("id as written")).to_parquet(folder / "ingest/sample.parquet")
    pd.DataFrame({"id": sorted(sample["Id"])}).to_parquet(folder / "preprocess/test_ids.parquet")
    write_json(folder / "ingest/schema.json", {"sample_header": list(sample)})
    write_json(folder / "preprocess/task.json", {"kind": facts.get("task", "regression"), "classes": classes})
    write_entry(folder / "ensemble", "ensemble", entry_of(test))
    write_json(folder / "ensemble/result.json", {"cv_score": 0.5, "se": 0.1})
    write_json(folder / "ensemble/weights.json", {"m": 1.0})
    write_entry(folder / "train/entries", "m", entry_of(test))
    if solution:
        (folder / "solution.csv").write_text(solution)
    return Job(
        config=FACTS | facts,
        inputs={n: folder / n for n in ("ingest", "preprocess", "ensemble")} | {"train:m": folder / "train"},
        sources={"solution": folder / "solution.csv"} if solution else {},
        plugins={"metric": module},
        out=folder / "out",
        progress=folder / "progress",
        seed=0,
        log=None,
    )


def written(job: Job) -> str:
    submit.run(job)
    return (job.out / "submission.csv").read_text()


def test_values_follow_the_ids_of_the_sample_not_the_order_of_test(tmp_path: Path) -> None:
    sample = pd.DataFrame({"Id": [3, 1, 2], "price": [0, 0, 0]})
    text = written(job_of(tmp_path, sample, np.array([[10.25], [20.5], [30.125]]), rmse))
    assert text == "Id,price\n3,30.125\n1,10.25\n2,20.5\n"


@pytest.mark.parametrize("ids", [["3.0", "1.0", "2.0"], ["007", "001", "010"], ["a b", '"q"', "c,d"]])
def test_ids_are_written_as_the_sample_wrote_them(tmp_path: Path, ids: list[str]) -> None:
    job = job_of(tmp_path, pd.DataFrame({"Id": [3, 1, 2], "price": 0.0}), np.zeros((3, 1)), rmse)
    path = job.inputs["ingest"] / "sample.parquet"
    pd.read_parquet(path).set_index(pd.Index(ids, name="id as written")).to_parquet(path)
    submit.run(job)
    assert pd.read_csv(job.out / "submission.csv", dtype=str)["Id"].tolist() == ids


@pytest.mark.parametrize("header", [["", "y"], ["Id ", "y"]])
def test_the_header_is_written_as_the_sample_wrote_it(tmp_path: Path, header: list[str]) -> None:
    job = job_of(tmp_path, pd.DataFrame({"Id": [3, 1, 2], "y": 0.0}), np.zeros((3, 1)), rmse)
    write_json(job.inputs["ingest"] / "schema.json", {"sample_header": header})
    assert written(job).split("\n")[0] == ",".join(header)


def test_an_integer_sample_does_not_round_predictions() -> None:
    sample = pd.DataFrame({"Id": [1], "y": np.array([7], dtype=np.int64)})
    assert form_of(sample, [1]).fill(np.array([[2.75]]))["y"].tolist() == [2.75]


def test_rmsle_raises_negative_values_to_zero_and_leaves_large_ones(tmp_path: Path) -> None:
    job = job_of(
        tmp_path, pd.DataFrame({"Id": [1, 2], "y": [1.0, 1.0]}), np.array([[-3.0], [1e9]]), rmsle, metric="rmsle"
    )
    assert submit.run(job)["n_raised_to_zero"] == 1
    assert (job.out / "submission.csv").read_text() == "Id,y\n1,0.0\n2,1000000000.0\n"


def test_a_probability_is_that_of_the_last_class(tmp_path: Path) -> None:
    sample = pd.DataFrame({"Id": ["b", "a"], "p": [0.5, 0.5]})
    job = job_of(tmp_path, sample, np.array([[0.9, 0.1], [0.25, 0.75]]), auc, task="binary", submission="probability")
    assert written(job) == "Id,p\nb,0.75\na,0.1\n"


def test_probabilities_are_matched_by_name(tmp_path: Path) -> None:
    sample = pd.DataFrame({"Id": [1], "S_c": [0.0], "S_a": [0.0], "S_b": [1.0]})
    job = job_of(tmp_path, sample, np.array([[0.5, 0.3, 0.2]]), log_loss, task="multiclass", submission="probabilities")
    assert written(job) == "Id,S_c,S_a,S_b\n1,0.2,0.5,0.3\n"


@pytest.mark.parametrize(
    ("classes", "sample", "spelled"),
    [
        (("0", "1"), ["0", "0"], ["0", "1"]),
        (("0.0", "1.0"), ["0", "1"], ["0", "1"]),
        (("0", "1"), ["0.0"], ["0.0", "1.0"]),
        (("False", "True"), ["False"], ["False", "True"]),
        (("0", "1"), ["False", "False"], ["False", "True"]),
        (("False", "True"), ["true"], ["false", "true"]),
        (("cat", "dog", "eel"), ["dog", "dog"], ["cat", "dog", "eel"]),
    ],
)
def test_labels_are_spelled_as_in_the_sample(classes: tuple[str, ...], sample: list[str], spelled: list[str]) -> None:
    assert spell_labels(classes, pd.Series(sample, name="y")) == spelled


def test_labels_of_another_world_are_refused() -> None:
    with pytest.raises(DataError, match="holds red, none of which is a class of the target: cat, dog"):
        spell_labels(("cat", "dog"), pd.Series(["red"], name="y"))


def test_labels_are_the_most_probable_class() -> None:
    sample = pd.DataFrame({"Id": [5, 6], "Survived": ["0", "1"]})
    form = form_of(sample, [5, 6], ("0", "1"), task="binary", submission="label", metric="accuracy")
    assert form.fill(np.array([[0.2, 0.8], [0.7, 0.3]]))["Survived"].tolist() == ["1", "0"]


@given(st.permutations(range(12)))
def test_every_order_of_the_sample_is_kept(order: list[int]) -> None:
    sample = pd.DataFrame({"Id": order, "y": np.zeros(12)})
    filled = form_of(sample, list(range(12))).fill(np.arange(12.0)[:, None])
    assert filled["Id"].tolist() == order
    assert filled["y"].tolist() == order


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([1, 2], "1 ids of the sample have no prediction, the first is 3"),
        ([1, 2, 3, 4], "asks for 3 ids, the test rows have 4"),
        ([1, 2, 9], "the first is 3"),
        ([1, 2, 2], "not unique in the test rows: 2 occurs twice"),
    ],
)
def test_ids_that_differ_are_refused(ids: list[int], text: str) -> None:
    with pytest.raises(SubmissionError, match=text):
        form_of(pd.DataFrame({"Id": [1, 2, 3], "y": [0.0, 0.0, 0.0]}), ids)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_no_numbers_are_refused(bad: float) -> None:
    form = form_of(pd.DataFrame({"Id": [1, 2], "y": [0.0, 0.0]}), [1, 2])
    with pytest.raises(SubmissionError, match=r"1 of 2 predictions are not numbers .* in test row 1"):
        form.fill(np.array([[1.0], [bad]]))


def test_a_wrong_number_of_columns_is_refused() -> None:
    sample = pd.DataFrame({"Id": [1], "a": [0.0], "b": [0.0]})
    with pytest.raises(SubmissionError, match="2 columns beside 'Id': a, b"):
        form_of(sample, [1]).fill(np.array([[1.0]]))
    with pytest.raises(SubmissionError, match="predicts 3 columns, expected 1"):
        form_of(sample, [1]).fill(np.array([[1.0, 2.0, 3.0]]))
    with pytest.raises(DataError, match="columns a, b for the classes x, y"):
        form_of(sample, [1], ("x", "y"), submission="probabilities").fill(np.array([[0.5, 0.5]]))


def test_provenance_says_where_it_comes_from_and_never_when(tmp_path: Path) -> None:
    for part in "ab":
        submit.run(job_of(tmp_path / part, pd.DataFrame({"Id": [1, 2], "y": [0.0, 0.0]}), np.ones((2, 1)), rmse))
    first, second = ((tmp_path / part / "out/provenance.json").read_bytes() for part in "ab")
    assert first == second
    provenance = read_json(tmp_path / "a/out/provenance.json")
    assert provenance["competition"] == "shop"
    assert provenance["weights"] == {"m": 1.0}
    assert provenance["cv"]["cv_score"] == 0.5
    assert provenance["form"]["columns"] == ["y"]


def test_the_judge_scores_the_submission_and_every_entry(tmp_path: Path) -> None:
    solution = "Id,y,usage\n1,1,Public\n2,0,Private\n3,1,Private\n4,0,Public\n"
    sample = pd.DataFrame({"Id": [1, 2, 3, 4], "y": ["0"] * 4})
    prediction = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    facts = {"task": "binary", "submission": "label", "metric": "accuracy"}
    job = job_of(tmp_path, sample, prediction, accuracy, solution, **facts)
    submit.run(job)
    judged = read_json(job.out / "judged.json")
    assert judged["ours"] == {"public": 1.0, "private": 0.5}
    assert judged["entries"] == {"m": {"public": 1.0, "private": 0.5}}
    assert judged["references"] == []


def test_the_judge_scores_an_entry_as_it_would_be_submitted(tmp_path: Path) -> None:
    solution = "Id,y,usage\n1,2.0,Public\n2,3.0,Private\n"
    sample = pd.DataFrame({"Id": [1, 2], "y": [0.0, 0.0]})
    job = job_of(tmp_path, sample, np.array([[2.4], [3.4]]), rmse, solution, metric="rmse")
    rounded = tmp_path / "ensemble" / AS_SUBMITTED
    rounded.mkdir()
    write_entry(rounded, "m", entry_of(np.array([[2.0], [3.0]])))
    submit.run(job)
    assert read_json(job.out / "judged.json")["entries"] == {"m": {"public": 0.0, "private": 0.0}}
