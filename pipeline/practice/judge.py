"""The local judge of practice competitions; the only code that reads a solution."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import DataError, SubmissionError
from pipeline.raw.kinds import identifiers
from pipeline.targets import names_of
from pipeline.types import Metric


def judge(
    solution_csv: Path,
    submission: pd.DataFrame,
    competition: Mapping[str, Any],
    metric: Metric,
    classes: Sequence[str] = (),
) -> dict[str, float]:
    """Return the scores "public" and "private" of a submission, as Kaggle would show them.

    With a column `best` in the solution also "best_public" and "best_private": what nobody can be expected to beat.
    classes: the labels in the order of their codes; without them, those of solution and submission in order.
    """
    id_column, target = competition["id"], competition["target"]
    solution = _read(solution_csv, id_column, names_of(target))
    rows = _align(submission, solution.index, id_column)
    if competition["task"] == "regression":
        several = not isinstance(target, str)
        truth, prediction = solution[target].to_numpy(np.float64), _values(rows[target] if several else rows)
    else:
        classes = tuple(classes) or _classes(solution[target], rows, competition["submission"])
        truth = _codes(solution[target], classes)
        prediction = _probabilities(rows, competition["submission"], classes)
    scores = {}
    for usage in ("Public", "Private"):
        part = (solution["usage"] == usage).to_numpy()
        scores[usage.lower()] = metric.score(truth[part], prediction[part])
        if "best" in solution:
            best = solution["best"].to_numpy(np.float64)[:, None]
            scores[f"best_{usage.lower()}"] = metric.score(truth[part], best[part])
    return scores


def truths(solution_csv: Path, competition: Mapping[str, Any], classes: Sequence[str] = ()) -> pd.Series:
    """Return the held-out values, or codes into `classes`, by id as text: for whoever compares entries row by row."""
    solution = _read(solution_csv, competition["id"], [competition["target"]])
    target = solution[competition["target"]]
    values = target.astype(np.float64) if competition["task"] == "regression" else _codes(target, classes)
    return pd.Series(np.asarray(values), index=_typed(solution.index).astype(str))


def _read(path: Path, id_column: str, targets: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist: only practice competitions are judged here", hint="submit to Kaggle")
    texts: dict[Hashable, type[str]] = dict.fromkeys((id_column, *targets), str)
    solution = pd.read_csv(path, dtype=texts, keep_default_na=False)
    for name in (id_column, *targets, "usage"):
        if name not in solution:
            raise DataError(
                f"{path} has no column {name!r}, only {', '.join(map(str, solution))}", hint="write it again"
            )
    return solution.set_index(id_column)


def _align(submission: pd.DataFrame, ids: pd.Index, id_column: str) -> pd.DataFrame:
    ids, asked = _typed(ids), _typed(submission[id_column].astype(str))
    rows = submission.set_index(asked).drop(columns=id_column)
    if not rows.index.is_unique or set(rows.index) != set(ids):
        odd = [*rows.index[rows.index.duplicated()], *set(rows.index) ^ set(ids)]
        found = f"the submission has {len(rows)} rows for {len(ids)} ids, which differ at {odd[0]}"
        raise SubmissionError(found, hint="every id of the test file must stand there once")
    return rows.loc[ids]


def _typed(ids: pd.Index | pd.Series) -> pd.Index:
    """Ids as ingest types them, so that 26 and 26.0 are the same."""
    return pd.Index(identifiers(pa.chunked_array([ids.tolist()], pa.string())))


def _values(rows: pd.DataFrame) -> np.ndarray:
    values = rows.to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise SubmissionError("the submission holds missing or infinite values", hint="predict every row")
    return values


def _probabilities(rows: pd.DataFrame, form: str, classes: Sequence[str]) -> np.ndarray:
    """Return (n, n_classes) from any form; a label is a probability of one."""
    if form == "label":
        return np.eye(len(classes))[_codes(rows.iloc[:, 0], classes)]
    values = _values(rows)
    if form == "probability":
        return np.hstack([1 - values, values])
    order = [_ending(rows.columns, label) for label in classes]
    return values[:, order]


def _ending(columns: pd.Index, label: str) -> int:
    """The position of the column that is called like the class, or ends like it (Status_L for L).

    The shortest such name, because Status_CL ends like L too and belongs to another class.
    """
    ending = [position for position, name in enumerate(columns) if str(name).endswith(label)]
    return min(ending, key=lambda position: len(str(columns[position])))


def _classes(target: pd.Series, rows: pd.DataFrame, form: str) -> tuple[str, ...]:
    labels = {_label(value) for value in target}
    if form == "label":
        labels |= {_label(value) for value in rows.iloc[:, 0]}
    if form == "probabilities" and labels <= set(rows.columns):
        labels |= set(rows.columns)  # a rare class may have no row among those held out
    try:
        return tuple(sorted(labels, key=float))
    except ValueError:
        return tuple(sorted(labels))


def _codes(labels: pd.Series, classes: Sequence[str]) -> np.ndarray:
    codes = labels.astype(str).map({label: code for code, label in enumerate(classes)})
    if codes.isna().any():  # another spelling
        codes = labels.map(_label).map({_label(label): code for code, label in enumerate(classes)})
    if codes.isna().any():
        found = f"the label {labels[codes.isna()].iloc[0]!r} is none of the classes {', '.join(classes)}"
        raise SubmissionError(found, hint="predict the labels of the train file")
    return codes.to_numpy(np.int64)


def _label(value: object) -> str:
    """One spelling for a label, however the file or pandas wrote it: 1, 1.0 and "1" are the same."""
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return text.capitalize()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text
