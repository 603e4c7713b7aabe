"""AutoGluon on our folds: every base model an entry of its own, and its own weighted ensemble as a reference.

Its bagged children stop on the fold's validation rows and its feature generator sees all rows, which flatters
it a little: the entries say stop_on = "fold". All of it runs on the CPU, without a clock and with fixed seeds, so
that the same bytes come out again; RMSLE is trained as RMSE of log(1 + target), whose predictions are turned back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.models._autogluon_cost import RATES, ROUNDS, Size, minutes_of

if TYPE_CHECKING:
    from pipeline.types import CrossFit, Folds, Log, Table

LIBRARIES = ("autogluon.tabular", "lightgbm", "catboost", "xgboost", "scikit-learn", "torch")

Family = Literal["GBM", "CAT", "XGB", "RF", "XT", "LR", "KNN", "NN_TORCH", "GBM_PREP"]
