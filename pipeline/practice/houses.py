"""practice-houses: a made-up town whose house prices follow known rules, so that the best possible score is known.

The logarithm of a price is a signal, which the columns determine, plus normal noise with standard deviation NOISE. The
signal has what house prices have: a market that pays for area differently in each neighbourhood, quality that matters
more in large houses, a value that falls with age and rises again for old houses in the old town, renovation, a market
that turns, thresholds and saturation. Most missing values say something (no garage), some are lost at random from
columns that can be told from others or matter little.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.practice.town import AGENCIES, NEIGHBOURHOODS, RARE_LEVELS, STREETS
from pipeline.seeds import derive

N_TRAIN, N_TEST = 1500, 1500
NOISE = 0.12
QUALITY_WORDS = ("poor", "fair", "typical", "good", "excellent")
LAST_DAY = np.datetime64("2011-01-01")


def make_houses(seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Return train and test rows (3000, in this order) with Id and SalePrice, and the best possible prediction."""
    rng = np.random.default_rng(derive(seed, "practice-houses"))
    truth = _houses(rng, N_TRAIN + N_TEST)
    signal = log_price(truth)
    best = np.exp(signal)
    price = best * np.exp(NOISE * rng.standard_normal(len(truth)))
    shown = _shown(truth, rng)
    shown.insert(0, "Id", np.arange(1, len(truth) + 1))
    shown["SalePrice"] = np.round(price, -2).astype(int)
    return shown, pd.Series(np.round(best, 2), name="best")


