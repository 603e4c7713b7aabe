"""An entry must predict exactly the rows that the folds validate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from heard import Heard
from small_folds import dealt

from pipeline.engine.stage import Job
from pipeline.entries import read_library
from pipeline.errors import ModelError
from pipeline.files import write_json
from pipeline.stages import train
from pipeline.stages.train import check
from pipeline.types import CrossFit, Folds


def folds() -> Folds:
    """Two folds of six rows, the first of which no fold validates."""
    return dealt(np.array([-1, 0, 0, 1, 1, 1]))


def entry(covered: slice) -> CrossFit:
    oof = np.full((1, 6, 1), np.nan)
    oof[0, covered] = 1.0
    errors = np.zeros((1, 2))
    return CrossFit(oof, np.zeros((2, 1)), errors, errors, errors, "none")


def test_the_rows_that_validate_are_enough() -> None:
    check("net", entry(slice(1, 6)), folds())


def test_an_entry_without_usable_predictions_is_refused_with_its_reason() -> None:
    nothing = np.full((1, 6, 1), np.nan)
    failed = CrossFit(nothing, nothing[0], *[np.full((1, 2), np.nan)] * 3, "none", failed="all 4 networks diverged")
    with pytest.raises(ModelError, match="net: all 4 networks diverged"):
        check("net", failed, folds())


@pytest.mark.parametrize("covered", [slice(0, 6), slice(2, 6), slice(0, 0)])
def test_other_rows_are_refused(covered: slice) -> None:
    with pytest.raises(ModelError, match="5 rows validate"):
        check("net", entry(covered), folds())


def test_predictions_without_a_score_are_refused_with_their_fold() -> None:
    whole = entry(slice(1, 6))
    unscored = replace(whole, fold_errors=np.array([[0.0, np.nan]]))
    with pytest.raises(ModelError, match="net: its predictions of fold 1, repeat 0, have no score: nan"):
        check("net", unscored, folds())


def test_a_model_that_the_budget_left_out_has_no_entries(tmp_path: Path) -> None:
    for name in ("budget", "out"):
        (tmp_path / name).mkdir()
    write_json(tmp_path / "budget" / "recipe.json", None)
    config = {"entry": "net", "recipe": "recipe.json"}
    train.run(Job(config, {"recipe": tmp_path / "budget"}, {}, {}, tmp_path / "out", tmp_path, 0, Heard()))
    assert list((tmp_path / "out" / "entries").iterdir()), "the store wants a file in every folder that is promised"
    assert read_library({"train:net": tmp_path / "out"}) == {}
