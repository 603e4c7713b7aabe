"""preprocess of extra rows: they become rows of the Table as new rows do, and copies of train's are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.sealed import sealed
from pipeline.engine.stage import Job
from pipeline.errors import DataError
from pipeline.extra.rows import Extra
from pipeline.features import apply_feature
from pipeline.files import read_json, table_of
from pipeline.inference.prepared import Prepared, read_prepared
from pipeline.raw.kinds import as_groups
from pipeline.row_hashes import row_hashes
from pipeline.transforms import dates
from pipeline.types import Table

WHERE = "the extra rows"


def run(job: Job) -> dict[str, Any]:
    """Write extra.parquet and extra_rows.parquet (see pipeline/extra/rows.py).

    config: id, target; groups, time and weight, names of columns or None; factor, what an extra row weighs beside one
    of train; copies, "drop" or "keep". plugins: metric, and `feature:<name>`, features.py by function.
    """
    table = table_of(job)
    prepared = read_prepared(job.inputs["preprocess"])
    raw = pd.read_parquet(job.inputs["extra"] / "extra.parquet")
    made = _made(job, prepared, raw)
    columns = pd.concat([raw, *made.values()], axis=1)
    extra = Extra(
        prepared.apply(raw, made),
        _target(raw[job.config["target"]], table),
        groups=_groups(columns, job.config["groups"], table),
        time=_time(columns, job.config["time"], table),
        weight=_weight(columns, job.config, table),
    )
    alike = find_equal(extra, table)
    kept = extra.take(np.flatnonzero(~alike.copies)) if job.config["copies"] == "drop" else extra
    if not len(kept):
        raise DataError(f"[extra]: all {len(extra)} rows are copies of train's", hint="leave [extra] out")
    kept.write(job.out)
    notes = alike.told(len(kept))
    for note in notes:
        job.log.info(note)
    return {"rows": len(kept), "copies": int(alike.copies.sum()), "notes": notes}


def _made(job: Job, prepared: Prepared, raw: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return what each function of features.py makes of the rows; as in the run, it sees what train and test share."""
    schema = read_json(job.inputs["ingest"] / "schema.json")
    known = raw[[schema["id"], *(column["name"] for column in schema["columns"])]]
    made = {}
    for name in prepared.features:
        with sealed(f"features.py: {name}()"):
            made[name] = apply_feature(getattr(job.plugins[f"feature:{name}"], name), name, known, WHERE)
    return made


def _target(column: pd.Series, table: Table) -> np.ndarray:
    if table.task.classes:
        return pd.Index(table.task.classes, dtype=object).get_indexer(pd.Index(column)).astype(np.int64)
    target = column.to_numpy(dtype=np.float64)
    try:
        table.task.metric.score(target, target[:, None])
    except ValueError as error:
        raise DataError(f"the target of {WHERE}: {error}", hint="leave such rows out of the file") from error
    return target


def _groups(columns: pd.DataFrame, name: str | None, table: Table) -> np.ndarray | None:
    if name not in columns or table.groups is None:
        return None
    return as_groups(columns[name] if table.groups.dtype != object else columns[name].astype(str))


def _time(columns: pd.DataFrame, name: str | None, table: Table) -> np.ndarray | None:
    if name not in columns or table.time is None:
        return None
    column = columns[name]
    numbers = dates.days(column) if pd.api.types.is_datetime64_any_dtype(column) else pd.to_numeric(column, "coerce")
    return numbers.to_numpy(dtype=np.float64)


def _weight(columns: pd.DataFrame, config: Mapping[str, Any], table: Table) -> np.ndarray | None:
    """Return what each row weighs: its own weight, or train's mean where the file has none, times the factor."""
    if table.weight is None and config["factor"] == 1.0:
        return None
    if config["weight"] not in columns:
        mean = 1.0 if table.weight is None else float(table.weight.mean())
        return np.full(len(columns), mean * config["factor"])
    own = columns[config["weight"]].to_numpy(dtype=np.float64, na_value=np.nan)
    if not (np.isfinite(own) & (own >= 0)).all():
        raise DataError(f"{WHERE}: {config['weight']} is missing or negative in some", hint="every row needs a weight")
    return own * config["factor"]


@dataclass(frozen=True)
class Alike:
    """Which extra rows (n,) equal a row of train, and which in the target too; in_test: rows of test that equal one."""

    equal: np.ndarray
    copies: np.ndarray
    in_test: int
    n_test: int

    def told(self, n_kept: int) -> list[str]:
        """Return notes: how many rows are trained on, and what they have in common with train and test."""
        said = [f"{n_kept} extra rows are trained on in every fold and validated in none"]
        if n_copies := int(self.copies.sum()):
            done = "left out" if n_kept + n_copies == len(self.copies) else 'kept, as copies = "keep" says'
            said.append(f"{n_copies} extra rows are copies of train's, the target included: {done}")
        if n_other := int((self.equal & ~self.copies).sum()):
            said.append(f"{n_other} extra rows equal one of train but for the target")
        if self.in_test:
            share = f"{self.in_test} of {self.n_test} test rows ({100 * self.in_test / self.n_test:.2f} %)"
            said.append(f"{share} equal an extra row, whose target a model can look up: no fold shows what that gives")
        return said


def find_equal(extra: Extra, table: Table) -> Alike:
    """Compare extra rows with train's and test's in the columns that any extra row knows."""
    known = [name for name in table.train if extra.rows[name].notna().any()]
    train, test, ours = (
        hashes.sum(axis=1) for hashes in row_hashes([f[known] for f in (table.train, table.test, extra.rows)])
    )
    whole, labelled = (
        np.stack([hashes, np.asarray(target, dtype=np.float64).view(np.uint64)], axis=1)
        for hashes, target in ((train, table.target), (ours, extra.target))
    )
    copies = pd.MultiIndex.from_arrays(list(labelled.T)).isin(pd.MultiIndex.from_arrays(list(whole.T)))
    return Alike(np.isin(ours, train), np.asarray(copies), int(np.isin(test, ours).sum()), len(test))
