"""Networks of pairs of folds: who serves whom, what they may know, and where folds cannot be paired."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from heard import Heard
from hypothesis import given, settings
from hypothesis import strategies as st
from model_cases import table
from small_folds import alternating

from pipeline.core.fused import train
from pipeline.core.members import Kept, Trained
from pipeline.models import _network_pairs as paired
from pipeline.models import _networks, linear, mlp, realmlp, tabm
from pipeline.models._network_entry import _serving
from pipeline.types import TRAIN, UNUSED, VALID, CrossFit, Folds, Table

N = 120
SMALL = {"epochs": 6, "batch_size": 16, "stop_on": "pairs"}
RECIPES = {
    "linear": (linear, linear.Recipe(**SMALL)),
    "mlp": (mlp, mlp.Recipe(hidden=(8,), n_seeds=2, **SMALL)),
    "realmlp": (realmlp, realmlp.Recipe(hidden=(8,), n_seeds=3, **SMALL)),
    "tabm": (tabm, tabm.Recipe(width=8, k=2, **SMALL)),
}
KINDS = ["regression", "targets", "multiclass"]


def fit(name: str = "mlp", data: Table | None = None, folds: Folds | None = None, **recipe: object) -> CrossFit:
    model, own = RECIPES[name]
    given = {"a": own.model_copy(update=recipe)}
    data = data or table("regression")
    return model.cross_fit(given, data, folds or alternating(N, 5), seed=0, log=Heard())["a"]


@given(st.integers(5, 9), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_every_fold_has_two_networks_for_each_number_and_none_learns_from_it(n_folds: int, n_seeds: int) -> None:
    folds = alternating(N, n_folds)
    found = [key for number in range(n_seeds) for key in paired.pairs(folds, number)]
    assert len(set(found)) == paired.n_different(folds, n_seeds) * n_folds
    for repeat, fold in folds:
        serving = [key for key in found if fold in key[1:]]
        assert len(serving) == 2 * n_seeds
        for key in serving:
            assert not np.isin(paired.cut(folds, key, 0).rows, folds.valid_rows(repeat, fold)).any()
    rows = paired.cut(folds, found[0], 0).rows
    assert len(rows) == pytest.approx(N * (n_folds - 2) / n_folds, abs=2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RECIPES)
def test_a_fold_is_predicted_by_networks_that_its_labels_did_not_touch(name: str, kind: str) -> None:
    data, folds = table(kind), alternating(N, 5)
    rows = folds.valid_rows(0, 2)
    target = data.target.copy()
    target[rows] = np.roll(target[rows], 1) if kind == "multiclass" else target[rows] + 100
    before, after = fit(name, data, folds), fit(name, replace(data, target=target), folds)
    np.testing.assert_allclose(after.oof[0, rows], before.oof[0, rows], rtol=0, atol=1e-5)
    others = np.setdiff1d(np.arange(N), rows)
    assert np.abs(after.oof[0, others] - before.oof[0, others]).max() > 1e-3


@pytest.mark.parametrize("patience", [2, "cycle"])
def test_how_long_its_own_rows_kept_a_network_going_does_not_matter_to_a_fold(patience: object) -> None:
    noise = np.random.default_rng(7).normal(size=N)
    data, rows = replace(table("regression"), target=noise), alternating(N, 5).valid_rows(0, 0)
    target = noise.copy()
    target[rows] *= -1
    how = {"patience": patience, "schedule": "coslog4", "epochs": 30, "lr": 0.1}
    before, after = fit(data=data, **how), fit(data=replace(data, target=target), **how)
    assert len(before.curves) != len(after.curves)
    np.testing.assert_allclose(after.oof[0, rows], before.oof[0, rows], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_fold_keeps_predicts_the_same_in_a_new_place(kind: str, tmp_path: Path) -> None:
    data = table(kind)
    entry = fit(data=data)
    for number, (key, fitted) in enumerate(entry.fitted.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        fitted.save(folder)
        again = mlp.load(folder)
        np.testing.assert_array_equal(again.predict(data.test), fitted.predict(data.test))
        rows = alternating(N, 5).valid_rows(*key)
        np.testing.assert_allclose(again.predict(data.train.iloc[rows]), entry.oof[0, rows], rtol=0, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == ["0", "1", "2", "3"]
    predicted = [fitted.predict(data.test) for fitted in entry.fitted.values()]
    np.testing.assert_allclose(entry.test, np.mean(predicted, axis=0), rtol=0, atol=1e-9)
    assert entry.stop_on == "inner"


def test_every_network_of_a_fold_counts_alike() -> None:
    """Of three networks a fold two are of neighbours, on the same rows, so that these have one encoding."""
    data = table("multiclass")
    bag = fit(data=data, n_seeds=3).fitted[0, 0]
    assert sorted(len(own.states) for own in bag.fits) == [1, 1, 2, 2]
    alone = [replace(own, states=(state,)).predict(data.test) for own in bag.fits for state in own.states]
    np.testing.assert_allclose(bag.predict(data.test), np.mean(alone, axis=0), rtol=0, atol=1e-6)


def test_what_a_pair_kept_before_it_diverged_serves_a_fold_that_had_done_with_it() -> None:
    """The other fold's rows alone may have kept it going, and their labels must not decide who predicts them."""
    kept = tuple(Kept({}, epoch) for epoch in (3, 7))
    sound, lost = Trained(kept, np.zeros((9, 3)), diverged=False), Trained(kept, np.zeros((8, 3)), diverged=True)
    served = _serving({((0, 1, 2), 0): lost, ((0, 0, 1), 0): sound}, (0, 1))
    assert {own: [one.epoch for one in found] for own, found in served.items()} == {(0, 1, 2): [3], (0, 0, 1): [7]}


