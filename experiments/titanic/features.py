"""What a passenger's name, ticket and cabin tell; each function looks at one row at a time."""

from __future__ import annotations

import pandas as pd

TITLES = {"Mlle": "Miss", "Ms": "Miss", "Mme": "Mrs"}
COMMON = ("Mr", "Mrs", "Miss", "Master")


def title(rows: pd.DataFrame) -> pd.Series:
    """The title in the name: Mr, Mrs, Miss, Master (a boy) or rare."""
    found = rows["Name"].str.extract(r",\s*(?:the )?([A-Za-z]+)\.?", expand=False).replace(TITLES)
    return found.where(found.isin(COMMON) | found.isna(), "rare")


def family(rows: pd.DataFrame) -> pd.DataFrame:
    """How many of the family are aboard, and whether nobody is."""
    size = rows["SibSp"] + rows["Parch"] + 1
    return pd.DataFrame({"family size": size, "alone": size == 1, "big family": size > 4})


def cabin(rows: pd.DataFrame) -> pd.DataFrame:
    """The deck, and whether a cabin is known at all (it is of those who could be asked)."""
    return pd.DataFrame({"deck": rows["Cabin"].str[0], "cabin known": rows["Cabin"].notna()})


def ticket(rows: pd.DataFrame) -> pd.DataFrame:
    """Letters before the ticket's number, and how many digits that number has."""
    text = rows["Ticket"].astype(str)
    letters = text.str.extract(r"^(\D+?)[./ ]*\d*$", expand=False).str.replace(r"[./ ]|\d", "", regex=True).str.upper()
    digits = text.str.extract(r"(\d+)$", expand=False)
    return pd.DataFrame({"ticket letters": letters.str[:2].fillna("none"), "ticket digits": digits.str.len()})


def fare_of_one(rows: pd.DataFrame) -> pd.Series:
    """The fare stands for the whole ticket; this is it for each of the family."""
    return rows["Fare"] / (rows["SibSp"] + rows["Parch"] + 1)
