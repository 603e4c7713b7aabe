"""Every feature function that the repository's competitions bring, held to its contract on rows like the raw ones.

The rows in tests/contracts/rows/<slug>.csv are made up; where data/<slug>/raw lies on this machine, the first of its
rows are tried as well. A features.py without any rows fails here, so that it cannot go untested.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.engine import plugins
from pipeline.engine.code import functions
from pipeline.features import apply_feature

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "experiments").glob("*/features.py"))


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


def rows_of(file: Path, source: Path) -> tuple[pd.DataFrame, str]:
    """Return some typed rows without the target, and the target's name."""
    assert source.is_file(), f"{file} needs some made-up rows of its raw columns in {source}"
    facts = _facts(file.parent.name)
    as_strings = dict.fromkeys(facts.get("columns", {}).get("categorical", []), str)
    return pd.read_csv(source, nrows=300, dtype=as_strings).drop(columns=facts["target"]), facts["target"]


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
    rows, target = rows_of(file, source)
    made = apply(file, name, rows)
    assert len(made) == len(rows)
    assert not set(made) & {*rows, target}
    assert [column for column in made if made[column].nunique(dropna=False) < 2] == []


@every_feature
def test_copes_with_columns_that_are_missing_altogether(file, name, source):
    rows, _ = rows_of(file, source)
    for column in rows:
        if rows[column].isna().any():
            rows[column] = pd.Series(None, index=rows.index, dtype=rows[column].dtype)
    made = apply(file, name, rows)
    assert not np.isinf(made.select_dtypes("number").to_numpy(dtype=float)).any()