def _houses(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Draw what is true of every house, nothing missing."""
    town = pd.DataFrame(NEIGHBOURHOODS).iloc[rng.choice(len(NEIGHBOURHOODS), n, p=_shares())].reset_index(drop=True)
    year = np.clip(town["year"] + rng.normal(0, 1, n) * town["spread"], 1872, 2009).round().astype(int)
    sold = np.datetime64("2006-01-01") + rng.integers(0, 365 * 5, n).astype("timedelta64[D]")
    wealth = 0.6 * town["wealth"] + 0.8 * rng.standard_normal(n)
    area = np.exp(7.25 + 0.16 * wealth + 0.25 * rng.standard_normal(n)).clip(480, 5200).round()
    storeys = np.where(rng.random(n) < 0.42, 2, 1)
    quality = np.clip((5.8 + 1.1 * wealth + (year - 1970) / 45 + rng.normal(0, 0.8, n)).round(), 1, 10).astype(int)
    renovated = (rng.random(n) < 0.42) & (year < 1995)
    renewal = np.where(renovated, year + ((2008 - year) * rng.beta(4, 1.4, n)).round(), year).astype(int)
    basement = rng.random(n) < 0.94
    garage = rng.random(n) < np.where(year < 1935, 0.75, 0.96)
    fireplaces = rng.binomial(2, np.clip(0.28 + 0.14 * wealth, 0.03, 0.9))
    first = np.where(storeys == 2, area * rng.uniform(0.48, 0.6, n), area).round()
    cars = np.clip((1.2 + (year - 1950) / 55 + 0.35 * wealth + rng.normal(0, 0.4, n)).round(), 1, 4).astype(int)
    houses = pd.DataFrame(
        {
            "Neighbourhood": town["name"],
            "Zone": rng.choice(["low", "medium", "high"], n, p=[0.75, 0.23, 0.02]),
            "OldTown": town["old"],
            "Wealth": town["wealth"],
            "Base": town["base"],
            "Elasticity": town["elasticity"],
            "CentreKm": (town["km"] * rng.uniform(0.7, 1.35, n)).round(2),
            "YearBuilt": year,
            "YearRenewed": renewal,
            "Sold": np.minimum(sold, LAST_DAY - 1),
            "LivingArea": area,
            "FirstFloorArea": first,
            "Storeys": storeys,
            "Quality": quality,
            "Condition": np.clip((5.5 + 1.2 * renovated + rng.normal(0, 1, n)).round(), 1, 9).astype(int),
            "LotArea": np.exp(8.9 + 0.12 * wealth + 0.1 * town["km"] ** 0.5 + 0.3 * rng.standard_normal(n)).round(),
            "BasementArea": np.where(basement, first * rng.uniform(0.7, 1.0, n), 0).round(),
            "BasementFinished": rng.beta(1, 1.3, n) * (rng.random(n) < 0.7) * basement,
            "GarageCars": cars * garage,
            "GarageArea": (cars * rng.normal(255, 30, n).clip(160, 380) * garage).round(),
            "GarageYear": np.where(rng.random(n) < 0.8, year, np.minimum(year + rng.integers(1, 40, n), 2009)),
            "Fireplaces": fireplaces,
            "Baths": np.clip((area / 1100 + rng.normal(0.5, 0.4, n)).round(), 1, 5).astype(int),
            "Bedrooms": np.clip((area / 560 + rng.normal(0.3, 0.6, n)).round(), 1, 7).astype(int),
            "PorchArea": (np.maximum(0, rng.normal(20, 70, n))).round(),
            "DeckArea": np.maximum(0, rng.normal(30, 120, n)).round(),
            "PoolArea": np.where(rng.random(n) < 0.006, rng.integers(200, 800, n), 0),
            "CentralAir": rng.random(n) < np.where(year < 1950, 0.8, 0.985),
        }
    )
    for name in ("Kitchen", "Exterior", "Heating", "BasementHeight", "Fireplace", "Garage"):
        level = 0.42 * (quality - 5.8) + 0.012 * (renewal - 1985) + rng.normal(2.2, 0.55, n)
        houses[f"{name}Level"] = np.clip(level.round(), 0, 4).astype(int)
    return houses


def log_price(house: pd.DataFrame) -> np.ndarray:
    """Return the expected logarithm of the price (n,): the rule of the town."""
    sold_year = house["Sold"].dt.year + (house["Sold"].dt.dayofyear - 1) / 365
    age = sold_year - house["YearBuilt"]
    since_renewal = sold_year - house["YearRenewed"]
    size = np.log(house["LivingArea"] / 1500)
    quality = house["Quality"] - 6
    with_basement = house["BasementArea"] > 0
    antique = 1 / (1 + np.exp(-(age - 85) / 6))
    signal = 12.0 + house["Base"]
    signal += house["Elasticity"] * size  # what a neighbourhood pays for area
    signal += 0.075 * quality + 0.012 * np.maximum(0, quality - 1) ** 2  # the best are worth much more
    signal += 0.085 * quality * size  # quality pays in large houses
    signal -= 0.30 * (1 - np.exp(-age / 28)) * (1 - 0.45 * np.exp(-since_renewal / 8))  # age, unless renewed
    signal += antique * np.where(house["OldTown"], 0.42, -0.08)  # old is good where all is old
    signal -= 0.11 * np.log1p(house["CentreKm"]) * (1 - 0.5 * (house["GarageCars"] >= 2))
    signal += 0.16 * np.tanh((np.log(house["LotArea"]) - 9.0) / 0.5) * np.where(house["CentreKm"] < 3, 1.4, 0.5)
    signal += np.where(with_basement, 0.05 + 0.10 * house["BasementFinished"], -0.06)
    signal += 0.02 * (house["BasementHeightLevel"] - 2) * with_basement
    signal += 0.045 * np.minimum(house["GarageCars"], 2) + 0.07 * (house["GarageCars"] >= 3) * (house["Wealth"] > 0)
    signal += 0.035 * (house["KitchenLevel"] - 2) * (1 + (since_renewal < 10)) + 0.012 * (house["ExteriorLevel"] - 2)
    signal += 0.035 * np.minimum(house["Fireplaces"], 1)
    signal += 0.03 * (house["Condition"] - 5) * (age > 30)
    signal -= 0.07 * ((house["Bedrooms"] > 2 * house["Baths"]) & (house["LivingArea"] > 1300))  # queues for the bath
    signal += 0.06 * house["CentralAir"] + 0.08 * (house["PoolArea"] > 0)
    signal -= 0.09 * (house["Storeys"] == 2) * (house["LivingArea"] < 1150)  # narrow stairs
    return (signal + 0.07 * np.cos(2 * np.pi * (sold_year - 2007.3) / 7)).to_numpy()  # the market turns


def _shown(truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What the files show: words for levels, codes, columns that say the same, distractors, missing values."""
    n = len(truth)
    with_basement, with_garage = truth["BasementArea"] > 0, truth["GarageCars"] > 0
    finished = (truth["BasementArea"] * truth["BasementFinished"]).round()
    words = {
        name: truth[f"{name}Level"].map(dict(enumerate(QUALITY_WORDS)))
        for name in ("Kitchen", "Exterior", "Heating", "BasementHeight", "Fireplace", "Garage")
    }
    style = 10 * (2 * truth["Storeys"] + (truth["YearBuilt"] < 1946)) + np.where(truth["LivingArea"] > 2600, 60, 0)
    ones = pd.DataFrame(
        {
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
            "Storeys": truth["Storeys"],
            "OverallQuality": truth["Quality"],
            "OverallCondition": truth["Condition"],
            "YearBuilt": truth["YearBuilt"],
            "YearRenewed": truth["YearRenewed"],
            "Roof": rng.choice(["gable", "hip", "flat", "mansard"], n, p=[0.77, 0.2, 0.02, 0.01]),
            "Cladding": rng.choice(["vinyl", "metal", "wood", "brick", "cement", "stucco"], n),
            "ExteriorQuality": words["Exterior"],
            "MasonryArea": np.maximum(0, rng.normal(-20, 180, n)).round(),
            "Foundation": np.where(truth["YearBuilt"] < 1940, "brick", np.where(with_basement, "concrete", "slab")),
            "BasementHeight": _with_gaps(words["BasementHeight"], ~with_basement),
            "BasementExposure": _with_gaps(rng.choice(["none", "low", "average", "good"], n), ~with_basement),
            "BasementFinishedArea": finished,
            "BasementUnfinishedArea": truth["BasementArea"] - finished,
            "BasementArea": truth["BasementArea"],
            "Heating": rng.choice(["gas", "water", "wall", "floor"], n, p=[0.975, 0.015, 0.007, 0.003]),
            "HeatingQuality": words["Heating"],
            "CentralAir": np.where(truth["CentralAir"], "Y", "N"),
            "FirstFloorArea": truth["FirstFloorArea"].astype(int),
            "SecondFloorArea": (truth["LivingArea"] - truth["FirstFloorArea"]).astype(int),
            "LivingArea": truth["LivingArea"].astype(int),
            "Baths": truth["Baths"],
            "BasementBaths": (rng.random(n) < 0.4) * with_basement * 1.0,
            "Bedrooms": truth["Bedrooms"],
            "Rooms": truth["Bedrooms"] + rng.integers(2, 5, n),
            "KitchenQuality": words["Kitchen"],
            "Fireplaces": truth["Fireplaces"],
            "FireplaceQuality": _with_gaps(words["Fireplace"], truth["Fireplaces"] == 0),
            "GarageType": _with_gaps(rng.choice(["attached", "detached", "built in"], n), ~with_garage),
            "GarageYear": truth["GarageYear"].where(with_garage),
            "GarageQuality": _with_gaps(words["Garage"], ~with_garage),
            "GarageCars": truth["GarageCars"].astype(float),
            "GarageArea": truth["GarageArea"],
            "PorchArea": truth["PorchArea"].astype(int),
            "DeckArea": truth["DeckArea"].astype(int),
            "PoolArea": truth["PoolArea"],
            "PoolQuality": _with_gaps(rng.choice(QUALITY_WORDS[1:], n), truth["PoolArea"] == 0),
            "Fence": _with_gaps(rng.choice(["wood", "wire", "hedge"], n), rng.random(n) < 0.8),
            "Renovated": pd.Series(truth["YearRenewed"] > truth["YearBuilt"], dtype=object),
            "PermitCode": [f"{code:05d}" for code in rng.integers(1, 60, n) * 37],  # a code with leading zeros
            "AgencyCode": rng.choice(AGENCIES, n),
            "SaleDate": truth["Sold"].dt.strftime("%Y-%m-%d"),
            "SaleType": rng.choice(["deed", "contract", "court", "new"], n, p=[0.87, 0.05, 0.03, 0.05]),
        }
    )
    return _lose(ones, rng)


def _lose(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Lose values at random, some only in test, and put levels into test that train has not."""
    for name, share in (("LotFrontage", 0.17), ("MasonryArea", 0.01), ("Renovated", 0.03), ("PermitCode", 0.06)):
        rows[name] = _with_gaps(rows[name], rng.random(len(rows)) < share)
    rows["LotFrontage"] = rows["LotFrontage"].astype(float)
    rows["MasonryArea"] = rows["MasonryArea"].astype(float)
    only_test = {"BasementArea": 2, "BasementBaths": 2, "GarageCars": 1, "GarageArea": 1, "KitchenQuality": 2}
    for name, count in (only_test | {"SaleType": 1, "Zone": 4, "CentreKm": 3}).items():
        rows.loc[N_TRAIN + rng.choice(N_TEST, count, replace=False), name] = (
            None if rows[name].dtype == object else np.nan
        )
    for name, level in RARE_LEVELS.items():
        rows.loc[N_TRAIN + rng.choice(N_TEST, 3, replace=False), name] = level
    whole = [name for name in rows.select_dtypes(float) if (rows[name].dropna() % 1 == 0).all()]
    return rows.astype(dict.fromkeys(whole, "Int64"))  # so that the file says 3, not 3.0


def _with_gaps(values: object, gaps: np.ndarray | pd.Series) -> pd.Series:
    return pd.Series(values, dtype=object).mask(np.asarray(gaps), None)


def _addresses(rng: np.random.Generator, n: int) -> list[str]:
    return [
        f"{number} {street}" for number, street in zip(rng.integers(1, 400, n), rng.choice(STREETS, n), strict=True)
    ]


def _shares() -> np.ndarray:
    shares = np.array([entry["share"] for entry in NEIGHBOURHOODS], dtype=float)
    return shares / shares.sum()
