"""A fold's rows on the sheet that all folds share: the same bits as its encoder's, and few bytes of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_cases import fit, folds, table

from pipeline.core import capacity
from pipeline.metrics import log_loss, rmse
from pipeline.models._network_fold import Cut, Encoding, Fold, encode_folds
from pipeline.transforms.encoder import SCALES, SKEWS, fit_encoder
from pipeline.transforms.recipe import Encode
from pipeline.types import Metric, Table, Task

N = 150
REGRESSION = Task("regression", Metric.from_module(rmse))
THREE = Task("multiclass", Metric.from_module(log_loss), ("a", "b", "c"))
recipes = st.builds(
    Encode,
    impute=st.sampled_from(["mean", "median"]),
    indicators=st.booleans(),
    skew=st.sampled_from(["none", *SKEWS]),
    scale=st.sampled_from([*SCALES]),
    max_one_hot=st.sampled_from([0, 4, 30]),
    min_rows=st.sampled_from([1, 5]),
    many_levels=st.sampled_from(["target", "ordinal", "embedding"]),
)


def awkward(seed: int, task: Task) -> Table:
    """Return numbers skewed, far out, missing, with two values, constant in a fold, and categories with rare levels."""
    rng = np.random.default_rng(seed)
    levels = np.array([None, "missing", "rare", *"abcdefgh"], dtype=object)
    rows = pd.DataFrame(
        {
            "normal": rng.normal(size=N),
            "skewed": rng.lognormal(3, 1, N),
            "gaps": np.where(rng.random(N) < 0.3, rng.choice([np.nan, np.inf], N), 1e8 + rng.normal(size=N)),
            "flag": rng.integers(0, 2, N) * 7.0,
            "in one row": np.where(np.arange(N) == seed % N, 1e120, 0.1),
            "empty": np.nan,
            "city": pd.Categorical(rng.choice(levels, N)),
            "missing": pd.Categorical(np.where(rng.random(N) < 0.02, "x", "y")),
            "one": pd.Categorical(["z"] * N),
        }
    )
    target = rng.normal(size=N) if task is REGRESSION else rng.integers(0, 3, N)
    return Table(task, rows, rows[:5], target, np.arange(N), np.arange(5))


def folds_of(data: Table, encode: Encode) -> tuple[dict[tuple[int, int], Cut], dict[tuple[int, int], Fold]]:
    parts = np.array_split(np.random.default_rng(1).permutation(N), 3)
    cuts = {
        (0, fold): Cut(np.concatenate([*parts[:fold], *parts[fold + 1 :]]), parts[fold], 10 + fold) for fold in range(3)
    }
    return cuts, encode_folds(Encoding(encode, "auto", None), data, cuts)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), recipes, st.sampled_from([REGRESSION, THREE]))
def test_what_a_fold_reads_is_what_it_would_have_encoded_to_the_last_bit(seed: int, encode: Encode, task: Task) -> None:
    data = awkward(seed, task)
    cuts, found = folds_of(data, encode)
    for key, cut in cuts.items():
        rows, target = data.train.iloc[cut.rows], data.target[cut.rows]
        encoder, encoded = fit_encoder(encode, rows, target, task, cut.seed)
        valid = encoder.transform(data.train.iloc[cut.valid])
        others = found[key].held(data, cut.valid[::2])
        for ours, dense in (
            (found[key].encoded, encoded.dense),
            (found[key].valid, valid.dense),
            (others, valid.dense[::2]),
        ):
            assert torch.equal(ours.columns(slice(None)), torch.from_numpy(dense))


def test_only_what_a_fold_alone_knows_is_kept_for_it() -> None:
    data = awkward(0, REGRESSION)
    for encode, own in (
        (Encode(), []),
        (Encode(scale="robust", impute="median"), []),
        (Encode(skew="log"), ["skewed"]),
        (Encode(min_rows=20), ["city = rare", "missing = rare"]),
        (Encode(max_one_hot=4), ["city: mean of target"]),
    ):
        cuts, found = folds_of(data, encode)
        sheets = {id(fold.encoded.excerpt.sheet) for fold in found.values()}
        assert len(sheets) == 1
        for key, fold in found.items():
            first = fold.encoded.excerpt.sheet.width
            places = fold.encoded.excerpt.reading.columns.tolist()
            names = [name for name, place in zip(fold.encoder.names, places, strict=True) if place >= first]
            assert names == own
            assert fold.encoded.dense.shape == (len(cuts[key].rows), len(own))
            assert fold.encoded.dense.untyped_storage().nbytes() == 4 * fold.encoded.dense.numel()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linear", {}),
        ("mlp", {"stop_on": "inner", "embedding_numeric": "piecewise"}),
        ("realmlp", {"encode": Encode(scale="robust", max_one_hot=2, many_levels="embedding")}),
        ("tabm", {"encode": Encode(skew="log", max_one_hot=2)}),
    ],
)
def test_a_model_predicts_the_same_bits_whether_folds_share_columns_or_copy_them(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = fit(name, table("regression"), cut=folds(), epochs=2, **settings)["entry"]
    monkeypatch.setattr(capacity, "CPU_COPIES", 0)
    shared = fit(name, table("regression"), cut=folds(), epochs=2, **settings)["entry"]
    for part in ("oof", "test", "train_errors"):
        np.testing.assert_array_equal(getattr(shared, part), getattr(copied, part))
