"""Labels in the spelling of the classes, and the file that shows how a submission spells them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.raw.labels import as_classes, spell_labels
from pipeline.raw.source import sample_there


def test_a_sample_may_hold_words_beside_the_classes() -> None:
    assert spell_labels(["1.0", "2.0"], pd.Series(["1", "unknown"])) == ["1", "2"]


def test_labels_that_are_no_class_leave_the_others_in_their_spelling() -> None:
    assert as_classes(pd.Series(["1", "unknown"]), ["1.0", "2.0"]).fillna("none").tolist() == ["1.0", "none"]


@pytest.mark.parametrize(("others", "found"), [(["a"], "a_submission.csv"), (["a", "b"], "sample.csv")])
def test_of_several_submissions_none_is_taken_for_the_sample(tmp_path: Path, others: list[str], found: str) -> None:
    for other in others:
        (tmp_path / f"{other}_submission.csv").touch()
    assert sample_there(tmp_path, "sample.csv") == found
