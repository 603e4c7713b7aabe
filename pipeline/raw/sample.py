"""The sample submission: does it fit the test rows and the classes, and which of its columns is which class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DataError, nearest
from pipeline.raw.kinds import settle
from pipeline.raw.labels import spell_labels, spellings
from pipeline.raw.sheet import Sheet, blank_missing
from pipeline.targets import names_of
from pipeline.wording import first_few


def check_sample(
    facts: Mapping[str, Any], sheet: Sheet, ids: pd.Series, test_ids: pd.Series, classes: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the sample as a table in its own order of rows and columns, and notes; refuse one that does not fit."""
    notes = _check_ids(facts["id"], sheet, ids, test_ids)
    others, targets = [name for name in sheet.columns if name != facts["id"]], names_of(facts["target"])
    if facts["submission"] == "probabilities":
        find_class_columns(facts, sheet.columns, classes)
    elif len(targets) > 1:
        _check_targets(sheet, others, targets)
    elif len(others) != 1:
        found = (
            f"{sheet.name}, line 1: found the columns {', '.join(sheet.columns)}, expected {facts['id']} and one more"
        )
        raise DataError(found, hint='for a column a class, write submission = "probabilities" in competition.toml')
    elif others != targets:
        notes.append(f"{sheet.name} calls the target {others[0]}")
    frame = pd.DataFrame(index=ids.index)
    for name in sheet.columns:
        if name == facts["id"]:
            frame[name] = ids
        elif facts["submission"] == "label":
            frame[name] = blank_missing(sheet.cells[name], ("",)).to_pandas().astype(object)
            spell_labels(classes, frame[name])  # refuses labels that are no class's
        else:
            frame[name] = settle(name, sheet.cells[name]).values
    return frame, notes


def default_sample(facts: Mapping[str, Any], test_ids: pd.Series, classes: list[str]) -> pd.DataFrame:
    """Return what a sample submission would look like, for a competition that brings none."""
    form = facts["submission"]
    if form == "probabilities":
        values: dict[str, Any] = dict.fromkeys(classes, 1 / len(classes))
    else:
        filler = {"label": classes[0] if classes else "", "probability": 0.5}.get(form, 0.0)
        values = dict.fromkeys(names_of(facts["target"]), filler)
    return pd.DataFrame({facts["id"]: test_ids} | values)


def find_class_columns(facts: Mapping[str, Any], columns: list[str], classes: list[str]) -> dict[str, str]:
    """Return the sample's column of every class: of the same name in some spelling (1 for 1.0), or with one prefix.

    The prefix stands before all of them, as in Status_C for C.
    """
    if facts["submission"] != "probabilities":
        return {}
    others = [name for name in columns if name != facts["id"]]
    for cut in range(min(map(len, others), default=0)):
        by_class = {name[cut:]: name for name in others}
        for spelled in spellings(classes) if len({name[:cut] for name in others}) == 1 else ():
            if sorted(by_class) == sorted(spelled):
                return {label: by_class[name] for label, name in zip(classes, spelled, strict=True)}
    strange = next((name for name in others if name not in classes), "")
    found = f"the sample submission has the columns {first_few(others)} for the classes {first_few(classes)}"
    raise DataError(found, hint=nearest(strange, classes) if len(classes) < 20 else "one column a class is expected")


def _check_targets(sheet: Sheet, columns: list[str], targets: list[str]) -> None:
    if sorted(columns) != sorted(targets):
        strange = next((name for name in columns if name not in targets), columns[0] if columns else "")
        found = f"found the columns {first_few(columns)} beside the id, expected {first_few(targets)}"
        raise DataError(
            f"{sheet.name}, line 1: {found}",
            hint=f"target in competition.toml lists what is asked for; {nearest(strange, targets)}",
        )


def _check_ids(name: str, sheet: Sheet, ids: pd.Series, test_ids: pd.Series) -> list[str]:
    if len(ids) == len(test_ids) and np.array_equal(ids.to_numpy(), test_ids.to_numpy()):
        return []
    unknown, absent = ids[~ids.isin(test_ids)], test_ids[~test_ids.isin(ids)]
    if len(unknown) or len(absent):
        sides = [f"{len(unknown)} ids that test does not have (first: {unknown.iloc[0]})"] if len(unknown) else []
        sides += [f"{len(absent)} ids of test not there (first: {absent.iloc[0]})"] if len(absent) else []
        found = (
            f"{sheet.name} ({len(ids)} rows) does not fit test ({len(test_ids)} rows) by {name}: {' and '.join(sides)}"
        )
        raise DataError(found, hint="take both files from the same download, and check id in competition.toml")
    return [f"{sheet.name} has the rows of test in another order"]
