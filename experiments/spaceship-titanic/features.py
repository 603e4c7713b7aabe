"""What a passenger's id, cabin and bills tell; each function looks at one row at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd

BILLS = ["RoomService", "FoodCourt", "ShoppingMall", "Spa", "VRDeck"]


def cabin(rows: pd.DataFrame) -> pd.DataFrame:
    """The three parts of deck/number/side."""
    parts = rows["Cabin"].str.extract(r"^(?P<deck>[A-Z])/(?P<number>\d+)/(?P<side>[PS])$")
    return pd.DataFrame({"deck": parts["deck"], "cabin number": parts["number"].astype(float), "side": parts["side"]})


def group(rows: pd.DataFrame) -> pd.DataFrame:
    """The two parts of the id gggg_pp: the group's number, and the passenger's place in it."""
    parts = rows["PassengerId"].str.split("_", expand=True)
    return pd.DataFrame({"group number": parts[0].astype(float), "place in group": parts[1].astype(float)})


def spending(rows: pd.DataFrame) -> pd.DataFrame:
    """All bills together, on comfort (room, spa, VR) and on goods; logarithms, because a few spend a hundredfold."""
    bills = rows[BILLS]
    comfort = bills[["RoomService", "Spa", "VRDeck"]].sum(axis=1)
    goods = bills[["FoodCourt", "ShoppingMall"]].sum(axis=1)
    return pd.DataFrame(
        {
            "spent": np.log1p(comfort + goods),
            "spent on comfort": np.log1p(comfort),
            "spent on goods": np.log1p(goods),
            "spent nothing": (bills.fillna(0) == 0).all(axis=1),
            "kinds of bills": (bills > 0).sum(axis=1),
        }
    )


def logarithms(rows: pd.DataFrame) -> pd.DataFrame:
    """The logarithm of each bill."""
    return np.log1p(rows[BILLS]).add_prefix("log ")


def asleep(rows: pd.DataFrame) -> pd.Series:
    """Who spends is awake: a missing CryoSleep is filled from the bills of the same row."""
    spends = (rows[BILLS] > 0).any(axis=1)
    known = rows["CryoSleep"].astype("boolean").astype("float64")
    return known.mask(known.isna() & spends, 0.0)


def child(rows: pd.DataFrame) -> pd.Series:
    """Under thirteen, an age without bills of one's own."""
    return rows["Age"] < 13
