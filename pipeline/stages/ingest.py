"""Raw files to typed parquet: train, test and sample with a schema, or one clear message about what is wrong.

Reads the sources train, test, (optional) sample and the tables that are joined to train and test. Writes train.parquet
(id, features, target), test.parquet (id, features), sample.parquet, schema.json and, where there are any, tables/. A
class label stays the string of the raw file; the target of a regression is a number. Kinds of columns and what counts
as missing: pipeline/raw/kinds.py, pipeline/raw/sheet.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.engine.stage import Job
from pipeline.errors import ConfigError, DataError, nearest
from pipeline.files import write_json
from pipeline.raw.beside import beside, widened, write_tables
from pipeline.raw.kinds import Column, are_whole, identifiers, settle, stated_kinds, stated_missing
from pipeline.raw.labelled import labels_of, target_values
from pipeline.raw.labels import in_order
from pipeline.raw.rows import check_ids
from pipeline.raw.sample import check_sample, default_sample, find_class_columns
from pipeline.raw.sheet import Sheet, blank_missing, read_sheet
from pipeline.raw.source import fingerprint, role_of
from pipeline.targets import in_words, names_of
from pipeline.wording import first_few

if TYPE_CHECKING:
    from pipeline.log import Log


def run(job: Job) -> dict[str, Any]:
    """Type and check the raw files; returns their fingerprints, row counts, notes and warnings."""
    facts = job.config
    sheets = _read(job)
    files = {role: fingerprint(path) | {"rows": sheets[role].cells.num_rows} for role, path in job.sources.items()}
    said = Said([note for sheet in sheets.values() for note in sheet.notes])
    _join(job, sheets, said)
    names = _features(facts, sheets["train"], sheets["test"], said)
    ids = _ids(facts, sheets, said)
    target, classes = _target(facts, sheets["train"])
    labelled = target.notna().all(axis=1).to_numpy()
    if not labelled.all():
        found = f"{(~labelled).sum()} rows have no {in_words(facts['target'])} and are left out"
        said.warnings.append(f"{sheets['train'].name}: {found}")
    asked = sheets.get("sample", sheets["test"]).cells[facts["id"]].to_pandas()
    extra = _train_only(facts, names, sheets["train"])
    columns = _columns(facts, names, sheets, job.log)
    said.notes += [note for column in (*columns.values(), *extra.values()) for note in column.notes]
    _tell_missing(facts.get("missing", ()), columns | extra, said)
    train, test = _frames(facts, columns, extra, ids, target)
    if not labelled.all():
        train = train[labelled].reset_index(drop=True)
    if "sample" in sheets:
        sample, notes = check_sample(facts, sheets["sample"], ids["sample"], ids["test"], classes)
        said.notes += notes
    else:
        sample = default_sample(facts, ids["test"], classes)
        said.notes.append("no sample submission: its form is taken from competition.toml")

    sample.index = pd.Index(asked, name="id as written")
    header = list(sheets["sample"].header if "sample" in sheets else sample.columns)

    train.to_parquet(job.out / "train.parquet", index=False)
    test.to_parquet(job.out / "test.parquet", index=False)
    sample.to_parquet(job.out / "sample.parquet")
    schema = _schema(facts, columns, extra, sample, classes, labelled)
    schema |= {"sample_header": header, "id_dtype": str(ids["test"].dtype)}
    write_json(job.out / "schema.json", schema)
    said.to(job.log)
    return {"files": files, "columns": len(columns), "notes": said.notes, "warnings": said.warnings}


@dataclass
class Said:
    """What the user should know: notes on how files were read, warnings about what is odd."""

    notes: list[str]
    warnings: list[str] = field(default_factory=list)

    def to(self, log: Log) -> None:
        for text in self.notes:
            log.info(text)
        for text in self.warnings:
            log.warn(text)


def _read(job: Job) -> dict[str, Sheet]:
    sheets = {}
    with job.log.progress("reading", total=len(job.sources)) as bar:
        for role, path in job.sources.items():
            sheets[role] = read_sheet(path)
            bar.advance(note=sheets[role].name)
    return sheets


def _join(job: Job, sheets: dict[str, Sheet], said: Said) -> None:
    """Take the tables beside train and test out of `sheets`, widen these two by them, and keep them for new rows."""
    tables = [beside(sheets.pop(role_of(name)), on) for name, on in job.config.get("tables", ())]
    for role in ("train", "test"):
        sheets[role] = widened(sheets[role], job.config, tables, said.warnings.append, check=True)
    if tables:
        write_tables(job.out, tables)


def _frames(
    facts: Mapping[str, Any],
    columns: Mapping[str, Column],
    extra: Mapping[str, Column],
    ids: Mapping[str, pd.Series],
    target: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rows of train (id, train-only columns, features, targets) and of test (id, features)."""
    n_train = len(target)
    every_row = pd.RangeIndex(n_train + len(ids["test"]))  # there may be no column but those of features.py
    leading = pd.DataFrame({facts["id"]: ids["train"]} | {name: column.values for name, column in extra.items()})

    def features(own: slice) -> pd.DataFrame:
        values = {name: column.values[own] for name, column in columns.items()}
        return pd.DataFrame(values, every_row[own], list(columns)).reset_index(drop=True)

    train = pd.concat([leading, features(slice(n_train)), target], axis=1)
    return train, pd.concat([ids["test"].rename(facts["id"]), features(slice(n_train, None))], axis=1)


