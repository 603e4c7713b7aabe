"""What extra rows have in common with train and test: found, told, and copies left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from case import METRICS, N_TRAIN, Case, raw
from clean_tables import make_table, severities
from heard import Heard

from pipeline.audit import extra_rows
from pipeline.engine.stage import Job
from pipeline.extra import prepare
from pipeline.extra.prepare import find_equal
from pipeline.extra.rows import Extra, read_extra
from pipeline.files import read_json, write_json
from pipeline.types import Table


def clean(n: int = 300) -> Extra:
    other = make_table(7, n)
    return Extra(other.train, other.target)


def with_rows(extra: Extra, rows: pd.DataFrame, target: np.ndarray) -> Extra:
    return Extra(pd.concat([extra.rows, rows], ignore_index=True), np.concatenate([extra.target, target]))


def without(column: str, table: Table, extra: Extra) -> Extra:
    lacking = (
        np.nan if column in table.numeric else pd.Categorical([None] * len(extra), table.train[column].cat.categories)
    )
    return Extra(extra.rows.assign(**{column: lacking}), extra.target)


def test_a_copy_is_one_in_the_target_too() -> None:
    table = make_table()
    target = table.target[:20].copy()
    target[:5] += 1
    found = find_equal(with_rows(clean(), table.train[:20], target), table)
    assert found.copies.sum() == 15
    assert found.equal.sum() == 20
    assert "15 extra rows are copies of train's, the target included: left out" in found.told(305)
    assert 'kept, as copies = "keep" says' in " ".join(found.told(320))


def test_columns_that_the_file_lacks_are_not_compared() -> None:
    table = make_table()
    copies = with_rows(clean(), table.train[:20], table.target[:20])
    for column in ("x0", "street"):
        assert find_equal(without(column, table, copies), table).copies.sum() == 20


def test_rows_of_test_are_told_of() -> None:
    table = make_table()
    found = find_equal(with_rows(clean(), table.test[:8], np.zeros(8)), table)
    assert not found.copies.any()
    assert "8 of 200 test rows (4.00 %) equal an extra row" in " ".join(found.told(308))


def test_the_audit_finds_what_folds_do_not_show() -> None:
    table = make_table()
    assert extra_rows.check(table, None) == []
    assert extra_rows.check(table, clean()) == []
    (found,) = extra_rows.check(table, with_rows(clean(), table.test[:30], np.zeros(30)))
    assert (found.severity, found.what) == ("warning", "extra rows look test's rows up")
    (found,) = extra_rows.check(table, with_rows(clean(), table.train[:90], table.target[:90]))
    assert (found.severity, found.todo[:15]) == ("warning", 'copies = "drop"')
    both = pd.concat([table.train[:40], table.test[:20]])
    assert severities(extra_rows.check(table, with_rows(clean(), both, np.zeros(60)))) == []


def test_coarse_columns_bring_equal_rows_without_an_alarm() -> None:
    table = make_table()
    coarse = replace(table, train=table.train[["rooms", "street"]], test=table.test[["rooms", "street"]])
    assert severities(extra_rows.check(coarse, Extra(clean().rows[["rooms", "street"]], clean().target))) == []


def prepared(case: Case, folder: Path, rows: pd.DataFrame, copies: str, facts: dict[str, Any]) -> Extra:
    """Return what the stage makes of a file's rows, after the run of the case."""
    own = {part: folder / part for part in ("extra", "ingest", "written")}
    own["extra"].mkdir()
    own["written"].mkdir()
    rows.to_parquet(own["extra"] / "extra.parquet")
    write_json(own["ingest"] / "schema.json", read_json(own["ingest"] / "schema.json") | {"id": "id"})
    prepare.run(
        Job(
            facts | {"id": "id", "target": "price", "factor": 1.0, "copies": copies},
            {"extra": own["extra"], "ingest": own["ingest"], "preprocess": folder / "out"},
            {},
            {"metric": METRICS["rmse"]}
            | {f"feature:{name}": SimpleNamespace(**{name: function}) for name, function in case.features.items()},
            own["written"],
            folder,
            0,
            Heard(),
        )
    )
    made = read_extra({"extra": own["written"]})
    assert made is not None
    return made


@pytest.mark.parametrize(("copies", "n_kept"), [("drop", N_TRAIN - 7), ("keep", N_TRAIN)])
def test_copies_are_kept_only_where_the_experiment_says_so(tmp_path: Path, copies: str, n_kept: int) -> None:
    case = Case(tmp_path)
    case.run()
    rows = raw("train")
    rows.loc[7:, "price"] = 1.5
    assert len(prepared(case, tmp_path, rows, copies, {"groups": None, "time": None, "weight": None})) == n_kept


def test_features_are_shown_what_they_are_shown_in_the_run(tmp_path: Path) -> None:
    def doubled(rows: pd.DataFrame) -> pd.Series:
        assert {"block", "price"}.isdisjoint(rows.columns)
        return rows["code"].astype(float) * 2

    case, facts = Case(tmp_path), {"groups": "code", "time": "block", "weight": None}
    case.facts |= facts
    case.features["doubled"] = doubled
    case.run()
    made = prepared(case, tmp_path, raw("train").assign(price=1.5), "drop", facts)
    assert made.rows["doubled"].tolist() == (raw("train")["code"].astype(float) * 2).tolist()