def test_networks_that_all_diverged_late_serve_by_what_pairs_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit()
    monkeypatch.setattr(_networks, "train", lambda *a, **how: [replace(m, diverged=True) for m in train(*a, **how)])
    np.testing.assert_array_equal(fit().oof, whole.oof)
    assert "networks diverged" in fit(stop_on="none").failed


def test_rows_of_more_weight_count_for_more() -> None:
    """Targets follow from nothing: half of the rows have the highest one, and nine tenths of the weight."""
    high = np.random.default_rng(3).permutation(N) < N // 2
    data = replace(table("regression"), target=np.where(high, 2.0, 0.0))
    alike, weighed = (
        fit(data=replace(data, weight=weight), lr=0.05, epochs=20).test.mean()
        for weight in (np.ones(N), np.where(high, 9.0, 1.0))
    )
    assert alike == pytest.approx(1.0, abs=0.3)
    assert weighed > 1.5


def test_ten_networks_nest_five_folds() -> None:
    curves = fit().curves
    assert len(curves.groupby(["repeat", "fold", "seed"])) == 10
    assert curves["stop_loss"].notna().all()


def with_rows_of_one_fold() -> Folds:
    """Return folds of which each has rows of its own, as pseudo-labels are."""
    role = np.full((1, 5, 10), UNUSED, dtype=np.int8)
    role[0, np.arange(10) % 5, np.arange(10)] = TRAIN
    return alternating(N - 10, 5).and_rows(role)


def with_a_fold_that_trains_nobody() -> Folds:
    """Return folds of which one validates rows that weigh nothing in a fit."""
    folds = alternating(N, 5, every=7)
    weightless = folds.role[:, 1] == VALID
    role = np.where(weightless[:, None] & (folds.role != VALID), np.int8(UNUSED), folds.role)
    return replace(folds, role=role)


UNPAIRED = {
    "few": alternating(N, 4),
    "time": alternating(N, 5, kind="time"),
    "rows of one fold": with_rows_of_one_fold(),
    "rows of no weight": with_a_fold_that_trains_nobody(),
    "folds of pairs": replace(alternating(N, 5), part=np.arange(N)[None] % 10),  # each leaves out two folds already
}


@pytest.mark.parametrize("case", UNPAIRED)
def test_folds_that_cannot_be_paired_have_stopping_rows_of_their_own(case: str) -> None:
    folds = UNPAIRED[case]
    assert not paired.suit(folds)
    np.testing.assert_array_equal(fit(folds=folds).oof, fit(folds=folds, stop_on="inner").oof)
    assert paired.suit(alternating(N, 5))


def test_a_stopping_loss_that_rose_after_the_weights_that_are_kept_is_no_illness() -> None:
    noise = np.random.default_rng(7).normal(size=N)
    fierce = {"epochs": 40, "hidden": (64,), "lr": 0.05, "dropout": 0.0, "weight_decay": 0.0, "schedule": "constant"}
    how = {"data": replace(table("regression"), target=noise), **fierce}
    assert any("stopping loss rose" in finding for finding in fit(**how, stop_on="fold").findings)
    assert not any("stopping loss rose" in finding for finding in fit(**how).findings)
