"""Every feature function that the repository's competitions bring, held to its contract on rows like the raw ones.

The rows in tests/contracts/rows/<slug>.csv are made up; where data/<slug>/raw lies on this machine, the first of its
rows are tried as well. A features.py without any rows fails here, so that it cannot go untested.
"""

from __future__ import annotations

import tempfile
import tomllib
from functools import cache
from pathlib import Path

import intake
import numpy as np
import pandas as pd
import pytest
from committed import ROOT, committed

from pipeline.config import load_competition
from pipeline.engine import plugins
from pipeline.engine.code import functions
from pipeline.features import apply_feature
from pipeline.raw.sheet import read_sheet
from pipeline.targets import names_of
from pipeline.workspace import Workspace

FILES = committed("features.py")


def sources(slug: str) -> list[Path]:
    facts = _facts(slug)
    made_up = Path(__file__).parent / "rows" / f"{slug.removesuffix('-holdout')}.csv"
    raw = ROOT / "data" / slug / "raw" / facts.get("files", {}).get("train", "train.csv")
    return [file for file in (made_up, raw) if file.is_file()] or [made_up]


def _facts(slug: str) -> dict:
    return tomllib.loads((ROOT / "experiments" / slug / "competition.toml").read_text(encoding="utf-8"))


CASES = [(file, name, rows) for file in FILES for rows in sources(file.parent.name) for name in functions(file)]
every_feature = pytest.mark.parametrize(
    ("file", "name", "source"), CASES, ids=[f"{file.parent.name}-{name}-{rows.stem}" for file, name, rows in CASES]
)


@cache
def rows_of(file: Path, source: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return some rows as a feature gets them, typed by ingest and without targets, and the targets' names."""
    assert source.is_file(), f"{file} needs some made-up rows of its raw columns in {source}"
    facts = load_competition(Workspace(experiments=ROOT / "experiments"), file.parent.name).model_dump(mode="json")
    targets = names_of(facts["target"])
    raw = read_sheet(source).cells.slice(0, 300).to_pandas()
    with tempfile.TemporaryDirectory() as folder:
        halves = {"train": raw[: len(raw) // 2], "test": raw[len(raw) // 2 :].drop(columns=targets)}
        sources = {role: Path(folder) / f"{role}.csv" for role in halves}
        for role, half in halves.items():
            half.to_csv(sources[role], index=False)
        typed = intake.run(Path(folder), sources, facts)
    return pd.concat([typed.train[list(typed.test)], typed.test], ignore_index=True), targets


def apply(file: Path, name: str, rows: pd.DataFrame) -> pd.DataFrame:
    module = plugins.load(plugins.Plugin(f"features_of_{file.parent.name.replace('-', '_')}", file))
    return apply_feature(getattr(module, name), name, rows, file.parent.name)


def test_a_competition_of_one_s_own_needs_no_made_up_rows_and_a_holdout_has_those_of_its_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for slug in ("mine", "titanic-holdout"):
        (tmp_path / "experiments" / slug).mkdir(parents=True)
        (tmp_path / "experiments" / slug / "competition.toml").touch()
        (tmp_path / "data" / slug / "raw").mkdir(parents=True)
        (tmp_path / "data" / slug / "raw" / "train.csv").touch()
    assert [file.name for file in sources("mine")] == ["train.csv"]
    assert [file.name for file in sources("titanic-holdout")] == ["titanic.csv", "train.csv"]


@every_feature
def test_is_row_local_and_makes_new_columns_that_vary(file, name, source):
    rows, targets = rows_of(file, source)
    made = apply(file, name, rows)
    assert len(made) == len(rows)
    assert not set(made) & {*rows, *targets}
    assert [column for column in made if made[column].nunique(dropna=False) < 2] == []


@every_feature
def test_copes_with_columns_that_are_missing_altogether(file, name, source):
    rows = rows_of(file, source)[0].copy()
    for column in rows:
        if rows[column].isna().any():
            rows[column] = pd.Series(None, index=rows.index, dtype=rows[column].dtype)
    made = apply(file, name, rows)
    assert not np.isinf(made.select_dtypes("number").to_numpy(dtype=float)).any()
