"""What every model does with rows beside train's, and with weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from heard import Heard
from model_cases import CASES, EXTRAS, NAMES, QUICK, fitted, folds, frame, module, table

from pipeline.extra.rows import Extra, cross_fit
from pipeline.types import CrossFit, Table

TRAINED = [name for name in NAMES if not hasattr(module(name), "sources")]
"""Models that are fitted here, and not made elsewhere."""


def beside(name: str, data: Table, extra: Extra | None) -> dict[str, CrossFit]:
    if name in EXTRAS:
        pytest.importorskip(name, reason=f"the extra {name} is not installed")
    recipe = module(name).Recipe(**QUICK.get(name, {}))
    return cross_fit(module(name), {"entry": recipe}, data, folds(), extra, seed=0, log=Heard())


def more(shift: float) -> Extra:
    """40 rows like train's, whose targets are shifted."""
    rows = frame(np.random.default_rng(1), 40, ["blue", "green", "red", "seen only beside"])
    return Extra(rows, 10 + shift + 3 * rows["x0"].to_numpy())


@pytest.mark.parametrize("name", TRAINED)
def test_extra_rows_are_learnt_from_and_never_predicted(name: str) -> None:
    data = table("regression")
    with_more = beside(name, data, more(shift=20.0))
    for label, entry in with_more.items():
        assert entry.test.mean() > fitted(name, "regression")[label].test.mean() + 1
        assert entry.oof.shape == (2, 120, 1)
        assert (np.isfinite(entry.oof).all(axis=2) == folds().covered).all()
        assert entry.fold_errors == pytest.approx(folds().errors(data.task.metric, data.target, entry.oof))


@pytest.mark.parametrize("name", TRAINED)
def test_a_row_of_weight_0_is_as_if_it_were_not_there(name: str) -> None:
    nothing = replace(more(shift=20.0), weight=np.zeros(40))
    alike = {"rtol": 1e-2} if name == "autogluon" else {"rtol": 0, "atol": 0}  # it makes bins and levels of all rows
    for label, entry in beside(name, table("regression"), nothing).items():
        np.testing.assert_allclose(entry.test, fitted(name, "regression")[label].test, **alike)


def contradictory(kind: str) -> Table:
    """Targets that follow from nothing: of two rows one has the lowest and one the highest."""
    data = table(kind)
    return replace(data, target=np.where(np.arange(120) % 2, data.target.max(), data.target.min()))


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_weights_are_taken_into_account_or_it_is_said_that_they_are_not(name: str, kind: str) -> None:
    if (name, kind) not in CASES:
        pytest.skip("slow")
    data = contradictory(kind)
    middle = (data.target.max() + data.target.min()) / 2 if kind == "regression" else 0.5
    for entry in beside(name, replace(data, weight=np.where(np.arange(120) % 2, 9.0, 1.0)), None).values():
        weighed = entry.test[:, -1].mean() > 1.2 * middle
        assert weighed != any("weights are not used" in finding for finding in entry.findings)
