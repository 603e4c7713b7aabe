"""How tables, folds and predictions lie on disk: parquet, safetensors and JSON, the same bytes for the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save

from pipeline.types import CrossFit, Folds, Metric, Table, Task

if TYPE_CHECKING:
    from pipeline.engine.stage import Job

ARRAYS = ("oof", "test", "fold_errors", "train_errors", "epochs")
TARGET = "target"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value, keys sorted, so that equal values give equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_tensors(path: Path, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Write named arrays with a JSON header into one safetensors file.

    The header is one metadata entry, because safetensors writes several in an order that changes from run to run.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    path.write_bytes(save(arrays, metadata={"header": json.dumps(header, sort_keys=True)}))  # a full disk is an OSError


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the header that `write_tensors` wrote."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, json.loads(file.metadata()["header"])


def write_table(folder: Path, table: Table, test_groups: np.ndarray | None = None) -> None:
    """Write train.parquet, test.parquet, rows.parquet (ids, target, groups, time, weight of train) and task.json.

    test_groups: which of test's rows hang together, where that is known; it goes beside the ids (test_ids.parquet).
    """
    table.train.to_parquet(folder / "train.parquet", index=False)
    table.test.to_parquet(folder / "test.parquet", index=False)
    rows = {"id": table.train_ids} | target_columns(table.target)
    rows |= {name: part for name in ("groups", "time", "weight") if (part := getattr(table, name)) is not None}
    pd.DataFrame(rows).to_parquet(folder / "rows.parquet", index=False)
    known = {} if test_groups is None else {"groups": test_groups}
    pd.DataFrame({"id": table.test_ids} | known).to_parquet(folder / "test_ids.parquet", index=False)
    several = {"targets": list(table.task.targets)} if table.task.targets else {}
    write_json(folder / "task.json", {"kind": table.task.kind, "classes": list(table.task.classes)} | several)


def table_of(job: Job) -> Table:
    """Read the table that a job is about, with the metric that judges it."""
    return read_table(job.inputs["preprocess"], Metric.from_module(job.plugins["metric"]))


def read_table(folder: Path, metric: Metric) -> Table:
    """Read what `write_table` wrote; the metric is code and comes from its plug-in."""
    task = read_json(folder / "task.json")
    rows = pd.read_parquet(folder / "rows.parquet")
    return Table(
        task=Task(task["kind"], metric, tuple(task["classes"]), tuple(task.get("targets", ()))),
        train=pd.read_parquet(folder / "train.parquet"),
        test=pd.read_parquet(folder / "test.parquet"),
        target=target_of(rows),
        train_ids=rows["id"].to_numpy(),
        test_ids=pd.read_parquet(folder / "test_ids.parquet")["id"].to_numpy(),
        groups=rows["groups"].to_numpy() if "groups" in rows else None,
        time=rows["time"].to_numpy() if "time" in rows else None,
        weight=rows["weight"].to_numpy() if "weight" in rows else None,
    )


def read_test_groups(folder: Path) -> np.ndarray | None:
    """Read which of test's rows hang together, where `write_table` was told."""
    rows = pd.read_parquet(folder / "test_ids.parquet")
    return rows["groups"].to_numpy() if "groups" in rows else None


def target_columns(target: np.ndarray) -> dict[str, np.ndarray]:
    """Return a target (n,) as a column of a file, or one of several, (n, n_targets), as a numbered column each."""
    return {TARGET: target} if target.ndim == 1 else {f"{TARGET} {k}": own for k, own in enumerate(target.T)}


def target_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the target of a file that has `target_columns` among its columns, in their order."""
    if TARGET in rows:
        return rows[TARGET].to_numpy()
    return rows[[name for name in rows if str(name).startswith(f"{TARGET} ")]].to_numpy()


def read_target(folder: Path) -> np.ndarray:
    """Read the target alone of what `write_table` wrote."""
    return target_of(pd.read_parquet(folder / "rows.parquet"))


def write_folds(folder: Path, folds: Folds) -> None:
    """Write folds.safetensors."""
    part = {} if folds.part is None else {"part": folds.part}
    write_tensors(folder / "folds.safetensors", {"role": folds.role} | part, {"kind": folds.kind})


def read_folds(folder: Path) -> Folds:
    """Read what `write_folds` wrote."""
    arrays, header = read_tensors(folder / "folds.safetensors")
    return Folds(arrays["role"], header["kind"], arrays.get("part"))


def write_entry(folder: Path, name: str, entry: CrossFit) -> None:
    """Write one entry's predictions (and its loss curves) under its quoted name; seconds are not written."""
    arrays = {label: np.asarray(getattr(entry, label), dtype=np.float64) for label in ARRAYS}
    if entry.apart is not None:
        arrays["apart"] = np.asarray(entry.apart, dtype=np.float32)
    stem = quote(name, safe="")
    write_tensors(folder / f"{stem}.safetensors", arrays, {"stop_on": entry.stop_on, "reference": entry.reference})
    if entry.curves is not None:
        entry.curves.to_parquet(folder / f"{stem}.curves.parquet", index=False)


def read_entries(folder: Path) -> dict[str, CrossFit]:
    """Read every entry of a folder, by name, in the order of their names."""
    entries = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays, header = read_tensors(path)
        curves = path.with_name(f"{path.stem}.curves.parquet")
        entries[unquote(path.stem)] = CrossFit(
            oof=arrays["oof"],
            test=arrays["test"],
            fold_errors=arrays["fold_errors"],
            train_errors=arrays["train_errors"],
            epochs=arrays["epochs"],
            stop_on=header["stop_on"],
            reference=header["reference"],
            curves=pd.read_parquet(curves) if curves.exists() else None,
            apart=arrays.get("apart"),
        )
    return entries
