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

from pipeline.practice import listing, truth
from pipeline.seeds import derive

N_TRAIN, N_TEST = 1500, 1500
NOISE = 0.12


def make_houses() -> tuple[pd.DataFrame, pd.Series]:
    """Return train and test rows (3000, in this order) with Id and SalePrice, and the best possible prediction."""
    rng = np.random.default_rng(derive(0, "practice-houses"))
    houses = truth.draw(rng, N_TRAIN + N_TEST)
    signal = log_price(houses)
    best = np.exp(signal)
    price = best * np.exp(NOISE * rng.standard_normal(len(houses)))
    shown = listing.show(houses, rng, N_TRAIN)
    shown.insert(0, "Id", np.arange(1, len(houses) + 1))
    shown["SalePrice"] = np.round(price, -2).astype(int)
    return shown, pd.Series(np.round(best, 2), name="best")


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
