"""The composed encoder: what it puts out, that it stays inside the fold, and that its state round-trips."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics import log_loss, rmse
from pipeline.transforms.encoder import SCALES, SKEWS, Encoder, fit_encoder
from pipeline.transforms.recipe import Encode
from pipeline.types import Metric, Task

REGRESSION = Task("regression", Metric.from_module(rmse))
THREE = Task("multiclass", Metric.from_module(log_loss), ("a", "b", "c"))
RECIPES = [
    Encode(skew=skew, scale=scale, many_levels=many, max_one_hot=4, min_rows=2)
    for skew, scale, many in product(("none", *SKEWS), SCALES, ("target", "ordinal", "embedding"))
]
every_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.skew}-{r.scale}-{r.many_levels}")


def houses(seed: int = 0, n: int = 200) -> pd.DataFrame:
    """Return columns of every awkward sort."""
    rng = np.random.default_rng(seed)
    city = np.array([f"city {k:02d}" for k in range(20)], dtype=object)[rng.integers(0, 20, n)]
    return pd.DataFrame(
        {
            "area": rng.lognormal(7, 1, n),
            "rooms": rng.integers(1, 9, n).astype(float),
            "garage": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "always": 1.0,
            "never": np.nan,
            "endless": np.where(rng.random(n) < 0.02, np.inf, rng.normal(size=n)),
            "street": pd.Categorical(np.where(rng.random(n) < 0.3, None, "paved"), categories=["gravel", "paved"]),
            "city": pd.Categorical(city, categories=[*sorted(set(city)), "nowhere"]),
            "same": pd.Categorical(["x"] * n, categories=["x", "y"]),
        }
    )


def target_of(rows: pd.DataFrame, task: Task) -> np.ndarray:
    return rows["area"].rank().to_numpy() if task is REGRESSION else np.arange(len(rows)) % 3


@every_recipe
@pytest.mark.parametrize("task", [REGRESSION, THREE], ids=["regression", "multiclass"])
def test_output_is_dense_named_and_finite(recipe, task):
    rows = houses()
    encoder, encoded = fit_encoder(recipe, rows, target_of(rows, task), task, seed=1)
    for made in (encoded, encoder.transform(rows), encoder.transform(houses(9, 50))):
        assert made.dense.dtype == np.float32
        assert made.codes.dtype == np.int64
        assert np.isfinite(made.dense).all()
        assert made.dense.shape[1] == len(encoder.names) == len(set(encoder.names))
        assert made.codes.shape[1] == len(encoder.level_counts)
        assert (made.codes >= 0).all()
        assert (made.codes < np.array(encoder.level_counts, dtype=np.int64)).all()
    assert (encoded.dense.std(axis=0) > 0).all()


@every_recipe
def test_state_survives_json_to_the_last_bit(recipe):
    rows = houses()
    encoder, _ = fit_encoder(recipe, rows, target_of(rows, THREE), THREE, seed=1)
    again = Encoder.from_dict(json.loads(json.dumps(encoder.to_dict(), allow_nan=False)))
    new = houses(5, 60)
    assert (again.names, again.level_counts) == (encoder.names, encoder.level_counts)
    np.testing.assert_array_equal(again.transform(new).dense, encoder.transform(new).dense)
    np.testing.assert_array_equal(again.transform(new).codes, encoder.transform(new).codes)


@every_recipe
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(1, 2**31))
def test_rows_outside_the_fold_change_nothing(recipe, seed):
    """Categories keep the levels of all rows in their type; that, too, must not matter."""
    inside = houses(seed)[:120]
    levels = ["zzz", "city 05a", *inside["city"].cat.categories[::-1]]
    others = inside.assign(city=inside["city"].cat.set_categories(levels), same=inside["same"].cat.add_categories("z"))
    target = target_of(inside, REGRESSION)
    first, encoded = fit_encoder(recipe, inside, target, REGRESSION, seed=3)
    second, encoded_again = fit_encoder(recipe, others, target, REGRESSION, seed=3)
    assert first.to_dict() == second.to_dict()
    np.testing.assert_array_equal(encoded.dense, encoded_again.dense)
    np.testing.assert_array_equal(encoded.codes, encoded_again.codes)


def test_a_row_alone_is_encoded_as_among_others():
    rows = houses()
    encoder, _ = fit_encoder(RECIPES[2], rows, target_of(rows, THREE), THREE, seed=0)
    together = encoder.transform(rows)
    for row in range(0, 200, 37):
        np.testing.assert_allclose(encoder.transform(rows[row : row + 1]).dense[0], together.dense[row], rtol=1e-6)


def test_constant_empty_and_single_level_columns_are_dropped():
    rows = houses()
    encoder, _ = fit_encoder(Encode(), rows, target_of(rows, REGRESSION), REGRESSION, seed=0)
    assert {"area", "rooms", "garage", "garage is missing", "street = missing", "street = paved"} <= set(encoder.names)
    assert not {"always", "never", "same = x", "street = gravel"} & set(encoder.names)


def test_an_infinite_number_counts_as_missing():
    rows = houses()
    encoder, _ = fit_encoder(Encode(), rows, target_of(rows, REGRESSION), REGRESSION, seed=0)
    blank = rows.assign(endless=rows["endless"].where(np.isfinite(rows["endless"])))
    np.testing.assert_array_equal(encoder.transform(rows).dense, encoder.transform(blank).dense)
    assert "endless is missing" in encoder.names


def test_an_unseen_level_is_rare_where_rare_levels_were_grouped_and_nothing_otherwise():
    rows = houses()
    rows.loc[rows["city"] == "city 07", "city"] = "city 08"
    rows.loc[3, "city"] = "city 07"
    new = rows[:1].assign(city=pd.Categorical(["nowhere"], rows["city"].cat.categories))
    for min_rows, hot in ((2, ["city = rare"]), (1, [])):
        encoder, _ = fit_encoder(Encode(min_rows=min_rows), rows, target_of(rows, REGRESSION), REGRESSION, seed=0)
        values = dict(zip(encoder.names, encoder.transform(new).dense[0], strict=True))
        assert [name for name, value in values.items() if name.startswith("city") and value] == hot


def test_fitted_rows_do_not_see_their_own_label():
    """A column with a level for every row says nothing about its target; a naive mean would say everything."""
    n = 300
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"key": pd.Categorical([f"{k:03d}" for k in range(n)]), "x": rng.normal(size=n)})
    target = rng.normal(size=n)
    encoder, encoded = fit_encoder(Encode(smoothing=0.0), rows, target, REGRESSION, seed=0)
    position = encoder.names.index("key: mean of target")
    assert abs(np.corrcoef(encoded.dense[:, position], target)[0, 1]) < 0.25
    assert np.corrcoef(encoder.transform(rows).dense[:, position], target)[0, 1] > 0.99


def test_the_book_s_recipe_is_standardised_numbers_and_dummies():
    """d2l: standardise with the mean and deviation of known values, missing becomes the mean, dummy_na=True."""
    rows = houses()[["area", "garage", "street"]]
    encoder, encoded = fit_encoder(Encode(indicators=False), rows, target_of(rows, REGRESSION), REGRESSION, seed=0)
    numbers = rows[["area", "garage"]]
    expected = ((numbers - numbers.mean()) / numbers.std(ddof=0)).fillna(0)
    dummies = pd.get_dummies(rows["street"].astype(object), dummy_na=True)
    assert encoder.names == ["area", "garage", "street = missing", "street = paved"]
    np.testing.assert_allclose(encoded.dense[:, :2], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(encoded.dense[:, 2:], dummies.iloc[:, ::-1].astype(np.float32))


def test_many_levels_do_not_become_many_columns():
    n = 30_000
    keys = pd.Categorical.from_codes(np.arange(n) // 2, [f"{k:05d}" for k in range(n // 2)])
    rows = pd.DataFrame({"key": keys})
    for many, shape in (("target", (n, 1)), ("ordinal", (n, 1)), ("embedding", (n, 0))):
        encoder, encoded = fit_encoder(Encode(many_levels=many), rows, np.arange(n) * 1.0, REGRESSION, seed=0)
        assert encoded.dense.shape == shape
        assert encoder.level_counts == ((n // 2 + 2,) if many == "embedding" else ())


def test_rows_of_one_sort_only_are_fine():
    rows = houses()
    for part in (["area"], ["city"], ["always"]):
        encoder, encoded = fit_encoder(Encode(), rows[part], target_of(rows, REGRESSION), REGRESSION, seed=0)
        assert encoded.dense.shape == (200, len(encoder.names))


def test_a_number_beyond_all_reason_does_not_overflow():
    rows = houses()
    encoder, _ = fit_encoder(Encode(), rows, target_of(rows, REGRESSION), REGRESSION, seed=0)
    wild = encoder.transform(rows.assign(area=1e300)).dense
    assert np.isfinite(wild).all()
    assert np.abs(wild).max() <= 1e6


def test_numbers_with_more_than_two_values_come_first():
    rows = houses().assign(pool=np.arange(200) % 2.0)
    rows = rows[["pool", *rows.columns.drop("pool")]]
    encoder, encoded = fit_encoder(Encode(), rows, target_of(rows, REGRESSION), REGRESSION, seed=1)
    assert encoder.names[: encoder.n_numeric] == ["area", "rooms", "garage", "endless"]
    assert "pool" in encoder.names[encoder.n_numeric :]
    pool = encoded.dense[:, encoder.names.index("pool")]
    assert np.unique(pool[::2]).size == np.unique(pool[1::2]).size == 1
