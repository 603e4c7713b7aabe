"""Typed raw columns and the competition's own features become one Table; only row-local work is done here.

What looks at several rows to change values (imputing, scaling, encoding) is fitted inside folds, by the models.
Here whole columns are taken out where they can teach nothing: constant in train, copies of another, text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.sealed import sealed
from pipeline.engine.stage import Job
from pipeline.errors import DataError, FeatureError, nearest
from pipeline.features import apply_feature
from pipeline.files import read_json, write_json, write_table
from pipeline.inference.prepared import LARGEST, Prepared, beyond, convert
from pipeline.raw.kinds import as_groups
from pipeline.raw.target import read_target
from pipeline.targets import names_of
from pipeline.transforms import _redundant as redundant
from pipeline.transforms import dates
from pipeline.types import Metric, Table
from pipeline.wording import first_few

MOST_FREE_LEVELS = 100  # a feature's strings are text above this, if a level has fewer than two rows on average


@dataclass
class Report:
    """What was done to which column; written as report.json."""

    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Note columns that are left out, each with its reason."""
        self.dropped |= reasons
        for name in reasons:
            self.columns.pop(name, None)


@dataclass(frozen=True)
class Sources:
    """All columns of train and test in one frame, train first, and where each comes from and of what kind it is."""

    rows: pd.DataFrame
    kinds: dict[str, str]
    origins: dict[str, str]
    n_train: int


def run_feature(job: Job) -> dict[str, Any]:
    """Write the new columns that one function of features.py makes of train and of test; it never sees the target.

    config: function, target, id. The two files go through the function separately, each checked to be row-local.
    """
    name = job.config["function"]
    feature = getattr(job.plugins["feature"], name)
    train, test = (pd.read_parquet(job.inputs["ingest"] / f"{part}.parquet") for part in ("train", "test"))
    shared = [column for column in train if column in test and column not in names_of(job.config["target"])]
    with sealed(f"features.py: {name}()"):
        made = {p: apply_feature(feature, name, rows[shared], p) for p, rows in (("train", train), ("test", test))}
    if list(made["train"]) != list(made["test"]):
        found = f"features.py: {name}() makes columns {list(made['train'])} of train, but {list(made['test'])} of test"
        raise FeatureError(found, hint="return the same columns whatever the rows hold")
    for part, columns in made.items():
        columns.to_parquet(job.out / f"{part}.parquet", index=False)
    return {"columns": list(made["train"])}


def run(job: Job) -> dict[str, Any]:
    """Write the Table (pipeline.files.write_table), columns.json and report.json.

    config: the competition's facts, and "preprocess" with drop_constant and drop_duplicate.
    """
    facts, options = job.config, job.config["preprocess"]
    schema = read_json(job.inputs["ingest"] / "schema.json")
    raw = {part: pd.read_parquet(job.inputs["ingest"] / f"{part}.parquet") for part in ("train", "test")}
    report = Report()
    sources = _with_features(_raw_columns(raw, schema, facts), job)
    groups, time, weight = (read(raw["train"], sources, facts) for read in (_groups, _time, _weight))
    chosen = _choose(sources, facts, report)
    rows = pd.DataFrame({name: column for one in chosen for name, column in _convert(sources, one, report).items()})
    train, test = _without_useless(_halves(rows, sources.n_train), options, report)
    if not train.shape[1]:
        raise DataError("no column is left to learn from", hint=f"dropped: {report.dropped}")
    _describe(train, test, report)
    task, target = read_target(raw["train"], schema, facts, Metric.from_module(job.plugins["metric"]))
    ids = {part: frame[facts["id"]].to_numpy() for part, frame in raw.items()}
    table = Table(task, train, test, target, ids["train"], ids["test"], groups, time, weight)
    write_table(job.out, table, _test_groups(raw["test"], sources, facts))
    _prepared(job, sources, chosen, train).write(job.out)
    write_json(job.out / "report.json", _as_json(table, report))
    for note in report.notes:
        job.log.info(note)
    return {"columns": train.shape[1], "dropped": len(report.dropped), "notes": report.notes}


def _raw_columns(raw: Mapping[str, pd.DataFrame], schema: dict[str, Any], facts: Mapping[str, Any]) -> Sources:
    kinds = {column["name"]: column["kind"] for column in schema["columns"]}
    kinds = {name: kind for name, kind in kinds.items() if name not in (facts["id"], *names_of(facts["target"]))}
    rows = pd.concat([raw["train"][list(kinds)], raw["test"][list(kinds)]], ignore_index=True)
    return Sources(rows, kinds, dict.fromkeys(kinds, "raw file"), len(raw["train"]))


