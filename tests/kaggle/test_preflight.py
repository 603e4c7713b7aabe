"""What a submission is refused for before it is sent, and what is only said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Competition
from pipeline.kaggle.preflight import check, check_left, expected
from pipeline.raw.sheet import Sheet, parse
from pipeline.raw.source import Text

IDS = [11, 12, 13, 14]


def sheet(frame: pd.DataFrame, name: str = "mine.csv") -> Sheet:
    return parse(Text(name, frame.to_csv(index=False).encode()))


def competition(**facts: Any) -> Competition:
    plain = {"slug": "houses", "task": "regression", "id": "Id", "target": "price", "metric": "rmse"}
    return Competition(**(plain | {"submission": "value"} | facts))


CASES = {
    "value": (
        competition(),
        pd.DataFrame({"Id": IDS, "price": 0.0}),
        pd.Series(["10", "20.5", "NA", "30"], dtype=object),
        pd.DataFrame({"Id": IDS, "price": [10.0, 20.0, 30.0, 12.5]}),
    ),
    "values": (
        competition(target=["price", "weight"]),
        pd.DataFrame({"Id": IDS, "weight": 0.0, "price": 0.0}),
        pd.DataFrame({"price": ["10", "20.5", "NA", "30"], "weight": ["1", "2", "2", "3"]}, dtype=object),
        pd.DataFrame({"Id": IDS, "weight": [1.0, 2.0, 3.0, 1.5], "price": [10.0, 20.0, 30.0, 12.5]}),
    ),
    "label": (
        competition(task="binary", metric="accuracy", submission="label"),
        pd.DataFrame({"Id": IDS, "price": ["False", "False", "False", "False"]}),
        pd.Series(["True", "False", "True", ""], dtype=object),
        pd.DataFrame({"Id": IDS, "price": ["True", "False", "True", "True"]}),
    ),
    "probability": (
        competition(task="binary", metric="auc", submission="probability"),
        pd.DataFrame({"Id": IDS, "price": 0.5}),
        pd.Series(["0", "1", "1"], dtype=object),
        pd.DataFrame({"Id": IDS, "price": [0.0, 1.0, 0.25, 0.5]}),
    ),
    "probabilities": (
        competition(task="multiclass", metric="log_loss", submission="probabilities"),
        pd.DataFrame({"Id": IDS, "a": 0.0, "b": 0.0, "c": 0.0}),
        pd.Series(["a", "b", "c"], dtype=object),
        pd.DataFrame({"Id": IDS, "a": [0.2, 0.3, 1, 0], "b": [0.3, 0.3, 0, 1], "c": [0.5, 0.4, 0, 0]}),
    ),
}


def look(form: str, frame: pd.DataFrame, **facts: Any) -> list[tuple[str, str]]:
    """Return what is found in a submission of a form, with other facts of the competition."""
    made, sample, target, _ = CASES[form]
    wanted = expected(
        made.model_copy(update=facts), sheet(sample), [column for _, column in pd.DataFrame(target).items()]
    )
    return [(finding.level, finding.text) for finding in check(sheet(frame), wanted)]


def good(form: str) -> pd.DataFrame:
    return CASES[form][3].copy()


@pytest.mark.parametrize("form", CASES)
def test_a_good_submission_is_passed_in_silence(form: str) -> None:
    assert look(form, good(form)) == []


@pytest.mark.parametrize("form", CASES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[:-1], "1 ids of the sample submission are not there, the first is 14"),
        (lambda frame: pd.concat([frame, frame.iloc[[1]]]), "1 ids stand there twice, the first is 12"),
        (lambda frame: frame.assign(Id=[11, 12, 13, 99]), "1 ids are not in the sample submission, the first is 99"),
        (lambda frame: frame.drop(columns="Id"), "no column Id"),
        (lambda frame: frame.assign(more=1), "column more is not in the sample submission"),
        (lambda frame: frame.assign(**{frame.columns[1]: frame.iloc[:, 1].where(frame["Id"] != 13)}), "row 3"),
    ],
)
def test_what_every_form_is_refused_for(form: str, change: Any, message: str) -> None:
    found = look(form, change(good(form)))
    assert ("refused", message) in [(level, message if message in text else text) for level, text in found]


@pytest.mark.parametrize(
    ("form", "values", "message"),
    [
        ("value", [1.0, np.inf, 2.0, 3.0], "1 values are infinite, the first in row 2"),
        ("value", [1.0, -np.inf, 2.0, 3.0], "1 values are infinite, the first in row 2"),
        ("value", ["1", "2", "three", "4"], "1 values are not numbers, the first is 'three' in row 3"),
        ("label", ["True", "False", "Maybe", "True"], "1 labels are not classes ('Maybe' in row 3); known: False"),
        ("label", [1, 0, 1, 0], "4 labels are not classes"),
        ("probability", [0.1, 1.2, 0.5, -0.1], "2 values are not probabilities"),
        ("probabilities", [0.4, 0.3, 1, 0], "the probabilities of 1 rows do not sum to one, the first to 1.2 in row 1"),
        ("probabilities", [0.2, 0.1, 1, 0], "the probabilities of 1 rows do not sum to one, the first to 0.8 in row 2"),
    ],
)
def test_values_that_are_refused(form: str, values: list[Any], message: str) -> None:
    frame = good(form)
    frame[frame.columns[1]] = values
    assert [text for level, text in look(form, frame) if level == "refused" and message in text]


def test_values_below_zero_are_refused_where_the_metric_is_not_defined_there() -> None:
    frame = good("value").assign(price=[-1.0, 20.0, 30.0, 12.5])
    assert [level for level, _ in look("value", frame, metric="rmsle")] == ["refused", "warning"]
    assert [level for level, _ in look("value", frame)] == ["warning"]


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("value", lambda f: f.assign(price=[10.0, 20.0, 99.0, 12.5]), "1 values (25.0%) lie outside what train has"),
        ("value", lambda f: f.assign(price=20.0), "every row has the same value"),
        ("label", lambda f: f.assign(price="True"), "every row has the same label"),
        ("value", lambda f: f.iloc[::-1], "rows are in another order"),
        ("value", lambda f: f[["price", "Id"]], "columns are in another order"),
    ],
)
def test_what_is_only_said(form: str, change: Any, message: str) -> None:
    ((level, text),) = look(form, change(good(form)))
    assert level == "warning"
    assert message in text


def test_labels_may_be_spelled_as_the_sample_spells_them() -> None:
    made, _, _, frame = CASES["label"]
    sample = sheet(pd.DataFrame({"Id": IDS, "price": 0}))
    wanted = expected(made, sample, [pd.Series(["1.0", "0.0"], dtype=object)])
    assert check(sheet(frame.assign(price=[1, 0, 1, 1])), wanted) == []
    assert [finding.level for finding in check(sheet(frame), wanted)] == ["refused"]


def test_a_class_may_be_called_none() -> None:
    made, _, _, frame = CASES["label"]
    sample = sheet(pd.DataFrame({"Id": IDS, "price": "Mild"}))
    wanted = expected(made, sample, [pd.Series(["None", "NA", "Mild"], dtype=object)])
    assert check(sheet(frame.assign(price=["None", "NA", "Mild", "Mild"])), wanted) == []


@settings(max_examples=40)
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=4, max_size=4))
def test_nothing_but_finite_numbers_passes(values: list[float]) -> None:
    found = look("value", good("value").assign(price=values))
    assert (not np.isfinite(values).all()) == any(level == "refused" for level, _ in found)


def test_none_left() -> None:
    assert check_left({"today": 4, "left": 1}, "houses") == []
    (finding,) = check_left({"today": 5, "left": 0}, "houses")
    assert (finding.level, "5 were sent" in finding.text) == ("refused", True)
    assert "https://www.kaggle.com/competitions/houses/submissions" in finding.text
