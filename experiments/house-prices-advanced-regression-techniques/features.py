"""Features of a house that the raw columns hold only in pieces; each function looks at one row at a time."""

from __future__ import annotations

import pandas as pd

GRADES = {"Po": 1.0, "Fa": 2.0, "TA": 3.0, "Gd": 4.0, "Ex": 5.0}
GRADED = ("ExterQual", "ExterCond", "BsmtQual", "BsmtCond", "HeatingQC", "KitchenQual", "FireplaceQu", "GarageQual")


def areas(rows: pd.DataFrame) -> pd.DataFrame:
    """Areas in square feet that buyers think of: all floors, all that is finished, outside; and their proportions."""
    inside = rows["GrLivArea"] + rows["TotalBsmtSF"].fillna(0)
    finished = rows["GrLivArea"] + rows[["BsmtFinSF1", "BsmtFinSF2"]].sum(axis=1)
    porch = rows[["OpenPorchSF", "EnclosedPorch", "3SsnPorch", "ScreenPorch", "WoodDeckSF"]].sum(axis=1)
    return pd.DataFrame(
        {
            "inside area": inside,
            "finished area": finished,
            "area with garage and porch": inside + rows["GarageArea"].fillna(0) + porch,
            "porch area": porch,
            "area of a room": rows["GrLivArea"] / rows["TotRmsAbvGrd"],
            "built share of lot": rows["1stFlrSF"] / rows["LotArea"],
        }
    )


def ages(rows: pd.DataFrame) -> pd.DataFrame:
    """Years between the sale and what was built or renewed; a house sold before it was finished counts as new."""
    return pd.DataFrame(
        {
            "age": (rows["YrSold"] - rows["YearBuilt"]).clip(lower=0),
            "years since remodelling": (rows["YrSold"] - rows["YearRemodAdd"]).clip(lower=0),
            "age of garage": (rows["YrSold"] - rows["GarageYrBlt"]).clip(lower=0),
            "remodelled": rows["YearRemodAdd"] > rows["YearBuilt"],
        }
    )


def baths(rows: pd.DataFrame) -> pd.Series:
    """Bathrooms on all floors, half baths counting half."""
    full = rows["FullBath"] + rows["BsmtFullBath"].fillna(0)
    return full + 0.5 * (rows["HalfBath"] + rows["BsmtHalfBath"].fillna(0))


def grades(rows: pd.DataFrame) -> pd.DataFrame:
    """The graded columns as numbers, poor 1 to excellent 5, with 0 for a part the house does not have."""
    numbers = pd.DataFrame({f"{name} grade": rows[name].map(GRADES).astype(float).fillna(0.0) for name in GRADED})
    return numbers.assign(
        **{"mean grade": numbers[[f"{n} grade" for n in ("ExterQual", "KitchenQual", "BsmtQual")]].mean(axis=1)}
    )


def quality_by_area(rows: pd.DataFrame) -> pd.DataFrame:
    """What an overall grade is worth grows with the house."""
    inside = rows["GrLivArea"] + rows["TotalBsmtSF"].fillna(0)
    return pd.DataFrame(
        {
            "quality x area": rows["OverallQual"] * inside,
            "quality x condition": rows["OverallQual"] * rows["OverallCond"],
        }
    )
