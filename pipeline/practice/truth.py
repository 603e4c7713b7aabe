"""What is true of every house of practice-houses, drawn topic after topic, nothing missing.

The order of the draws decides every number: another order of topics, or of draws within one, makes another town.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.practice.town import NEIGHBOURHOODS

LAST_DAY = np.datetime64("2011-01-01")
LEVELS = ("Kitchen", "Exterior", "Heating", "BasementHeight", "Fireplace", "Garage")
Columns = dict[str, np.ndarray | pd.Series]


def draw(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return n houses: what log_price reads and the files show, beside the facts that it was all drawn from."""
    houses = pd.DataFrame(NEIGHBOURHOODS).iloc[rng.choice(len(NEIGHBOURHOODS), n, p=_shares())].reset_index(drop=True)
    topics = (_age, _size, _renewal, _possessions, _floors_and_cars, _location, _condition, _lot, _basement, _garage)
    for topic in (*topics, _rooms, _outside, _comfort, _levels):
        houses = houses.assign(**topic(houses, rng))
    return houses


def _age(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(houses)
    year = np.clip(houses["year"] + rng.normal(0, 1, n) * houses["spread"], 1872, 2009).round().astype(int)
    sold = np.datetime64("2006-01-01") + rng.integers(0, 365 * 5, n).astype("timedelta64[D]")
    return {"YearBuilt": year, "Sold": np.minimum(sold, LAST_DAY - 1)}


def _size(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(houses)
    means = 0.6 * houses["wealth"] + 0.8 * rng.standard_normal(n)
    area = np.exp(7.25 + 0.16 * means + 0.25 * rng.standard_normal(n)).clip(480, 5200).round()
    storeys = np.where(rng.random(n) < 0.42, 2, 1)
    quality = 5.8 + 1.1 * means + (houses["YearBuilt"] - 1970) / 45 + rng.normal(0, 0.8, n)
    whole = np.clip(quality.round(), 1, 10).astype(int)
    return {"OwnersMeans": means, "LivingArea": area, "Storeys": storeys, "Quality": whole}


def _renewal(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n, year = len(houses), houses["YearBuilt"]
    renovated = (rng.random(n) < 0.42) & (year < 1995)
    renewal = np.where(renovated, year + ((2008 - year) * rng.beta(4, 1.4, n)).round(), year).astype(int)
    return {"IsRenovated": renovated, "YearRenewed": renewal}


def _possessions(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(houses)
    return {
        "HasBasement": rng.random(n) < 0.94,
        "HasGarage": rng.random(n) < np.where(houses["YearBuilt"] < 1935, 0.75, 0.96),
        "Fireplaces": rng.binomial(2, np.clip(0.28 + 0.14 * houses["OwnersMeans"], 0.03, 0.9)),
    }


def _floors_and_cars(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n, area = len(houses), houses["LivingArea"]
    first = np.where(houses["Storeys"] == 2, area * rng.uniform(0.48, 0.6, n), area).round()
    cars = 1.2 + (houses["YearBuilt"] - 1950) / 55 + 0.35 * houses["OwnersMeans"] + rng.normal(0, 0.4, n)
    return {"FirstFloorArea": first, "Cars": np.clip(cars.round(), 1, 4).astype(int)}


def _location(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(houses)
    return {
        "Neighbourhood": houses["name"],
        "Zone": rng.choice(["low", "medium", "high"], n, p=[0.75, 0.23, 0.02]),
        "OldTown": houses["old"],
        "Wealth": houses["wealth"],
        "Base": houses["base"],
        "Elasticity": houses["elasticity"],
        "CentreKm": (houses["km"] * rng.uniform(0.7, 1.35, n)).round(2),
    }


def _condition(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    condition = 5.5 + 1.2 * houses["IsRenovated"] + rng.normal(0, 1, len(houses))
    return {"Condition": np.clip(condition.round(), 1, 9).astype(int)}


def _lot(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    spread = 0.3 * rng.standard_normal(len(houses))
    return {"LotArea": np.exp(8.9 + 0.12 * houses["OwnersMeans"] + 0.1 * houses["km"] ** 0.5 + spread).round()}


def _basement(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n, basement = len(houses), houses["HasBasement"]
    return {
        "BasementArea": np.where(basement, houses["FirstFloorArea"] * rng.uniform(0.7, 1.0, n), 0).round(),
        "BasementFinished": rng.beta(1, 1.3, n) * (rng.random(n) < 0.7) * basement,
    }


def _garage(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n, year, cars, garage = len(houses), houses["YearBuilt"], houses["Cars"], houses["HasGarage"]
    return {
        "GarageCars": cars * garage,
        "GarageArea": (cars * rng.normal(255, 30, n).clip(160, 380) * garage).round(),
        "GarageYear": np.where(rng.random(n) < 0.8, year, np.minimum(year + rng.integers(1, 40, n), 2009)),
    }


def _rooms(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n, area = len(houses), houses["LivingArea"]
    return {
        "Baths": np.clip((area / 1100 + rng.normal(0.5, 0.4, n)).round(), 1, 5).astype(int),
        "Bedrooms": np.clip((area / 560 + rng.normal(0.3, 0.6, n)).round(), 1, 7).astype(int),
    }


def _outside(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    n = len(houses)
    return {
        "PorchArea": np.maximum(0, rng.normal(20, 70, n)).round(),
        "DeckArea": np.maximum(0, rng.normal(30, 120, n)).round(),
        "PoolArea": np.where(rng.random(n) < 0.006, rng.integers(200, 800, n), 0),
    }


def _comfort(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    return {"CentralAir": rng.random(len(houses)) < np.where(houses["YearBuilt"] < 1950, 0.8, 0.985)}


def _levels(houses: pd.DataFrame, rng: np.random.Generator) -> Columns:
    """Quality of the parts of a house, from 0 to 4: they go with the whole and with its last renewal."""
    expected = 0.42 * (houses["Quality"] - 5.8) + 0.012 * (houses["YearRenewed"] - 1985)
    drawn = {f"{name}Level": expected + rng.normal(2.2, 0.55, len(houses)) for name in LEVELS}
    return {name: np.clip(level.round(), 0, 4).astype(int) for name, level in drawn.items()}


def _shares() -> np.ndarray:
    shares = np.array([entry["share"] for entry in NEIGHBOURHOODS], dtype=float)
    return shares / shares.sum()
