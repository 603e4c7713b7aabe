"""What every model that declares RUNGS does at them: recipes leave by their errors over all folds, unnoticed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from elsewhere import elsewhere
from heard import Heard
from model_cases import NAMES, QUICK, fitted, folds, module, table

from pipeline.metrics import f1
from pipeline.spread import Spread, in_turn
from pipeline.stages.train import save_fitted
from pipeline.types import CrossFit, Metric, Rung, Table

CLIMBING = [name for name in NAMES if getattr(module(name), "RUNGS", ())]
LAST: dict[str, dict[str, Any]] = {"extra_trees": {"split_rows": 200}, "forest": {"split_rows": 200}}
"""Settings that make of the quick recipe one that is worse at the first rung, if not a low learning rate."""
pytestmark = pytest.mark.parametrize("name", CLIMBING)


def recipes(name: str) -> dict[str, Any]:
    """Return the recipe that all contracts are tested on, behind a bad one."""
    good = QUICK.get(name, {})
    both = {"bad": good | LAST.get(name, {"lr": 1e-3}), "entry": good}
    return {own: module(name).Recipe(**settings) for own, settings in both.items()}


def climb(
    name: str, wanted: Mapping[str, Any], limit: float, spread: Spread = in_turn, rows: Table | None = None
) -> dict[str, CrossFit]:
    """Cross-fit recipes with a limit at the first of the model's rungs and none at the others."""
    first, *others = module(name).RUNGS
    rungs = (Rung(first, limit), *(Rung(share, math.inf) for share in others))
    how: dict[str, Any] = {"seed": 0, "log": Heard(), "spread": spread, "rungs": rungs}
    found: dict[str, CrossFit] = module(name).cross_fit(wanted, rows or table("regression"), folds(), **how)
    return found


@cache
def passed(name: str) -> dict[str, CrossFit]:
    """Cross-fit the recipe that all contracts are tested on with rungs that it passes."""
    return climb(name, {"entry": recipes(name)["entry"]}, math.inf)


def test_a_rung_that_is_passed_changes_no_byte(name: str, tmp_path: Path) -> None:
    (entry,), (alone,) = passed(name).values(), fitted(name, "regression").values()
    assert len(entry.rungs) == len(module(name).RUNGS)
    assert np.isfinite(entry.rungs).all()
    np.testing.assert_array_equal(entry.oof, alone.oof)
    np.testing.assert_array_equal(entry.fold_errors, alone.fold_errors)
    for label, own in (("with", entry), ("without", alone)):
        save_fitted({"entry": own}, tmp_path / label)
    kept = [path.relative_to(tmp_path / "with") for path in (tmp_path / "with").rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert (tmp_path / "with" / path).read_bytes() == (tmp_path / "without" / path).read_bytes(), path.name


def test_who_is_above_the_limit_leaves_with_its_error_over_all_folds(name: str) -> None:
    shown = passed(name)["entry"].rungs[0]
    (leaves,) = climb(name, {"entry": recipes(name)["entry"]}, np.nextafter(shown, 0)).values()
    assert leaves.given_up
    assert leaves.failed == "given up at a rung"
    assert leaves.rungs == (shown,)
    assert leaves.truncated == ""
    assert np.isnan(leaves.fold_errors).all()
    assert not leaves.fitted


@pytest.mark.slow
def test_who_shares_the_call_and_where_it_runs_decide_nothing(name: str) -> None:
    limit = passed(name)["entry"].rungs[0] * 1.001  # in another company a network's last bits are others
    here, there = (climb(name, recipes(name), limit, spread) for spread in (in_turn, elsewhere))
    assert list(here) == list(there) == ["bad", "entry"]
    assert [entry.given_up for entry in here.values()] == [True, False]
    np.testing.assert_allclose(here["entry"].oof, passed(name)["entry"].oof, rtol=1e-4)
    np.testing.assert_allclose(here["entry"].rungs, passed(name)["entry"].rungs, rtol=1e-4)
    for own, other in zip(here.values(), there.values(), strict=True):
        assert own.rungs == other.rungs
        assert own.given_up == other.given_up
        np.testing.assert_array_equal(own.oof, other.oof)


def test_at_rungs_and_at_the_end_it_is_judged_by_what_a_search_judges_by(name: str) -> None:
    metric = Metric.from_module(f1)
    judge = replace(metric, function=lambda *_: 0.75)
    task = replace(table("binary").task, metric=metric, judge=judge)
    rows = replace(table("binary"), task=task)
    (entry,) = climb(name, {"entry": recipes(name)["entry"]}, math.inf, rows=rows).values()
    assert set(entry.rungs) == {0.25}
    assert (entry.fold_errors == 0.25).all()
