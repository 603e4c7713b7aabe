"""What each small transform computes, against pandas, scikit-learn or numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import PowerTransformer

from pipeline.transforms import (
    dates,
    impute,
    one_hot,
    ordinal,
    scale_robust,
    scale_standard,
    skew_log,
    skew_yeo_johnson,
    target_encode,
)
from pipeline.transforms._skewness import skewness

NAN = np.nan


def test_impute_fills_with_mean_or_median_and_an_empty_column_with_zero():
    rows = np.array([[1.0, NAN], [2.0, NAN], [9.0, NAN], [NAN, NAN]])
    assert impute.fit(rows, how="mean").apply(rows)[3].tolist() == [4.0, 0.0]
    assert impute.fit(rows, how="median").apply(rows)[3].tolist() == [2.0, 0.0]


def test_columns_missing_together_share_one_indicator():
    gone = np.array([True, False, False, True])
    rows = np.column_stack([np.where(gone, NAN, 1.0), np.where(gone, NAN, 2.0), np.where(~gone, NAN, 3.0), np.ones(4)])
    fitted = impute.fit(rows)
    assert fitted.flagged == (0, 2)
    np.testing.assert_array_equal(fitted.indicators(rows)[:, 0], gone)


def test_standard_scaling_ignores_missing_values_and_leaves_constants_at_zero():
    rows = np.array([[1.0, 5.0], [3.0, 5.0], [NAN, 5.0]])
    np.testing.assert_allclose(scale_standard.fit(rows).apply(rows), [[-1, 0], [1, 0], [NAN, 0]])


def test_robust_scaling_follows_the_paper():
    column = np.array([0.0, 1.0, 2.0, 3.0, 4.0])[:, None]  # quartiles 1, 2, 3
    scaled = (column - 2.0) / 2.0
    np.testing.assert_allclose(scale_robust.fit(column).apply(column), scaled / np.sqrt(1 + (scaled / 3) ** 2))


def test_robust_scaling_uses_half_the_range_where_quartiles_coincide():
    column = np.array([0.0] * 9 + [10.0])[:, None]
    expected = 2.0 / np.sqrt(1 + (2.0 / 3) ** 2)
    np.testing.assert_allclose(scale_robust.fit(column).apply(column)[:, 0], [0.0] * 9 + [expected])


def test_robust_scaling_never_exceeds_three():
    column = np.concatenate([np.linspace(0, 1, 99), [1e300]])[:, None]
    assert np.abs(scale_robust.fit(column).apply(column)).max() <= 3.0


def test_yeo_johnson_finds_scikit_learn_s_lambda():
    rows = np.random.default_rng(0).gamma(1.5, size=(800, 3)) * [1.0, 10.0, 0.1]
    ours = dict(skew_yeo_johnson.fit(rows).powers)
    expected = PowerTransformer(standardize=False).fit(rows).lambdas_
    for column, power in enumerate(expected):
        if -1 < power < 3:
            assert ours[column] == pytest.approx(power, abs=2e-3)


@given(x=st.floats(-1e6, 1e6), power=st.floats(-1.0, 3.0))
@settings(max_examples=200)
def test_yeo_johnson_has_an_inverse(x, power):
    bent = skew_yeo_johnson.yeo_johnson(np.array([[x]]), np.array([power]))
    known_digits = 1e-6 if (power >= 0 if x >= 0 else power <= 2) else 1e-2  # a flat end keeps few digits
    if abs(x) < 1e3 or known_digits == 1e-6:
        back = skew_yeo_johnson.inverse_yeo_johnson(bent, np.array([power]))
        assert back[0, 0] == pytest.approx(x, rel=known_digits, abs=1e-6)


def test_skewed_columns_become_less_skewed_and_others_stay():
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.lognormal(3, 1, 900), rng.normal(size=900), rng.integers(0, 2, 900)])
    for module in (skew_log, skew_yeo_johnson):
        straight = module.fit(rows).apply(rows)
        assert abs(skewness(straight)[0]) < 0.3 < skewness(rows)[0]
        np.testing.assert_array_equal(straight[:, 1:], rows[:, 1:])


def test_skewness_is_pandas_population_skewness():
    rows = np.random.default_rng(0).gamma(1.0, size=(400, 2)) * 1e200
    rows[::7, 0] = NAN
    expected = pd.DataFrame(rows / 1e200).apply(lambda c: ((c - c.mean()) ** 3).mean() / c.std(ddof=0) ** 3)
    np.testing.assert_allclose(skewness(rows), expected)


def frame(*levels) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Categorical(levels, categories=["a", "b", "c", "z"])})


def test_codes_are_zero_for_missing_one_for_rare_and_unseen_then_sorted_levels():
    fitted = ordinal.fit(frame("b", "a", "b", "a", "c", None), min_rows=2)
    assert fitted.levels == (("a", "b"),)
    assert fitted.apply(frame(None, "c", "z", "a", "b"))[:, 0].tolist() == [0, 1, 1, 2, 3]
    assert fitted.counts == (4,)


def test_levels_are_matched_by_name_not_by_position():
    fitted = ordinal.fit(frame("a", "b", "c"))
    other = pd.DataFrame({"c": pd.Categorical(["c", "a"], categories=["c", "a"])})
    assert fitted.apply(other)[:, 0].tolist() == [4, 2]


def test_one_hot_is_get_dummies_with_missing():
    levels = frame("a", None, "c", "a")
    codes = ordinal.fit(levels).apply(levels)
    expected = pd.get_dummies(levels["c"].cat.remove_unused_categories(), dummy_na=True)
    made = one_hot.fit(codes).apply(codes)
    np.testing.assert_array_equal(made, expected.to_numpy()[:, [2, 0, 1]].astype(np.float32))


def test_target_means_are_smoothed_towards_the_mean_of_all():
    codes, target = np.array([[2], [2], [3], [3]]), np.array([1.0, 3.0, 6.0, 10.0])
    fitted, _ = target_encode.fit(codes, target, smoothing=2.0)
    mean = 5.0
    assert fitted.apply(np.array([[2], [3], [1], [9]]))[:, 0].tolist() == [
        (4 + 2 * mean) / 4,
        (16 + 2 * mean) / 4,
        mean,
        mean,
    ]


def test_target_means_of_classes_are_their_shares():
    codes, target = np.array([[0], [0], [0], [1]]), np.array([0, 1, 2, 2])
    fitted, encoded = target_encode.fit(codes, target, n_classes=3, smoothing=0.0)
    np.testing.assert_allclose(fitted.apply(np.array([[0], [1]])), [[1 / 3, 1 / 3], [0, 1]])
    assert encoded.shape == (4, 2)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_changing_a_row_s_label_never_changes_its_own_encoding(seed):
    rng = np.random.default_rng(seed)
    codes, target = rng.integers(0, 5, (40, 2)), rng.normal(size=40)
    row = int(rng.integers(40))
    other = target.copy()
    other[row] += 100.0
    before, after = (target_encode.fit(codes, values, seed=1)[1] for values in (target, other))
    np.testing.assert_array_equal(before[row], after[row])
    assert not np.array_equal(before, after)
    assert not np.array_equal(before, target_encode.fit(codes, target, seed=2)[1])


def test_dates_become_parts_and_days():
    column = pd.Series(pd.to_datetime(["1970-01-02 12:30", None, "2024-02-29 00:00"]), name="sold")
    made = dates.apply(column)
    assert list(made) == [f"sold {part}" for part in (*dates.PARTS, "days")]
    assert made.iloc[0, :6].tolist() == [1970, 1, 2, 4, 12, 30]
    assert made["sold days"][0] == pytest.approx(1 + 12.5 / 24)
    assert made.loc[1].isna().all()
    assert set(made.dtypes) == {np.dtype("float64")}
