"""Stage submit: the ensemble's test predictions in exactly the form of the sample submission, refused if unfit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.stage import Job
from pipeline.errors import SubmissionError
from pipeline.files import read_entries, read_json, write_json
from pipeline.practice.judge import judge
from pipeline.stages.ensemble import ENSEMBLE, read_library
from pipeline.types import Metric


def run(job: Job) -> dict[str, Any]:
    """Write submission.csv, provenance.json and, where the source `solution` is there, judged.json.

    Reads ingest (sample.parquet), preprocess (test_ids.parquet, task.json), ensemble, and for judging the
    entries of every `train:<name>`. config: the competition's facts. Raises SubmissionError.
    """
    metric = Metric.from_module(job.plugins["metric"])
    sample = pd.read_parquet(job.inputs["ingest"] / "sample.parquet")
    test_ids = pd.read_parquet(job.inputs["preprocess"] / "test_ids.parquet")["id"].to_numpy()
    classes = tuple(read_json(job.inputs["preprocess"] / "task.json")["classes"])
    form = read_form(job.config, sample, test_ids, classes)
    prediction = read_entries(job.inputs["ensemble"])[ENSEMBLE].test
    submission = form.fill(prediction)
    submission.to_csv(job.out / "submission.csv", index=False, lineterminator="\n")
    write_json(job.out / "provenance.json", _provenance(job, form))
    if "solution" in job.sources:
        write_json(job.out / "judged.json", _judged(job, form, submission, metric))
    return {"n_rows": len(submission), "n_raised_to_zero": form.n_below_zero(prediction)}


@dataclass(frozen=True)
class Form:
    """The sample submission's columns, order and types, and how predictions fill them.

    rows (n_ids,): the test row of each id of the sample. at_least_zero: values below 0 are written as 0,
    because RMSLE is not defined below; nothing is cut at the top, where test may exceed train.
    """

    kind: str
    id: str
    sample: pd.DataFrame
    rows: np.ndarray
    classes: tuple[str, ...]
    at_least_zero: bool

    @property
    def columns(self) -> list[str]:
        """The columns to fill."""
        return [column for column in self.sample if column != self.id]

    def fill(self, prediction: np.ndarray) -> pd.DataFrame:
        """Return the submission for predictions (n_test, n_outputs) in the order of the test rows."""
        _check_finite(prediction)
        if prediction.shape[1] != (len(self.classes) or 1):
            raise SubmissionError(
                f"the ensemble predicts {prediction.shape[1]} columns, expected {len(self.classes) or 1}"
            )
        filled = self.sample.copy()
        for column, values in self._values(prediction[self.rows]).items():
            filled[column] = values
        return filled

    def n_below_zero(self, prediction: np.ndarray) -> int:
        """Return how many predictions `fill` raises to 0, the smallest value that RMSLE is defined for."""
        return int((prediction < 0).sum()) if self.at_least_zero else 0

    def describe(self) -> dict[str, Any]:
        """Return the form in words, for the provenance."""
        return {
            "kind": self.kind,
            "id": self.id,
            "columns": self.columns,
            "types": {column: str(self.sample[column].dtype) for column in self.columns},
            "n_rows": len(self.sample),
        }

    def _values(self, prediction: np.ndarray) -> dict[str, Any]:
        """Return the values of each column; only labels take the sample's type, numbers are never rounded to it."""
        if self.kind == "probabilities":
            order = match_classes(self.columns, self.classes)
            return {column: prediction[:, code] for column, code in zip(self.columns, order, strict=True)}
        if len(self.columns) != 1:
            raise SubmissionError(
                f"the sample submission has {len(self.columns)} columns beside '{self.id}': {', '.join(self.columns)}; "
                f"expected one for submission = '{self.kind}'",
                hint="set submission = 'probabilities' in competition.toml if each column is a class",
            )
        column = self.columns[0]
        if self.kind == "probability":
            return {column: prediction[:, -1]}
        if self.kind == "label":
            labels = as_labels(self.classes, self.sample[column])
            return {column: pd.Series(labels[prediction.argmax(axis=1)], self.sample.index).infer_objects()}
        return {column: np.maximum(prediction[:, 0], 0.0) if self.at_least_zero else prediction[:, 0]}


def read_form(facts: Mapping[str, Any], sample: pd.DataFrame, test_ids: np.ndarray, classes: tuple[str, ...]) -> Form:
    """Match the sample's ids with the test rows; ids that differ in any way are a SubmissionError."""
    column = facts["id"] if facts["id"] in sample else sample.columns[0]
    rows = _match_ids(sample[column], test_ids, column)
    return Form(facts["submission"], column, sample, rows, classes, at_least_zero=facts["metric"] == "rmsle")


