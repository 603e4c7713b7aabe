"""Stage submit: the ensemble's test predictions in exactly the form of the sample submission, refused if unfit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.stage import Job
from pipeline.entries import ENSEMBLE, read_as_submitted, read_library
from pipeline.errors import SubmissionError
from pipeline.files import read_entries, read_json, write_json
from pipeline.practice.judge import judge
from pipeline.raw.labels import spell_labels
from pipeline.raw.sample import find_class_columns
from pipeline.targets import names_of
from pipeline.types import Metric


def run(job: Job) -> dict[str, Any]:
    """Write submission.csv, provenance.json and, where the source `solution` is there, judged.json.

    Reads ingest (sample.parquet, schema.json), preprocess (test_ids.parquet, task.json), ensemble, and for judging the
    entries of every `train:<name>`. config: the competition's facts. Raises SubmissionError.
    """
    metric = Metric.from_module(job.plugins["metric"])
    sample = pd.read_parquet(job.inputs["ingest"] / "sample.parquet")
    test_ids = pd.read_parquet(job.inputs["preprocess"] / "test_ids.parquet")["id"].to_numpy()
    classes = tuple(read_json(job.inputs["preprocess"] / "task.json")["classes"])
    form = read_form(job.config, sample, test_ids, classes)
    prediction = read_entries(job.inputs["ensemble"])[ENSEMBLE].test
    submission = form.fill(prediction)
    write_submission(job.out / "submission.csv", form, submission, read_json(job.inputs["ingest"] / "schema.json"))
    write_json(job.out / "provenance.json", _provenance(job, form))
    if "solution" in job.sources:
        write_json(job.out / "judged.json", _judged(job, form, submission, metric))
    return {"n_rows": len(submission), "n_raised_to_zero": form.n_below_zero(prediction)}


@dataclass(frozen=True)
class Form:
    """The sample submission's columns, order and types, and how predictions fill them.

    sample: its ids are typed as those of test; its index has them as its file wrote them.
    rows (n_ids,): the test row of each id of the sample.
    """

    facts: Mapping[str, Any]
    id: str
    sample: pd.DataFrame
    rows: np.ndarray
    classes: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """The columns to fill."""
        return [str(column) for column in self.sample if column != self.id]

    def fill(self, prediction: np.ndarray) -> pd.DataFrame:
        """Return the submission for predictions (n_test, n_outputs) in the order of the test rows."""
        _check_finite(prediction)
        expected = len(self.classes) or len(self.targets)
        if prediction.shape[1] != expected:
            raise SubmissionError(f"the ensemble predicts {prediction.shape[1]} columns, expected {expected}")
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
            "kind": self.facts["submission"],
            "id": self.id,
            "columns": self.columns,
            "types": {column: str(self.sample[column].dtype) for column in self.columns},
            "n_rows": len(self.sample),
        }

    def _values(self, prediction: np.ndarray) -> dict[str, Any]:
        """Return each column's values; numbers are never rounded to the sample's type."""
        if self.facts["submission"] == "probabilities":
            column_of = find_class_columns(self.facts, list(self.sample.columns), list(self.classes))
            return {column_of[name]: prediction[:, code] for code, name in enumerate(self.classes)}
        if len(self.targets) > 1:
            return {name: self._value(prediction[:, place]) for place, name in enumerate(self.targets)}
        if len(self.columns) != 1:
            raise SubmissionError(
                f"the sample submission has {len(self.columns)} columns beside '{self.id}': {', '.join(self.columns)}; "
                f"expected one for submission = '{self.facts['submission']}'",
                hint="set submission = 'probabilities' in competition.toml if each column is a class",
            )
        column = self.columns[0]
        if self.facts["submission"] == "probability":
            return {column: prediction[:, -1]}
        if self.facts["submission"] == "label":
            labels = np.array(spell_labels(self.classes, self.sample[column]), dtype=object)
            return {column: labels[prediction.argmax(axis=1)]}
        return {column: self._value(prediction[:, 0])}

    def _value(self, prediction: np.ndarray) -> np.ndarray:
        return np.maximum(prediction, 0.0) if self.at_least_zero else prediction

    @property
    def targets(self) -> list[str]:
        """The columns of train that are predicted; several have the same names in the sample."""
        return names_of(self.facts["target"])

    @property
    def at_least_zero(self) -> bool:
        """Whether values below 0 are written as 0: for RMSLE, which is not defined below.

        Nothing is cut at the top, where test may exceed train.
        """
        return bool(self.facts["metric"] == "rmsle")


def read_form(facts: Mapping[str, Any], sample: pd.DataFrame, test_ids: np.ndarray, classes: tuple[str, ...]) -> Form:
    """Match the sample's ids with the test rows; ids that differ in any way are a SubmissionError."""
    column = facts["id"]
    rows = _match_ids(sample[column], test_ids, column)
    return Form(facts, column, sample, rows, classes)


def write_submission(path: Path, form: Form, submission: pd.DataFrame, schema: Mapping[str, Any]) -> None:
    """Write a filled form as CSV, ids and header spelled as the competition's files spell them."""
    as_written = submission.assign(**{form.id: form.sample.index})
    as_written.to_csv(path, index=False, header=schema["sample_header"], lineterminator="\n")


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

    def scores(filled: pd.DataFrame) -> dict[str, float | None]:
        judged = judge(job.sources["solution"], filled, job.config, metric, form.classes)
        return {part: score if np.isfinite(score) else None for part, score in judged.items()}

    entries = read_as_submitted(job.inputs["ensemble"], read_library(job.inputs))
    return {
        "ours": scores(submission),
        "entries": {name: scores(form.fill(entry.test)) for name, entry in entries.items()},
        "references": sorted(name for name, entry in entries.items() if entry.reference),
    }
