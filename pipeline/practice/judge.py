"""The local judge of practice competitions; the only code that reads a solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, SubmissionError
from pipeline.raw.kinds import identifiers
from pipeline.raw.labelled import labels_of, target_values
from pipeline.raw.labels import as_classes
from pipeline.raw.sample import find_class_columns
from pipeline.raw.sheet import read_sheet
from pipeline.targets import names_of
from pipeline.types import Metric
from pipeline.wording import first_few


def judge(
    solution_csv: Path,
    submission: pd.DataFrame,
    competition: Mapping[str, Any],
    metric: Metric,
    classes: Sequence[str] = (),
) -> dict[str, float]:
    """Return the scores "public" and "private" of a submission, as Kaggle would show them.

    With a column `best` in the solution also "best_public" and "best_private": what nobody can be expected to beat.
    classes: the labels in the order of their codes.
    """
    solution = _read(solution_csv, competition, classes)
    rows = _align(submission, solution.index, competition["id"])
    truth, prediction = solution[competition["target"]].to_numpy(), _prediction(rows, competition, classes)
    scores = {}
    for usage in ("Public", "Private"):
        part = (solution["usage"] == usage).to_numpy()
        scores[usage.lower()] = metric.score(truth[part], prediction[part])
        if "best" in solution:
            best = solution["best"].to_numpy()[:, None]
            scores[f"best_{usage.lower()}"] = metric.score(truth[part], best[part])
    return scores


def truths(solution_csv: Path, competition: Mapping[str, Any], classes: Sequence[str] = ()) -> pd.Series:
    """Return the held-out values, or codes into `classes`, by id as text: for whoever compares entries row by row."""
    target = _read(solution_csv, competition, classes)[competition["target"]]
    return target.set_axis(target.index.astype(str))


def _read(path: Path, competition: Mapping[str, Any], classes: Sequence[str]) -> pd.DataFrame:
    """Return by id the true values, or codes into `classes`, and the columns usage and, where it is there, best."""
    if not path.is_file():
        raise DataError(f"{path} does not exist: only practice competitions are judged here", hint="submit to Kaggle")
    sheet, id_column, targets = read_sheet(path), competition["id"], names_of(competition["target"])
    for name in (id_column, *targets, "usage"):
        if name not in sheet.columns:
            raise DataError(f"{path} has no column {name!r}, only {', '.join(sheet.columns)}", hint="write it again")
    of_values = competition["task"] == "regression"
    columns = {
        name: target_values(sheet, name) if of_values else _codes(labels_of(sheet, name), classes) for name in targets
    }
    columns |= {"best": target_values(sheet, "best")} if "best" in sheet.columns else {}
    solution = pd.DataFrame(columns).assign(usage=sheet.cells["usage"].to_pandas())
    return solution.set_axis(pd.Index(identifiers(sheet.cells[id_column])))


def _align(submission: pd.DataFrame, ids: pd.Index, id_column: str) -> pd.DataFrame:
    written = submission[id_column].astype(str).tolist()
    # typed as ingest types them, so that 26 and 26.0 are the same
    asked = pd.Index(identifiers(pa.chunked_array([written], pa.string())))
    rows = submission.set_index(asked).drop(columns=id_column)
    if not rows.index.is_unique or set(rows.index) != set(ids):
        odd = [*rows.index[rows.index.duplicated()], *set(rows.index) ^ set(ids)]
        found = f"the submission has {len(rows)} rows for {len(ids)} ids, which differ at {odd[0]}"
        raise SubmissionError(found, hint="every id of the test file must stand there once")
    return rows.loc[ids]


def _prediction(rows: pd.DataFrame, competition: Mapping[str, Any], classes: Sequence[str]) -> np.ndarray:
    """Return (n, n_outputs) from any form; a label is a probability of one."""
    form, target = competition["submission"], competition["target"]
    if form == "label":
        return np.eye(len(classes))[_codes(rows.iloc[:, 0], classes)]
    if form == "probabilities":
        column_of = find_class_columns(competition, list(rows.columns), list(classes))
        return _finite(rows[[column_of[label] for label in classes]])
    values = _finite(rows if isinstance(target, str) else rows[target])
    return np.hstack([1 - values, values]) if form == "probability" else values


def _finite(rows: pd.DataFrame) -> np.ndarray:
    values = rows.to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise SubmissionError("the submission holds missing or infinite values", hint="predict every row")
    return values


def _codes(labels: pd.Series, classes: Sequence[str]) -> pd.Series:
    codes = as_classes(labels.astype(str), classes).map({label: code for code, label in enumerate(classes)})
    if codes.isna().any():
        found = f"the label {labels[codes.isna()].iloc[0]!r} is none of the classes {first_few(classes)}"
        raise SubmissionError(found, hint="predict the labels of the train file")
    return codes.astype(np.int64)
