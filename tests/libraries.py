"""Small libraries of entries, made up, and the ensemble stage's job on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from heard import Heard

from pipeline.blenders import greedy
from pipeline.engine.stage import Job
from pipeline.files import write_entry, write_folds
from pipeline.metrics import rmse
from pipeline.types import VALID, CrossFit, Folds


def make_entry(folds: Folds, oof: np.ndarray, test: np.ndarray, **facts: Any) -> CrossFit:
    covered = (folds.role == VALID).any(axis=1)
    spread = np.where(covered[:, :, None], np.broadcast_to(oof, (folds.n_repeats, *oof.shape)), np.nan)
    unknown = np.full((folds.n_repeats, folds.n_folds), np.nan)
    return CrossFit(spread, test, unknown, unknown, unknown, facts.pop("stop_on", "inner"), **facts)


def job_of(
    folder: Path,
    target: np.ndarray,
    folds: Folds,
    entries: Mapping[str, CrossFit],
    metric: ModuleType = rmse,
    blender: ModuleType = greedy,
    **options: Any,
) -> Job:
    for name in ("preprocess", "split", "train", "out", "progress"):
        (folder / name).mkdir(parents=True)
    (folder / "train" / "entries").mkdir()
    pd.DataFrame({"id": np.arange(len(target)), "target": target}).to_parquet(folder / "preprocess" / "rows.parquet")
    write_folds(folder / "split", folds)
    for name, entry in entries.items():
        write_entry(folder / "train" / "entries", name, entry)
    return Job(
        config={"kind": "any", "options": options},
        inputs={"preprocess": folder / "preprocess", "split": folder / "split", "train:all": folder / "train"},
        sources={},
        plugins={"metric": metric, "blender": blender},
        out=folder / "out",
        progress=folder / "progress",
        seed=1,
        log=Heard(),
    )


def noisy(n_rows: int, scales: list[float], folds: Folds, seed: int = 0, **facts: Any) -> tuple[np.ndarray, dict]:
    rng = np.random.default_rng(seed)
    target = rng.normal(loc=10, size=n_rows)
    entries = {
        f"m{i}": make_entry(
            folds, (target + rng.normal(scale=scale, size=n_rows))[:, None], rng.normal(10, 0.5, size=(30, 1)), **facts
        )
        for i, scale in enumerate(scales)
    }
    return target, entries
