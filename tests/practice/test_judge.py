"""The local judge: every form of submission is scored as Kaggle would, on the public and the private part apart."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.errors import DataError, SubmissionError
from pipeline.metrics import accuracy, auc, log_loss, rmse
from pipeline.practice.judge import judge
from pipeline.types import Metric

USAGE = ["Public", "Public", "Private", "Private"]


@pytest.fixture
def solution(tmp_path):
    def write(target, **more):
        path = tmp_path / "solution.csv"
        pd.DataFrame({"id": [1, 2, 3, 4], "y": target, "usage": USAGE} | more).to_csv(path, index=False)
        return path

    return write


def facts(task, form):
    return {"id": "id", "target": "y", "task": task, "submission": form}


def submission(**columns):
    return pd.DataFrame({"id": [4, 3, 2, 1]} | {name: values[::-1] for name, values in columns.items()})


def test_values_and_the_best_possible(solution):
    path = solution([1.0, 2.0, 3.0, 4.0], best=[1.5, 2.5, 3.0, 4.0])
    scores = judge(path, submission(y=[1.0, 4.0, 3.0, 4.0]), facts("regression", "value"), Metric.from_module(rmse))
    assert scores == {"public": 2**0.5, "private": 0.0, "best_public": 0.5, "best_private": 0.0}


@pytest.mark.parametrize("ids", [["1.0", "2.0", "3.0", "4.0"], ["01", "2", "3", "4"]])
def test_ids_are_the_same_however_they_are_spelled(solution, ids):
    path = solution([1.0, 2.0, 3.0, 4.0], id=ids)
    rows = pd.DataFrame({"id": [1, 2, 3, 4] if "01" not in ids else ids, "y": [1.0, 2.0, 3.0, 4.0]})
    scores = judge(path, rows, facts("regression", "value"), Metric.from_module(rmse))
    assert scores == {"public": 0.0, "private": 0.0}


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ([0, 1, 1, 0], [0, 1, 0, 0]),
        ([False, True, True, False], [False, True, False, False]),
        (list("abba"), list("abaa")),
    ],
)
def test_labels_however_they_are_spelled(solution, truth, said):
    classes = sorted({str(label) for label in truth})
    scores = judge(solution(truth), submission(y=said), facts("binary", "label"), Metric.from_module(accuracy), classes)
    assert scores == {"public": 1.0, "private": 0.5}


def test_labels_as_text_or_as_decimals(solution):
    for said in (["0", "1", "1", "0"], [0.0, 1.0, 1.0, 0.0]):
        judged = (submission(y=said), facts("binary", "label"), Metric.from_module(accuracy))
        scores = judge(solution([0, 1, 1, 0]), *judged, classes=["0", "1"])
        assert scores == {"public": 1.0, "private": 1.0}


def test_one_probability_is_that_of_the_last_class(solution):
    rows = submission(y=[0.1, 0.2, 0.7, 0.8])
    judged = (rows, facts("binary", "probability"), Metric.from_module(auc))
    scores = judge(solution([0, 1, 1, 0]), *judged, classes=["0", "1"])
    assert scores == {"public": 1.0, "private": 0.0}


@pytest.mark.parametrize("prefix", ["", "Status_"])
def test_a_column_a_class_in_any_order(solution, prefix):
    sure = {f"{prefix}CL": [0, 0, 1, 0], f"{prefix}C": [1, 0, 0, 0], f"{prefix}D": [0, 1, 0, 1]}
    metric = Metric.from_module(log_loss)
    judged = (submission(**sure), facts("multiclass", "probabilities"), metric)
    scores = judge(solution(["C", "D", "CL", "D"]), *judged, classes=["C", "CL", "D"])
    assert scores["public"] == pytest.approx(0, abs=1e-9)
    assert scores["private"] == pytest.approx(0, abs=1e-9)


def test_columns_are_in_the_order_of_the_classes_codes_and_of_the_targets(solution):
    sure = submission(**{"2": [1, 0, 0, 0], "10": [0, 1, 0, 1], "9": [0, 0, 1, 0]})
    judged = (sure, facts("multiclass", "probabilities"), Metric.from_module(log_loss))
    assert judge(solution([2, 10, 9, 10]), *judged, classes=["2", "9", "10"])["public"] == pytest.approx(0, abs=1e-9)
    path = solution([1.0, 2.0, 3.0, 4.0], z=[5.0, 6.0, 7.0, 8.0])
    both = submission(z=[5.0, 6.0, 7.0, 8.0], y=[1.0, 2.0, 3.0, 4.0])
    several = facts("regression", "value") | {"target": ["y", "z"]}
    assert judge(path, both, several, Metric.from_module(rmse)) == {"public": 0.0, "private": 0.0}


def test_a_class_without_held_out_rows_keeps_its_share(solution):
    rows = submission(a=[0.5, 0.5, 0.5, 0.5], b=[0.25] * 4, c=[0.25] * 4)
    judged = (rows, facts("multiclass", "probabilities"), Metric.from_module(log_loss))
    scores = judge(solution(list("aaaa")), *judged, classes=list("abc"))
    assert scores["public"] == pytest.approx(0.6931472, abs=1e-6)


def test_refuses_what_kaggle_would_refuse(solution, tmp_path):
    metric, value = Metric.from_module(rmse), facts("regression", "value")
    path = solution([1.0, 2.0, 3.0, 4.0])
    rows = submission(y=[1.0, 2.0, 3.0, 4.0])
    with pytest.raises(SubmissionError, match="3 rows for 4 ids, which differ at 1"):
        judge(path, rows[:3], value, metric)
    with pytest.raises(SubmissionError, match="5 rows for 4 ids, which differ at 1"):
        judge(path, pd.concat([rows, rows[3:]]), value, metric)
    with pytest.raises(SubmissionError, match="5 rows for 4 ids, which differ at 5"):
        judge(path, pd.concat([rows, rows[3:].assign(id=5)]), value, metric)
    with pytest.raises(SubmissionError, match="missing or infinite"):
        judge(path, rows.assign(y=float("nan")), value, metric)
    with pytest.raises(DataError, match="only practice competitions"):
        judge(tmp_path / "none.csv", rows, value, metric)
    labels = facts("binary", "label")
    with pytest.raises(SubmissionError, match="'maybe' is none of the classes"):
        judge(solution([0, 1, 1, 0]), rows.assign(y="maybe"), labels, Metric.from_module(accuracy), classes=("0", "1"))


def test_a_class_whose_name_ends_like_another_is_read_from_its_own_column(solution):
    sure = {"Status_CL": [0.1, 0.9, 0.2, 0.8], "Status_L": [0.9, 0.1, 0.8, 0.2]}
    metric = Metric.from_module(accuracy)
    classes = ("CL", "L")
    truth = solution(["L", "CL", "L", "CL"])
    scores = judge(truth, submission(**sure), facts("binary", "probabilities"), metric, classes)
    assert scores == {"public": 1.0, "private": 1.0}


def test_labels_that_differ_as_text_alone_are_different_classes(solution):
    path = solution(["1", "01", "1.0", "01"])
    judged = (submission(y=["1", "1", "01", "01"]), facts("multiclass", "label"), Metric.from_module(accuracy))
    assert judge(path, *judged, classes=["01", "1", "1.0"]) == {"public": 0.5, "private": 0.5}
