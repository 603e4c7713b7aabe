"""Labelled files beside train as they are read: joined with what train and test are joined with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from heard import Heard
from intake import FACTS, SAMPLE, TEST, TRAIN, run

from pipeline.engine.stage import Job
from pipeline.extra import read


def test_rows_are_joined_with_every_table_that_they_have_the_columns_for(tmp_path: Path) -> None:
    texts = {"train": TRAIN, "test": TEST, "sample": SAMPLE, "table words.csv": "b,word\nred,x\nblue,y\n"}
    sources = {role: tmp_path / f"{role.rpartition(' ')[2].removesuffix('.csv')}.csv" for role in texts}
    for role, text in texts.items():
        sources[role].write_text(text)
    run(tmp_path, sources, FACTS | {"tables": [("words.csv", ["b"])]})
    (tmp_path / "older.csv").write_text("a,b,y\n7,blue,9.5\n8,green,8.5\n")
    (tmp_path / "other.csv").write_text("a,y\n9,7.5\n")
    files, out = (
        {f"extra {n}": tmp_path / f"{name}.csv" for n, name in enumerate(("older", "other"))},
        tmp_path / "read",
    )
    out.mkdir()
    read.run(Job({"besides": []}, {"ingest": tmp_path / "out"}, files, {}, out, out, 0, Heard()))
    found = pd.read_parquet(out / "extra.parquet")
    assert found["word"].fillna("?").tolist() == ["y", "?", "?"]
    assert found["y"].tolist() == [9.5, 8.5, 7.5]
