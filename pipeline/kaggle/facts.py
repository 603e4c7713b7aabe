"""What Kaggle knows of a competition, kept in data/<slug>/kaggle.json, and which of our metrics its metric is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.atomic import put_json, read_json_if_sound
from pipeline.errors import DataError
from pipeline.kaggle.client import Link, request

FILE = "kaggle.json"
FIELDS = {"slug", "title", "metric", "daily_limit", "deadline", "code_competition"}
NAMES = {
    "accuracy": ("accuracy", "categorizationaccuracy", "accuracyscore"),
    "auc": ("auc", "rocauc", "areaunderreceiveroperatingcharacteristiccurve", "rocaucscore"),
    "balanced_accuracy": ("balancedaccuracy", "balancedaccuracyscore"),
    "brier": ("brierscore",),
    "f1": ("f1", "f1score"),
    "f1_macro": ("macrof1", "f1macro", "macrof1score", "macrofscore"),
    "gini": ("normalizedginiindex", "normalizedginicoefficient", "gini"),
    "log_loss": ("logloss", "multiclassloss", "multiclasslogloss", "binarylogloss"),
    "mae": ("mae", "meanabsoluteerror", "mcmae", "meancolumnwisemeanabsoluteerror"),
    "mape": ("mape", "meanabsolutepercentageerror"),
    "mcc": ("mcc", "matthewscorrelationcoefficient"),
    "medae": ("medianabsoluteerror",),
    "mse": ("mse", "meansquarederror"),
    "quadratic_kappa": ("quadraticweightedkappa", "quadraticweightedkappascore", "qwk"),
    "r2": ("r2", "r2score", "coefficientofdetermination"),
    "rmse": ("rmse", "rootmeansquarederror", "mcrmse", "meancolumnwiserootmeansquarederror"),
    "rmsle": (
        "rmsle",
        "rootmeansquaredlogarithmicerror",
        "rootmeansquaredlogerror",
        "meancolumnwisermsle",
        "meancolumnwiserootmeansquaredlogarithmicerror",
    ),
    "rmspe": ("rmspe", "rootmeansquarepercentageerror", "rootmeansquaredpercentageerror"),
    "smape": ("smape", "symmetricmeanabsolutepercentageerror"),
}
"""Our metrics by Kaggle's names for them, in small letters and digits only."""


def ask_facts(link: Link) -> dict[str, Any]:
    """Return title, metric, daily limit, deadline (ISO, UTC) and whether it takes code only."""
    found = link.ask(link.api.get_competition, request("GetCompetition", competition_name=link.slug))
    return {
        "slug": link.slug,
        "title": found.title or "",
        "metric": found.evaluation_metric or "",
        "daily_limit": found.max_daily_submissions,
        "deadline": found.deadline.isoformat() if found.deadline else "",
        "code_competition": found.is_kernels_submissions_only,
    }


def save_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write kaggle.json into a competition's folder of data/."""
    put_json(folder / FILE, facts)


def known_facts(folder: Path) -> dict[str, Any]:
    """Return what `save_facts` wrote; nothing where it never did."""
    path = folder / FILE
    found = read_json_if_sound(path)
    if found is None and not path.exists():
        return {}
    if not isinstance(found, dict) or not found.keys() >= FIELDS:
        raise DataError(f"{path} is not what `pipeline download` wrote", hint="remove it and download again")
    return found


def our_metric(name: str) -> str | None:
    """Return our name of a metric that Kaggle calls `name`; None for one that we do not have."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((ours for ours, theirs in NAMES.items() if plain in theirs), None)
