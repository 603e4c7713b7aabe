"""What tuning tried, as plots: history, rungs, each parameter against the error, all together, and which mattered."""

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
NOT_PARAMETERS = ("number", "state", "error", "se", "rungs")
MEASURES = ("error", "log loss")
"""What a table's errors may be called (pipeline/tuning/judge.py)."""


def measure(trials: pd.DataFrame) -> str:
    """Return what trials were judged by: the error, or what stands for it where labels are decided afterwards."""
    return next(name for name in MEASURES if name in trials)


def parameters(trials: pd.DataFrame) -> list[str]:
    """Return the names of the parameters that took more than one value."""
    names = [str(name) for name in trials if name not in NOT_PARAMETERS]
    return [name for name in names if trials[name].dropna().map(str).nunique() > 1]


def figures(trials: pd.DataFrame) -> dict[str, Figure]:
    """Return the figures that these trials allow, by name."""
    # where no trial has rungs, Parquet does not know that they would be numbers
    passed: list[Any] = [np.asarray(errors, dtype=np.float64) for errors in trials["rungs"]]
    called = measure(trials)
    trials = trials.rename(columns={called: "error"}).assign(rungs=passed)
    finished = trials.dropna(subset=["error"])
    made = {"history": history(trials, called)} if len(finished) else {}
    if len(finished) > 1 and parameters(finished):
        made["parameters"] = slices(finished, called)
        made["parallel"] = parallel(finished)
    if any(np.isfinite(errors).any() for errors in trials["rungs"]):
        made["rungs"] = rungs(trials, called)
    if len(finished) >= ENOUGH and len(parameters(finished.dropna(axis="columns"))) > 1:
        made["importance"] = importance(finished)
    return made


def history(trials: pd.DataFrame, called: str) -> Figure:
    """Error of each trial with its standard error, and the best so far; at the foot who failed or was given up."""
    figure = Figure(figsize=(6.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, "Trials in the order they ran", "trial", called)
    done = trials.dropna(subset=["error"])
    axes.errorbar(done["number"], done["error"], yerr=done["se"], fmt="o", color=BLUE, ecolor=PALE, markersize=4)
    axes.plot(
        done["number"], done["error"].cummin(), color=INK, linewidth=1, drawstyle="steps-post", label="best so far"
    )
    middle, worst = done["error"].quantile(0.75), done["error"].max()
    reach = 4 * (middle - done["error"].min())
    if 0 < reach < worst - middle:  # one diverged trial would press all others together
        axes.set_ylim(done["error"].min() - 0.1 * reach, middle + reach)
    for state, mark, colour in (("failed", "x", ORANGE), ("given up", "|", GREY)):
        numbers = trials.loc[trials["state"] == state, "number"]
        if len(numbers):
            axes.plot(numbers, np.full(len(numbers), done["error"].min()), mark, color=colour, label=state)
    axes.legend(frameon=False, fontsize=8)
    return figure


def rungs(trials: pd.DataFrame, called: str) -> Figure:
    """The errors of each trial at the rungs that it reached and at its end: finished ones strong, the others pale."""
    figure = Figure(figsize=(6.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, "Errors at the rungs", "", called)
    n_rungs = trials["rungs"].map(len).max()
    finished = trials["error"].notna()
    for chosen, colour in ((~finished, PALE), (finished, BLUE)):
        for errors, last in trials.loc[chosen, ["rungs", "error"]].itertuples(index=False):
            ends = [*errors, *([] if np.isnan(last) else [last])]
            axes.plot(range(len(ends)), ends, "o-", color=colour, alpha=0.6, linewidth=0.8, markersize=3)
    seen = np.concatenate([*trials["rungs"], trials.loc[finished, "error"]])
    seen = seen[np.isfinite(seen)]
    reach = 3 * (np.quantile(seen, 0.75) - seen.min())
    if 0 < reach < seen.max() - seen.min():
        axes.set_ylim(seen.min() - 0.05 * reach, seen.min() + reach)
    axes.set_xticks(range(n_rungs + 1), [*(f"rung {n}" for n in range(1, n_rungs + 1)), "end"])
    return figure


def parallel(finished: pd.DataFrame) -> Figure:
    """Every finished trial as a line through its parameters, the best tenth in orange."""
    names = parameters(finished)
    figure = Figure(figsize=(6.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, "Finished trials by their parameters", "", "")
    places = np.column_stack([_from_0_to_1(finished[name]) for name in names])
    best = finished["error"].rank().to_numpy() <= max(1, len(finished) // 10)
    for chosen, colour, width in ((~best, PALE, 0.8), (best, ORANGE, 1.6)):
        for line in places[chosen]:
            axes.plot(range(len(names)), line, color=colour, linewidth=width)
    ends = [_ends(finished[name]) for name in names]
    axes.set_xticks(range(len(names)), [f"{n}\n{low} – {high}" for n, (low, high) in zip(names, ends, strict=True)])
    axes.tick_params(axis="x", labelsize=7)
    axes.set_yticks([])
    return figure


def slices(finished: pd.DataFrame, called: str) -> Figure:
    """The error against every parameter, one panel each."""
    names = parameters(finished)
    n_rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(6.6, 2.1 * n_rows + 0.2), layout="constrained")
    best = finished["error"].idxmin()
    for place, name in enumerate(names):
        axes = figure.add_subplot(n_rows, COLUMNS, place + 1)
        prepare(axes, "", name, called if place % COLUMNS == 0 else "")
        values = finished[name]
        if _is_number(values):
            if _spans_far(values):
                axes.set_xscale("log")
            x = values.to_numpy(dtype=np.float64)
        else:
            levels = _levels(values)
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
    names = [
        name for name in parameters(finished) if finished[name].notna().all()
    ]  # the others were not always searched
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
        return optuna.distributions.CategoricalDistribution(_levels(values))
    return optuna.distributions.FloatDistribution(float(values.min()), float(values.max()), log=_spans_far(values))


def _values(values: pd.Series, distribution: Any) -> list[Any]:
    return [str(value) if hasattr(distribution, "choices") else float(value) for value in values]


def _levels(values: pd.Series) -> list[str]:
    return sorted(values.map(str).unique())


def _from_0_to_1(values: pd.Series) -> np.ndarray:
    if _is_number(values):
        numbers = values.to_numpy(dtype=np.float64)
        numbers = np.log(numbers) if _spans_far(values) else numbers
    else:
        numbers = values.map(str).map(_levels(values).index).to_numpy(dtype=np.float64)
    return np.asarray((numbers - np.nanmin(numbers)) / (np.nanmax(numbers) - np.nanmin(numbers)))


def _ends(values: pd.Series) -> tuple[str, str]:
    if _is_number(values):
        return f"{values.min():.3g}", f"{values.max():.3g}"
    levels = _levels(values)
    return levels[0][:10], levels[-1][:10]


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _spans_far(values: pd.Series) -> bool:
    return bool(values.min() > 0 and values.max() / values.min() > FAR)