def _with_features(sources: Sources, job: Job) -> Sources:
    """Add the columns of every feature node; a name that is already there is a FeatureError."""
    parts, kinds, origins = [sources.rows], dict(sources.kinds), dict(sources.origins)
    for name, folder in _feature_folders(job).items():
        made = _read_feature(folder)
        for column in made.columns:
            if column in (*kinds, job.config["id"], *names_of(job.config["target"])):
                found = (
                    f"features.py: {name}() makes a column '{column}', which {origins.get(column, 'ingest')} has too"
                )
                raise FeatureError(found, hint="give it another name")
            kinds[column], origins[column] = _kind_of(made[column]), f"{name}() in features.py"
        parts.append(made)
    return Sources(pd.concat(parts, axis=1), kinds, origins, sources.n_train)


def _feature_folders(job: Job) -> dict[str, Path]:
    """Return the results of the feature nodes by function, in their order."""
    labels = [label.partition(":") for label in job.inputs]
    return {name: job.inputs[f"feature:{name}"] for kind, _, name in labels if kind == "feature"}


def _read_feature(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test")], ignore_index=True)


def _kind_of(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "boolean"
    if pd.api.types.is_numeric_dtype(column):
        return "numeric"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "date"
    n_levels = column.nunique()
    return "text" if n_levels > MOST_FREE_LEVELS and 2 * n_levels > column.notna().sum() else "categorical"


def _choose(sources: Sources, facts: Mapping[str, Any], report: Report) -> list[str]:
    """Return the columns to use as features, and note why the others are not."""
    overrides = facts.get("columns") or {}
    listed = {name for key, names in overrides.items() if key != "drop" for name in names}
    reasons: dict[str, str] = {}
    for name, kind in sources.kinds.items():
        if name in overrides.get("drop", ()):
            reasons[name] = "listed in [columns] drop"
        elif name in (facts.get("groups"), facts.get("time"), facts.get("weight")) and name not in listed:
            use = "weigh rows" if name == facts.get("weight") else "split"
            reasons[name] = f"used to {use}; list it in [columns] to use it as a feature too"
        elif kind == "text":
            n_levels = sources.rows[name].nunique()
            reasons[name] = f"text, {n_levels} different values; [columns] categorical or features.py can use it"
    report.drop(reasons)
    text = [name for name in reasons if sources.kinds[name] == "text"]
    if text:
        report.notes.append(
            f"text is not read by itself: {first_few(text)} left out; features.py can make columns of it"
        )
    return [name for name in sources.kinds if name not in reasons]


def _convert(sources: Sources, name: str, report: Report) -> dict[str, pd.Series]:
    """Return the columns that one source column becomes, and note how."""
    column, kind = sources.rows[name], sources.kinds[name]
    entry = {"kind": kind, "from": sources.origins[name]}
    converted = convert(column, kind)
    if kind == "date":
        taken = [part for part in converted if part in sources.kinds]
        if taken:
            report.notes.append(f"{name}: no part of this date is called {first_few(taken)}, another column is")
        converted = {part: values for part, values in converted.items() if part not in taken}
        report.columns |= {part: entry | {"from": f"{name} ({entry['from']})"} for part in converted}
        return converted
    report.columns[name] = entry
    if kind in ("numeric", "boolean"):
        missing = int(beyond(column.to_numpy(dtype=np.float64, na_value=np.nan)).sum())
        if missing:
            report.notes.append(f"{name}: {missing} values are infinite, or beyond {LARGEST:.1e}, and count as missing")
    return converted


def _prepared(job: Job, sources: Sources, chosen: list[str], train: pd.DataFrame) -> Prepared:
    """Return how new rows become rows of this Table."""
    features = {n: list(_read_feature(folder).columns) for n, folder in _feature_folders(job).items()}
    levels = {
        name: list(train[name].cat.categories) if train[name].dtype == "category" else None for name in train.columns
    }
    return Prepared(features, {name: sources.kinds[name] for name in chosen}, levels)


def _halves(rows: pd.DataFrame, n_train: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return rows.iloc[:n_train].reset_index(drop=True), rows.iloc[n_train:].reset_index(drop=True)


def _without_useless(
    halves: tuple[pd.DataFrame, pd.DataFrame], options: Mapping[str, Any], report: Report
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take out columns with one value in all of train, and copies of an earlier column in train and test."""
    train, test = halves
    for wanted, find, label in (
        (options["drop_constant"], redundant.constant, "the same in every row of train"),
        (options["drop_duplicate"], redundant.copies, "copies of other columns"),
    ):
        reasons = find(train, test) if wanted else {}
        if reasons:
            report.drop(reasons)
            report.notes.append(f"{len(reasons)} columns are {label} and left out: {first_few(reasons)}")
            train, test = train.drop(columns=list(reasons)), test.drop(columns=list(reasons))
    return train, test


def _describe(train: pd.DataFrame, test: pd.DataFrame, report: Report) -> None:
    """Add counts to the report, and notes on what only test does: missing values, levels train never shows."""
    only_test, unseen_in = [], []
    for name in train.columns:
        missing = int(train[name].isna().sum()), int(test[name].isna().sum())
        report.columns[name] |= {"missing_train": missing[0], "missing_test": missing[1]}
        if missing[1] and not missing[0]:
            only_test.append(name)
        if isinstance(train[name].dtype, pd.CategoricalDtype):
            seen = train[name].dropna().unique()
            unseen = test[name].notna() & ~test[name].isin(seen)
            counts = {"levels": len(seen), "unseen_levels": int(test[name][unseen].nunique())}
            report.columns[name] |= counts | {"rows_with_unseen_level": int(unseen.sum())}
            if unseen.any():
                unseen_in.append(f"{name} ({unseen.sum()} rows)")
    if only_test:
        report.notes.append(f"{len(only_test)} columns miss values in test only: {first_few(only_test)}")
    if unseen_in:
        report.notes.append(
            f"{len(unseen_in)} columns have levels in test that train never shows: {first_few(unseen_in)}"
        )


def _groups(train: pd.DataFrame, sources: Sources, facts: Mapping[str, Any]) -> np.ndarray | None:
    column = _splitting_column("groups", train, sources, facts)
    return None if column is None else as_groups(column)


def _test_groups(test: pd.DataFrame, sources: Sources, facts: Mapping[str, Any]) -> np.ndarray | None:
    """Return the groups of test's rows, from the raw file or from a feature; None where not every row has one."""
    name = facts.get("groups")
    if not name or (name not in test and name not in sources.rows):
        return None
    column = test[name] if name in test else sources.rows[name].iloc[sources.n_train :]
    return None if column.isna().any() else as_groups(column)


def _time(train: pd.DataFrame, sources: Sources, facts: Mapping[str, Any]) -> np.ndarray | None:
    """Return the time of each training row as float64: days since 1970 for dates, else the column's own numbers."""
    column = _splitting_column("time", train, sources, facts)
    if column is None:
        return None
    if pd.api.types.is_datetime64_any_dtype(column):
        return dates.days(column).to_numpy(dtype=np.float64)
    if not pd.api.types.is_numeric_dtype(column):
        found = f"competition.toml: time names '{column.name}', which holds neither dates nor numbers"
        raise DataError(found, hint=f'list it under [columns] date: date = ["{column.name}"]')
    return column.to_numpy(dtype=np.float64)


def _weight(train: pd.DataFrame, sources: Sources, facts: Mapping[str, Any]) -> np.ndarray | None:
    """Return what each training row weighs, as float64; some must weigh something."""
    column = _splitting_column("weight", train, sources, facts)
    if column is None:
        return None
    where = f"competition.toml: weight names '{column.name}', "
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        raise DataError(f"{where}which holds no numbers", hint="make a column of numbers in features.py")
    weight = column.to_numpy(dtype=np.float64)
    if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
        found = f"{where}which is from {weight.min():g} to {weight.max():g}"
        raise DataError(found, hint="weights must be finite, not negative and not all 0")
    return weight


def _splitting_column(role: str, train: pd.DataFrame, sources: Sources, facts: Mapping[str, Any]) -> pd.Series | None:
    """Return the training rows of the column that the facts name for `role`, from the raw files or from a feature."""
    name = facts.get(role)
    if not name:
        return None
    if name not in train and name not in sources.rows:
        found = f"competition.toml: {role} names '{name}', which is not a column of train, nor made by features.py"
        raise DataError(found, hint=nearest(name, {*train, *sources.rows}))
    column = train[name] if name in train else sources.rows[name].iloc[: sources.n_train]
    if column.isna().any():
        found = f"competition.toml: {role} names '{name}', which is missing in {int(column.isna().sum())} rows of train"
        raise DataError(found, hint="every row needs one: fill it in features.py")
    return column


def _as_json(table: Table, report: Report) -> dict[str, Any]:
    task, target = table.task, table.target
    about: dict[str, Any] = _spread(target)
    if task.targets:
        about = {name: _spread(own) for name, own in zip(task.targets, target.T, strict=True)}
    if task.classes:
        about = dict(zip(task.classes, np.bincount(target, minlength=len(task.classes)).tolist(), strict=True))
    return {
        "rows": {"train": len(table.train), "test": len(table.test)},
        "target": {"task": task.kind, "rows" if task.classes else "values": about},
        "numeric": len(table.numeric),
        "categorical": len(table.categorical),
        "columns": report.columns,
        "dropped": report.dropped,
        "notes": report.notes,
    }


def _spread(target: np.ndarray) -> dict[str, Any]:
    return {"min": target.min(), "mean": target.mean(), "max": target.max(), "distinct": len(np.unique(target))}