def _schema(
    facts: Mapping[str, Any],
    columns: dict[str, Column],
    extra: dict[str, Column],
    sample: pd.DataFrame,
    classes: list[str],
    labelled: np.ndarray,
) -> dict[str, Any]:
    n_all = len(labelled)
    return {
        "id": facts["id"],
        **({"id_from": facts["id_from"]} if "id_from" in facts else {}),
        "target": facts["target"],
        "n_train": int(labelled.sum()),
        "n_test": len(next(iter(columns.values())).values) - n_all if columns else len(sample),
        "classes": classes,
        "class_columns": find_class_columns(facts, list(sample.columns), classes),
        "sample_columns": list(sample.columns),
        "only_in_train": [_describe(name, column, n_all) for name, column in extra.items()],
        "columns": [_describe(name, column, n_all) for name, column in columns.items()],
    }


def _describe(name: str, column: Column, n_train: int) -> dict[str, Any]:
    train, test = column.values[:n_train], column.values[n_train:]
    return {
        "name": name,
        "kind": column.kind,
        "dtype": str(column.values.dtype),
        "whole": column.kind == "categorical" and are_whole(column.values),
        "day_first": column.day_first,
        **({"missing": column.missing} if column.missing else {}),
        "levels": int(column.values.nunique()),
        "missing_train": int(train.isna().sum()),
        "missing_test": int(test.isna().sum()),
    }


def _features(facts: Mapping[str, Any], train: Sheet, test: Sheet, said: Said) -> list[str]:
    """Names of the columns that train and test share, in train's order; an unexplained difference is refused."""
    known = dict.fromkeys((*train.columns, *test.columns))
    overrides = facts.get("columns") or {}
    for key, listed in overrides.items():
        for name in listed:
            if name not in known:
                found = f"competition.toml, [columns] {key}: no column {name!r} in {train.name} or {test.name}"
                raise ConfigError(found, hint=nearest(name, known))
            if name == facts["id"] and key != "drop":
                found = f"competition.toml, [columns] {key} lists {name!r}, the id, which is no feature"
                raise ConfigError(found, hint="a function of features.py can return a column of it by another name")
    # a dropped column of both files stays: features.py may read it, and preprocess leaves it out
    dropped = {n for n in overrides.get("drop", ()) if n not in train.columns or n not in test.columns}
    targets = names_of(facts["target"])
    own = {facts["id"], *targets, *dropped}
    for target in targets:
        if target not in train.columns:
            raise DataError(f"{train.name} has no target column {target!r}", hint=nearest(target, train.columns))
        if target in test.columns:
            _target_in_test(target, test, said)
    for key, use in (("groups", "split"), ("time", "split"), ("weight", "weigh rows")):
        name = facts.get(key)  # a name that is in neither file may be one that features.py makes
        if name in train.columns and name not in test.columns:
            said.notes.append(f"{name} ({key}) is only in {train.name}: used to {use}, not as a feature")
            own.add(name)
    only_train = [name for name in train.columns if name not in own and name not in test.columns]
    only_test = [name for name in test.columns if name not in own and name not in train.columns]
    if only_train or only_test:
        raise _differing(targets, train, test, only_train, only_test)
    return [name for name in train.columns if name not in own]


def _target_in_test(target: str, test: Sheet, said: Said) -> None:
    filled = len(blank_missing(test.cells[target]).drop_null())
    if filled:
        said.warnings.append(f"{test.name} holds the target {target} ({filled} values): it is not read")


def _differing(targets: list[str], train: Sheet, test: Sheet, only_train: list[str], only_test: list[str]) -> DataError:
    sides = [
        f"only in {sheet.name}: {', '.join(names)}"
        for sheet, names in ((train, only_train), (test, only_test))
        if names
    ]
    hint = "if that is as it should be, list them under [columns] drop in competition.toml"
    if only_train and only_test:
        hint = f"{only_train[0]}: {nearest(only_train[0], only_test)}; {hint}"
    shared = [target for target in targets if target in test.columns]
    if shared and only_train:
        asked = f"is it {only_train[0]!r} that is to be predicted?"
        hint = f"the target {shared[0]!r} stands in {test.name} too: {asked} {hint}"
    return DataError("the columns of train and test differ; " + "; ".join(sides), hint=hint)


