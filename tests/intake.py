"""Hands small files to the stage ingest and reads back what it made of them, or why it refused them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from heard import Heard

from pipeline.engine.stage import Job
from pipeline.errors import DataError, PipelineError
from pipeline.stages import ingest

FACTS = {"slug": "x", "task": "regression", "id": "id", "target": "y", "metric": "rmse", "submission": "value"}
TRAIN = "id,a,b,y\n1,3,red,1.5\n2,4,blue,2.5\n3,,red,3.5\n"
TEST = "id,a,b\n4,5,red\n5,6,\n"
SAMPLE = "id,y\n4,0\n5,0\n"


@dataclass
class Result:
    train: pd.DataFrame
    test: pd.DataFrame
    sample: pd.DataFrame
    schema: dict[str, Any]
    facts: dict[str, Any]

    @property
    def kinds(self) -> dict[str, str]:
        return {column["name"]: column["kind"] for column in self.schema["columns"]}


def run(folder: Path, sources: dict[str, Path], facts: dict[str, Any]) -> Result:
    out = folder / "out"
    out.mkdir()
    told = ingest.run(Job(facts, {}, sources, {}, out, folder, 0, Heard()))
    frames = [pd.read_parquet(out / f"{name}.parquet") for name in ("train", "test", "sample")]
    return Result(*frames, json.loads((out / "schema.json").read_text()), told)


def take_in(folder: Path, train: str | bytes = TRAIN, test: str | bytes = TEST, sample: str | None = SAMPLE, **facts):
    sources = {}
    for role, text in (("train", train), ("test", test), ("sample", sample)):
        if text is not None:
            sources[role] = folder / f"{role}.csv"
            sources[role].write_bytes(text if isinstance(text, bytes) else text.encode())
    return run(folder, sources, FACTS | facts)


def refusal(folder: Path, *args, kind: type[PipelineError] = DataError, **kwargs) -> str:
    with pytest.raises(kind) as caught:
        take_in(folder, *args, **kwargs)
    return f"{caught.value} | {caught.value.hint}"
