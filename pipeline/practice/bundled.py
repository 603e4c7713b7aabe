"""Practice competitions from the real data that scikit-learn ships: diabetes, breast cancer and digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from pipeline.seeds import derive


def load_diabetes() -> tuple[pd.DataFrame, str, float]:
    """442 patients: age, sex, six blood values, and the progression of the disease a year later.

    Efron, Hastie, Johnstone, Tibshirani (2004), Least Angle Regression; columns in their own units.
    """
    data = datasets.load_diabetes(as_frame=True, scaled=False)
    blood = ("cholesterol", "ldl", "hdl", "cholesterol_per_hdl", "log_triglycerides", "glucose")  # s1 to s6
    names = {f"s{number}": name for number, name in enumerate(blood, start=1)}
    rows = data.data.rename(columns=names).astype({"age": int, "sex": int})
    return _numbered(rows.assign(progression=data.target.astype(int))), "progression", 140.0


def load_breast_cancer() -> tuple[pd.DataFrame, str, float]:
    """569 tumours measured under the microscope (30 columns): is it malignant?

    Street, Wolberg, Mangasarian (1993), Nuclear feature extraction for breast tumor diagnosis.
    """
    data = datasets.load_breast_cancer(as_frame=True)
    rows = data.data.rename(columns=lambda name: name.replace(" ", "_"))
    return _numbered(rows.assign(malignant=1 - data.target)), "malignant", 0.5


def load_digits() -> tuple[pd.DataFrame, str, int]:
    """1797 handwritten digits as 8 x 8 grey pixels: which digit is it?

    UCI, Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), its test part.
    """
    data = datasets.load_digits(as_frame=True)
    return _numbered(data.data.astype(int).assign(digit=data.target)), "digit", 0


LOADERS = {
    "practice-diabetes": load_diabetes,
    "practice-breast-cancer": load_breast_cancer,
    "practice-digits": load_digits,
}


def half(slug: str, rows: pd.DataFrame, target: str) -> pd.Series:
    """Return which rows are train (n,): half of them, with the classes in proportion."""
    labels = rows[target] if rows[target].nunique() <= 10 else None
    train, _ = train_test_split(np.arange(len(rows)), test_size=0.5, random_state=derive(0, slug), stratify=labels)
    return pd.Series(rows.index.isin(train), index=rows.index)


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Shuffle the rows (the sources are partly sorted) and give them ids."""
    rows = rows.sample(frac=1, random_state=derive(0, "order")).reset_index(drop=True)
    rows.insert(0, "id", np.arange(1, len(rows) + 1))
    return rows
