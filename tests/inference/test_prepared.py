"""New rows become rows of the fitted Table: its columns, its levels, and what is new beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import FeatureError
from pipeline.inference.prepared import Prepared, read_prepared

PREPARED = Prepared(
    features={"size": ["size"]},
    kinds={"code": "categorical", "built year": "numeric", "built": "date", "size": "numeric"},
    columns={"size": None, "code": ["12", "A"], "built year": None, "built month": None},
)
ROWS = pd.DataFrame({"code": ["A", "12.0", "13.0", None], "built": pd.to_datetime(["2020-05-01"] * 4), "built year": 7})
SIZE = pd.DataFrame({"size": [1.0, np.inf, np.nan, -1e300]})


def test_columns_come_in_the_tables_order_whatever_was_written(tmp_path: Path) -> None:
    PREPARED.write(tmp_path)
    found = read_prepared(tmp_path).apply(ROWS, {"size": SIZE})
    assert list(found) == ["size", "code", "built year", "built month"]
    assert found["size"].isna().tolist() == [False, True, True, True]
    assert found["built month"].tolist() == [5.0] * 4
    assert found["built year"].tolist() == [7.0] * 4  # the column of that name, not the part of the date


def test_a_known_number_is_known_in_another_spelling_and_what_is_new_stands_beside() -> None:
    codes = PREPARED.apply(ROWS, {"size": SIZE})["code"]
    assert codes.tolist()[:3] == ["A", "12", "13.0"]
    assert codes.cat.categories.tolist() == ["12", "13.0", "A"]


def test_only_raw_columns_that_are_used_are_needed() -> None:
    assert PREPARED.needed == ["code", "built year", "built"]


def test_a_feature_that_makes_other_columns_of_new_rows_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"size\(\) makes columns \['width'\] of new rows"):
        PREPARED.apply(ROWS, {"size": SIZE.rename(columns={"size": "width"})})
