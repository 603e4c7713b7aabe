"""What tuning tried, as plots: the history, each parameter against the error, and which parameters mattered."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.plots import BLUE, GREY, INK, ORANGE, PALE, prepare

ENOUGH = 10
"""Finished trials below which importance would be noise."""
COLUMNS = 3
FAR = 50
"""Largest by smallest value from which a parameter is shown on a logarithmic scale."""
NOT_PARAMETERS = ("number", "error", "se")


def parameters(trials: pd.DataFrame) -> list[str]:
    """Return the names of the parameters that took more than one value."""
    names = [str(name) for name in trials if name not in NOT_PARAMETERS]
    return [name for name in names if trials[name].map(str).nunique() > 1]


def figures(trials: pd.DataFrame) -> dict[str, Figure]:
    """Return the figures that these trials allow, by name."""
    finished = trials.dropna(subset=["error"])
    made = {"history": history(trials)} if len(finished) else {}
    if len(finished) > 1 and parameters(finished):
        made["parameters"] = slices(finished)
    if len(finished) >= ENOUGH and len(parameters(finished)) > 1:
        made["importance"] = importance(finished)
    return made


def history(trials: pd.DataFrame) -> Figure:
    """Error of each trial with its standard error, and the best so far; failed trials are crosses at the foot."""
    figure = Figure(figsize=(6.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, "Trials in the order they ran", "trial", "error")
    done, failed = trials.dropna(subset=["error"]), trials[trials["error"].isna()]
    axes.errorbar(done["number"], done["error"], yerr=done["se"], fmt="o", color=BLUE, ecolor=PALE, markersize=4)
    axes.plot(
        done["number"], done["error"].cummin(), color=INK, linewidth=1, drawstyle="steps-post", label="best so far"
    )
    middle, worst = done["error"].quantile(0.75), done["error"].max()
    reach = 4 * (middle - done["error"].min())
    if 0 < reach < worst - middle:  # one diverged trial would press all others together
        axes.set_ylim(done["error"].min() - 0.1 * reach, middle + reach)
    if len(failed):
        foot = np.full(len(failed), done["error"].min())
        axes.plot(failed["number"], foot, "x", color=ORANGE, label="failed")
    axes.legend(frameon=False, fontsize=8)
    return figure


def slices(finished: pd.DataFrame) -> Figure:
    """The error against every parameter, one panel each."""
    names = parameters(finished)
    n_rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(6.6, 2.1 * n_rows + 0.2), layout="constrained")
    best = finished["error"].idxmin()
    for place, name in enumerate(names):
        axes = figure.add_subplot(n_rows, COLUMNS, place + 1)
        prepare(axes, "", name, "error" if place % COLUMNS == 0 else "")
        values = finished[name]
        if _is_number(values):
            if _spans_far(values):
                axes.set_xscale("log")
            x = values.to_numpy(dtype=np.float64)
        else:
            levels = sorted(values.map(str).unique())
            x = values.map(str).map(levels.index).to_numpy(dtype=np.float64)
            axes.set_xticks(range(len(levels)), [level[:10] for level in levels], rotation=30)
        axes.plot(x, finished["error"], "o", color=BLUE, alpha=0.5, markersize=4)
        axes.plot(x[finished.index.get_loc(best)], finished["error"].min(), "D", color=ORANGE, markersize=6)
    return figure


def importance(finished: pd.DataFrame) -> Figure:
    """How much each parameter decides whether a trial is among the better half."""
    shares = importances(finished)
    figure = Figure(figsize=(6.6, 1.1 + 0.26 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, "Which parameters mattered", "share of the importance", "")
    axes.barh(range(len(shares)), shares.to_numpy(), color=GREY, height=0.6)
    axes.set_yticks(range(len(shares)), list(shares.index))
    return figure


def importances(finished: pd.DataFrame) -> pd.Series:
    """Return each parameter's share of the importance, ascending.

    Source: Watanabe, Bansal and Hutter 2023, "PED-ANOVA", as Optuna implements it.
    """
    import optuna

    logging.getLogger("optuna").setLevel(logging.WARNING)
    names = parameters(finished)
    distributions = {name: _distribution(finished[name]) for name in names}
    study = optuna.create_study()
    columns = {name: _values(finished[name], distributions[name]) for name in names}
    for place, error in enumerate(finished["error"]):
        chosen = {name: values[place] for name, values in columns.items()}
        study.add_trial(optuna.trial.create_trial(params=chosen, distributions=distributions, value=error))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
    found = pd.Series(optuna.importance.get_param_importances(study, evaluator=evaluator))
    return found.sort_values()


def _distribution(values: pd.Series) -> Any:
    """Return the range that was tried, logarithmic where it spans far."""
    import optuna

    if not _is_number(values):
        return optuna.distributions.CategoricalDistribution(sorted(values.map(str).unique()))
    return optuna.distributions.FloatDistribution(float(values.min()), float(values.max()), log=_spans_far(values))


def _values(values: pd.Series, distribution: Any) -> list[Any]:
    return [str(value) if hasattr(distribution, "choices") else float(value) for value in values]


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _spans_far(values: pd.Series) -> bool:
    return bool(values.min() > 0 and values.max() / values.min() > FAR)
