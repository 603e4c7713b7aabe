"""Large files: what ingest has typed is no longer held as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from intake import take_in

from pipeline.raw import kinds
from pipeline.raw.kinds import Column
from pipeline.stages import ingest


def test_the_files_are_let_go_of_while_columns_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the strings of large files would be kept beside what they became, until train and test are written."""
    held = []

    def settle(*column: Any) -> Column:
        held.append(pa.total_allocated_bytes())
        return kinds.settle(*column)

    monkeypatch.setattr(ingest, "settle", settle)
    names = [f"c{k}" for k in range(8)]
    rows = "".join(f"{n},{','.join(['long ' * 100] * len(names))},{n}.5\n" for n in range(200))
    take_in(
        tmp_path, f"id,{','.join(names)},y\n{rows}", f"id,{','.join(names)}\n300{',' * len(names)}\n", "id,y\n300,0\n"
    )
    n_bytes = 200 * len(names) * len("long " * 100)
    assert held[0] - held[-2] > n_bytes / 2  # the last one is the sample's