def as_labels(classes: tuple[str, ...], column: pd.Series) -> np.ndarray:
    """Turn class names into the type of the sample's column: 0/1, 0.0/1.0, True/False, or the names themselves.

    Returns (n_classes,) objects. A name that the type cannot hold, or a column of labels of which none is a
    class, is a SubmissionError.
    """
    if pd.api.types.is_bool_dtype(column):
        convert: Callable[[str], Any] = _as_truth
    elif pd.api.types.is_numeric_dtype(column):
        convert = _as_integer if pd.api.types.is_integer_dtype(column) else float
    else:
        convert = str
    try:
        labels = [convert(name) for name in classes]
    except ValueError as error:
        raise SubmissionError(
            f"classes {', '.join(classes)} do not fit column '{column.name}', {column.dtype} in the sample submission",
            hint="is submission = 'label' right, or does the sample want a probability?",
        ) from error
    known = sorted(set(column.dropna()))
    if convert is str and known and not set(known) & set(classes):
        raise SubmissionError(
            f"column '{column.name}' of the sample submission holds {', '.join(map(str, known[:5]))}, none of which "
            f"is a class of the target: {', '.join(classes[:5])}"
        )
    return np.array(labels, dtype=object)


def match_classes(columns: list[str], classes: tuple[str, ...]) -> list[int]:
    """Return the code of the class that each column stands for: the same name, or a name that ends in it.

    "Status_C" stands for class C; a column that fits no class, or several, is a SubmissionError.
    """
    codes = []
    for column in columns:
        fitting = [c for c, name in enumerate(classes) if column == name]
        fitting = fitting or [c for c, name in enumerate(classes) if column.endswith((f"_{name}", f" {name}"))]
        if len(fitting) != 1:
            raise SubmissionError(
                f"column '{column}' of the sample submission fits {len(fitting)} classes, expected one of "
                f"{', '.join(classes)}"
            )
        codes.append(fitting[0])
    if sorted(codes) != list(range(len(classes))):
        missing = [name for c, name in enumerate(classes) if codes.count(c) != 1]
        raise SubmissionError(f"the sample submission has not exactly one column for each class: {', '.join(missing)}")
    return codes


def _as_truth(name: str) -> bool:
    values = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    if name.lower() not in values:
        raise ValueError(name)
    return values[name.lower()]


def _as_integer(name: str) -> int:
    number = float(name)
    if not number.is_integer():
        raise ValueError(name)
    return int(number)


def _match_ids(wanted: pd.Series, found: np.ndarray, column: str) -> np.ndarray:
    """Return the test row of each id of the sample; ids that differ in any way are a SubmissionError."""
    index = pd.Index(found)
    for label, ids in (("test rows", index), ("sample submission", pd.Index(wanted))):
        if not ids.is_unique:
            raise SubmissionError(f"'{column}' is not unique in the {label}: {ids[ids.duplicated()][0]!r} occurs twice")
    rows = index.get_indexer(pd.Index(wanted))
    missing = wanted[rows < 0].tolist()
    if missing or len(wanted) != len(found):
        raise SubmissionError(
            f"the sample submission asks for {len(wanted)} ids, the test rows have {len(found)}; "
            f"{len(missing)} ids of the sample have no prediction{f', the first is {missing[0]!r}' if missing else ''}",
            hint="do test.csv and sample_submission.csv belong together?",
        )
    return rows


def _check_finite(prediction: np.ndarray) -> None:
    bad = ~np.isfinite(prediction).all(axis=1)
    if bad.any():
        n_missing = int(np.isnan(prediction).any(axis=1).sum())
        raise SubmissionError(
            f"{int(bad.sum())} of {len(prediction)} predictions are not numbers ({n_missing} missing, the rest "
            f"infinite), the first in test row {int(np.flatnonzero(bad)[0])}"
        )


def _provenance(job: Job, form: Form) -> dict[str, Any]:
    """Return where the submission comes from, without times, so that the same submission has the same provenance."""
    facts = job.config
    return {
        "competition": facts["slug"],
        "task": facts["task"],
        "metric": facts["metric"],
        "cv": read_json(job.inputs["ensemble"] / "result.json"),
        "weights": read_json(job.inputs["ensemble"] / "weights.json"),
        "form": form.describe(),
    }


def _judged(job: Job, form: Form, submission: pd.DataFrame, metric: Metric) -> dict[str, Any]:
    """Return what the practice judge says of the ensemble and of every entry, references marked."""
    solution = job.sources["solution"]
    entries = read_library(job.inputs)
    return {
        "ours": judge(solution, submission, job.config, metric),
        "entries": {name: judge(solution, form.fill(e.test), job.config, metric) for name, e in entries.items()},
        "references": sorted(name for name, entry in entries.items() if entry.reference),
    }