def _ids(facts: Mapping[str, Any], sheets: dict[str, Sheet], said: Said) -> dict[str, pd.Series]:
    """Ids of train, test and sample, typed together; missing or repeated ones are refused."""
    name = facts["id"]
    having = {role: sheet for role, sheet in sheets.items() if name in sheet.columns}
    for role, sheet in sheets.items():
        if role not in having and (role != "train" or "test" not in having):
            raise DataError(f"{sheet.name} has no id column {name!r}", hint=nearest(name, sheet.columns))
    everything = identifiers(
        pa.chunked_array([chunk for sheet in having.values() for chunk in sheet.cells[name].chunks])
    )
    parts, start = {}, 0
    for role, sheet in having.items():
        end = start + sheet.cells.num_rows
        parts[role] = everything[start:end].reset_index(drop=True)
        check_ids(sheet, name, parts[role])
        start = end
    if "train" not in parts:
        train = sheets["train"]
        said.notes.append(f"{train.name} has no id column {name!r}: its rows are numbered from 0")
        parts["train"] = pd.Series(range(train.cells.num_rows)).astype(everything.dtype)
    return parts


def _target(facts: Mapping[str, Any], train: Sheet) -> tuple[pd.DataFrame, list[str]]:
    """The target of every row of train, a column each, and the class labels in the order of their codes."""
    if facts["task"] != "regression":
        name = facts["target"]
        labels = labels_of(train, name)
        classes = in_order(labels.dropna().unique())
        expected = {"binary": "2"}.get(facts["task"], "2 or more")
        if len(classes) < 2 or (len(classes) > 2 and facts["task"] == "binary"):
            found = f"{train.name}: the target {name} has {len(classes)} classes ({first_few(classes)})"
            raise DataError(f"{found}, expected {expected}", hint="check task and target in competition.toml")
        return pd.DataFrame({name: labels}), _positive_last(classes, facts.get("positive"), train.name)
    values = pd.DataFrame({name: target_values(train, name) for name in names_of(facts["target"])})
    if not values.notna().all(axis=1).any():
        found = f"{train.name}: the target {in_words(facts['target'])} is missing in every row"
        raise DataError(found, hint="is this the train file?")
    return values, []


def _positive_last(classes: list[str], positive: str | None, where: str) -> list[str]:
    """Put the class whose probability is asked for last: what a metric or a submission of one probability means."""
    if positive is None:
        return classes
    if positive not in classes:
        found = f"competition.toml: positive = {positive!r} is not a class of the target in {where}"
        raise ConfigError(found, hint=nearest(positive, classes))
    return [*(label for label in classes if label != positive), positive]


def _columns(facts: Mapping[str, Any], names: list[str], sheets: dict[str, Sheet], log: Log) -> dict[str, Column]:
    """Type the columns that train and test share; takes these two out of `sheets`, to let go of what has been typed."""
    cells = _cells(names, sheets.pop("train"), sheets.pop("test"))
    stated = stated_kinds(facts.get("columns") or {})
    columns = {}
    with log.progress("typing columns", total=len(names)) as bar:
        for name in names:
            columns[name] = settle(
                name, cells.pop(name), stated.get(name), stated_missing(facts.get("missing", ()), name)
            )
            bar.advance()
    pa.default_memory_pool().release_unused()
    return columns


def _tell_missing(stated: Mapping[str, Any] | Sequence[Any], columns: Mapping[str, Column], said: Said) -> None:
    """Note how many cells stand for a missing value; refuse names of no feature, warn of those where none does."""
    if not stated:
        return
    marked = {name: column.marked for name, column in columns.items() if column.marked}
    found = f"{sum(marked.values())} cells in {len(marked)} columns stand for missing values"
    said.notes.append(f"{found}: {first_few(marked)}" if marked else found)
    for name, cells in stated.items() if isinstance(stated, Mapping) else ():
        if name not in columns:
            raise ConfigError(
                f"competition.toml, [missing]: no feature is called {name!r}", hint=nearest(name, columns)
            )
        if name not in marked:
            said.warnings.append(f"competition.toml, [missing] {name}: no cell is {first_few(cells)}")


def _cells(names: list[str], train: Sheet, test: Sheet) -> dict[str, pa.ChunkedArray]:
    """Return the cells of each column, those of train first."""
    return {name: pa.chunked_array([*train.cells[name].chunks, *test.cells[name].chunks]) for name in names}


def _train_only(facts: Mapping[str, Any], names: list[str], train: Sheet) -> dict[str, Column]:
    """Columns of groups, time and weights that test does not have."""
    wanted = [facts[key] for key in ("groups", "time", "weight") if facts.get(key)]
    own = {*names, facts["id"], *names_of(facts["target"])}
    wanted = [name for name in dict.fromkeys(wanted) if name in train.columns and name not in own]
    stated = stated_kinds(facts.get("columns") or {})
    return {
        name: settle(name, train.cells[name], stated.get(name), stated_missing(facts.get("missing", ()), name))
        for name in wanted
    }
