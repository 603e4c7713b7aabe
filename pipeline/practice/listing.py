"""What the files of practice-houses show of the truth: words for levels, codes, distractors, missing values.

Columns stand in the order of the topics, and are drawn in it: another order makes other files.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.practice.town import AGENCIES, RARE_LEVELS, STREETS

QUALITY_WORDS = ("poor", "fair", "typical", "good", "excellent")
Columns = dict[str, object]


def show(truth: pd.DataFrame, rng: np.random.Generator, n_train: int) -> pd.DataFrame:
    """Return the columns of the files but Id and SalePrice; values lost only in test are below the first n_train."""
    columns: Columns = {}
    for topic in (_plot, _building, _basement, _inside, _garage, _outside, _sale):
        columns |= topic(truth, rng)
    return _lose(pd.DataFrame(columns), rng, n_train)


def _plot(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(truth)
    style = 10 * (2 * truth["Storeys"] + (truth["YearBuilt"] < 1946)) + np.where(truth["LivingArea"] > 2600, 60, 0)
    return {
        "BuildingClass": style.astype(int),  # a category written as a number
        "Zone": truth["Zone"],
        "Neighbourhood": truth["Neighbourhood"],
        "Address": _addresses(rng, n),
        "CentreKm": truth["CentreKm"],
        "LotFrontage": (np.sqrt(truth["LotArea"]) * rng.normal(0.72, 0.08, n)).round(),
        "LotArea": truth["LotArea"].astype(int),
        "LotShape": rng.choice(["regular", "slightly irregular", "irregular"], n, p=[0.63, 0.33, 0.04]),
        "LotCorner": rng.random(n) < 0.18,
        "Slope": rng.choice(["flat", "moderate", "steep"], n, p=[0.94, 0.05, 0.01]),
        "Street": np.where(rng.random(n) < 0.995, "paved", "gravel"),
        "Utilities": "all",  # constant
        "Alley": _with_gaps(rng.choice(["paved", "gravel"], n), rng.random(n) < 0.93),
    }


def _building(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(truth)
    modern = np.where(truth["BasementArea"] > 0, "concrete", "slab")
    return {
        "Storeys": truth["Storeys"],
        "OverallQuality": truth["Quality"],
        "OverallCondition": truth["Condition"],
        "YearBuilt": truth["YearBuilt"],
        "YearRenewed": truth["YearRenewed"],
        "Roof": rng.choice(["gable", "hip", "flat", "mansard"], n, p=[0.77, 0.2, 0.02, 0.01]),
        "Cladding": rng.choice(["vinyl", "metal", "wood", "brick", "cement", "stucco"], n),
        "ExteriorQuality": _in_words(truth["ExteriorLevel"]),
        "MasonryArea": np.maximum(0, rng.normal(-20, 180, n)).round(),
        "Foundation": np.where(truth["YearBuilt"] < 1940, "brick", modern),
    }


def _basement(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    none = truth["BasementArea"] == 0
    finished = (truth["BasementArea"] * truth["BasementFinished"]).round()
    return {
        "BasementHeight": _with_gaps(_in_words(truth["BasementHeightLevel"]), none),
        "BasementExposure": _with_gaps(rng.choice(["none", "low", "average", "good"], len(truth)), none),
        "BasementFinishedArea": finished,
        "BasementUnfinishedArea": truth["BasementArea"] - finished,
        "BasementArea": truth["BasementArea"],
    }


def _inside(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(truth)
    return {
        "Heating": rng.choice(["gas", "water", "wall", "floor"], n, p=[0.975, 0.015, 0.007, 0.003]),
        "HeatingQuality": _in_words(truth["HeatingLevel"]),
        "CentralAir": np.where(truth["CentralAir"], "Y", "N"),
        "FirstFloorArea": truth["FirstFloorArea"].astype(int),
        "SecondFloorArea": (truth["LivingArea"] - truth["FirstFloorArea"]).astype(int),
        "LivingArea": truth["LivingArea"].astype(int),
        "Baths": truth["Baths"],
        "BasementBaths": (rng.random(n) < 0.4) * (truth["BasementArea"] > 0) * 1.0,
        "Bedrooms": truth["Bedrooms"],
        "Rooms": truth["Bedrooms"] + rng.integers(2, 5, n),
        "KitchenQuality": _in_words(truth["KitchenLevel"]),
        "Fireplaces": truth["Fireplaces"],
        "FireplaceQuality": _with_gaps(_in_words(truth["FireplaceLevel"]), truth["Fireplaces"] == 0),
    }


def _garage(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    none = truth["GarageCars"] == 0
    return {
        "GarageType": _with_gaps(rng.choice(["attached", "detached", "built in"], len(truth)), none),
        "GarageYear": truth["GarageYear"].mask(none),
        "GarageQuality": _with_gaps(_in_words(truth["GarageLevel"]), none),
        "GarageCars": truth["GarageCars"].astype(float),
        "GarageArea": truth["GarageArea"],
    }


def _outside(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(truth)
    return {
        "PorchArea": truth["PorchArea"].astype(int),
        "DeckArea": truth["DeckArea"].astype(int),
        "PoolArea": truth["PoolArea"],
        "PoolQuality": _with_gaps(rng.choice(QUALITY_WORDS[1:], n), truth["PoolArea"] == 0),
        "Fence": _with_gaps(rng.choice(["wood", "wire", "hedge"], n), rng.random(n) < 0.8),
    }


def _sale(truth: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(truth)
    return {
        "Renovated": pd.Series(truth["YearRenewed"] > truth["YearBuilt"], dtype=object),
        "PermitCode": [f"{code:05d}" for code in rng.integers(1, 60, n) * 37],  # a code with leading zeros
        "AgencyCode": rng.choice(AGENCIES, n),
        "SaleDate": truth["Sold"].dt.strftime("%Y-%m-%d"),
        "SaleType": rng.choice(["deed", "contract", "court", "new"], n, p=[0.87, 0.05, 0.03, 0.05]),
    }


def _lose(rows: pd.DataFrame, rng: np.random.Generator, n_train: int) -> pd.DataFrame:
    """Lose values at random, some only in test, and put levels into test that train has not."""
    for name, share in (("LotFrontage", 0.17), ("MasonryArea", 0.01), ("Renovated", 0.03), ("PermitCode", 0.06)):
        rows[name] = _with_gaps(rows[name], rng.random(len(rows)) < share)
    rows["LotFrontage"] = rows["LotFrontage"].astype(float)
    rows["MasonryArea"] = rows["MasonryArea"].astype(float)
    only_test = {"BasementArea": 2, "BasementBaths": 2, "GarageCars": 1, "GarageArea": 1, "KitchenQuality": 2}
    for name, count in (only_test | {"SaleType": 1, "Zone": 4, "CentreKm": 3}).items():
        rows.loc[n_train + rng.choice(len(rows) - n_train, count, replace=False), name] = (
            None if rows[name].dtype == object else np.nan
        )
    for name, level in RARE_LEVELS.items():
        rows.loc[n_train + rng.choice(len(rows) - n_train, 3, replace=False), name] = level
    whole = [name for name in rows.select_dtypes(float) if (rows[name].dropna() % 1 == 0).all()]
    return rows.astype(dict.fromkeys(whole, "Int64"))  # so that the file says 3, not 3.0


def _in_words(level: pd.Series) -> pd.Series:
    return level.map(dict(enumerate(QUALITY_WORDS)))


def _with_gaps(values: object, gaps: np.ndarray | pd.Series) -> pd.Series:
    return pd.Series(values, dtype=object).mask(np.asarray(gaps), None)


def _addresses(rng: np.random.Generator, n: int) -> list[str]:
    return [
        f"{number} {street}" for number, street in zip(rng.integers(1, 400, n), rng.choice(STREETS, n), strict=True)
    ]
