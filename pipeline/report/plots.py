"""The plots of a report and of MLflow, each a matplotlib figure; no global state, no display."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.entries import ENSEMBLE
from pipeline.report.summary import Judged, Row

INK, BLUE, ORANGE, GREY, PALE = "#22303c", "#1f6fb2", "#d9822b", "#9aa5b1", "#c9dcec"
STYLE = {"fold": ORANGE, "inner": BLUE, "none": BLUE}
MOST_ENTRIES = 20
MOST_LABELS = 6
BINS = 10


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def loss_curves(curves: pd.DataFrame, title: str) -> Figure:
    """Training and stopping loss by epoch: every fold faint, their mean strong."""
    figure, axes = _figure(title, "epoch", "loss")
    for column, label, colour in (("train_loss", "training rows", BLUE), ("stop_loss", "stopping rows", ORANGE)):
        known = curves.dropna(subset=[column])
        if known.empty:
            continue
        for _, part in known.groupby(["repeat", "fold", "seed"]):
            axes.plot(part["epoch"], part[column], color=colour, alpha=0.2, linewidth=0.7)
        mean = mean_curve(known, column)
        axes.plot(mean.index, mean.to_numpy(), color=colour, label=label)
    _log_if_wide(axes, curves[["train_loss", "stop_loss"]].to_numpy())
    axes.legend(frameon=False, fontsize=8)
    return figure


def mean_curve(curves: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean loss by epoch over folds, repeats and seeds, as far as half of them got."""
    by_epoch = curves.dropna(subset=[column]).groupby("epoch")[column].agg(["mean", "size"])
    return by_epoch.loc[by_epoch["size"] >= by_epoch["size"].max() / 2, "mean"]


def fold_errors(rows: Sequence[Row], metric: str) -> Figure:
    """Every fold's error of every entry, one line an entry, with their mean; fold-stopped entries in orange."""
    shown = list(rows[:MOST_ENTRIES])[::-1]
    figure, axes = _figure("Error of each fold", f"error ({metric}, lower is better)", "", height=_height(len(shown)))
    for place, row in enumerate(shown):
        errors = np.array(row.fold_errors).ravel()
        axes.plot(errors, np.full(len(errors), place), "o", color=STYLE[row.stop_on], alpha=0.45, markersize=5)
        axes.plot([errors.mean()], [place], "|", color=INK, markersize=14, markeredgewidth=2)
    _names(axes, [row.entry for row in shown])
    return figure


def weights(shares: Mapping[str, float]) -> Figure:
    """The ensemble's weights, largest first."""
    chosen = sorted(shares.items(), key=lambda item: (item[1], item[0]))[-MOST_ENTRIES:]
    figure, axes = _figure("Weights of the ensemble", "weight", "", height=_height(len(chosen)))
    axes.barh(range(len(chosen)), [share for _, share in chosen], color=BLUE, height=0.6)
    _names(axes, [name for name, _ in chosen])
    return figure


def cv_against_private(rows: Sequence[Row], judged: Judged, metric: str) -> Figure:
    """CV score and the judge's private score of every entry; a point off the diagonal was promised something else."""
    figure, axes = _figure("What CV promised and what the judge found", f"CV {metric}", f"private {metric}", height=4.2)
    known = [row for row in rows if row.entry in judged.entries]
    for place, row in enumerate(known):
        colour = STYLE[row.stop_on]
        if place < MOST_LABELS:
            at = (row.cv_score, judged.entries[row.entry])
            axes.annotate(_short(row.entry, 24), at, (4, 4), textcoords="offset points", fontsize=7, color=GREY)
        axes.errorbar(row.cv_score, judged.entries[row.entry], xerr=_finite(row.se), fmt="o", color=colour, alpha=0.7)
    ours = next((row for row in rows if row.entry == ENSEMBLE), None)
    if ours is not None:
        point = (ours.cv_score, judged.private)
        axes.errorbar(*point, xerr=_finite(ours.se), fmt="D", color=INK, label="our ensemble")
    values = [v for row in known for v in (row.cv_score, judged.entries[row.entry])] + [judged.private]
    values += [] if ours is None else [ours.cv_score]
    axes.plot([min(values), max(values)], [min(values), max(values)], color=GREY, linewidth=1, label="as promised")
    if np.isfinite(judged.best_possible):
        axes.axhline(judged.best_possible, color=GREY, linestyle=":", label="best possible")
    axes.legend(frameon=False, fontsize=8)
    return figure


def predicted_against_target(target: np.ndarray, predicted: np.ndarray) -> Figure:
    """Out-of-fold predictions (n,) of a regression against the target (n,); logarithmic where it spans far."""
    figure, axes = _figure("Predicted out-of-fold, against the target", "target", "predicted", height=4.2)
    alpha = float(np.clip(300 / len(target), 0.1, 0.6))
    axes.plot(target, predicted, "o", color=BLUE, alpha=alpha, markersize=3.5, markeredgewidth=0)
    low, high = float(min(target.min(), predicted.min())), float(max(target.max(), predicted.max()))
    axes.plot([low, high], [low, high], color=INK, linewidth=1)
    if low > 0 and high / low > 20:
        axes.set_xscale("log")
        axes.set_yscale("log")
    return figure


def calibration(target: np.ndarray, probability: np.ndarray, label: str) -> Figure:
    """Share of rows that are `label` (target is 0 or 1), by tenths of the predicted probability (n,)."""
    figure, axes = _figure("Calibration out-of-fold", f"predicted probability of {label}", "share found", height=4.2)
    order = np.array_split(np.argsort(probability, kind="stable"), min(BINS, len(probability)))
    predicted = [probability[rows].mean() for rows in order]
    found = [target[rows].mean() for rows in order]
    spread = [2 * np.sqrt(max(f * (1 - f), 1e-9) / len(rows)) for f, rows in zip(found, order, strict=True)]
    axes.errorbar(predicted, found, yerr=spread, fmt="o-", color=BLUE, linewidth=1)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1)
    return figure


def confusion(target: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> Figure:
    """How often each class (n codes) is predicted as each class, as shares of its rows."""
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (target, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _figure("Confusion out-of-fold", "predicted", "true", height=max(3.0, min(0.42 * len(classes), 8.0)))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    for row, column in np.argwhere(counts > 0) if len(classes) <= 15 else ():
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, f"{counts[row, column]:.0f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(classes)), [_short(c, 10) for c in classes], rotation=45 if len(classes) > 4 else 0)
    axes.set_yticks(range(len(classes)), [_short(c, 16) for c in classes])
    return figure


def seconds_by_stage(seconds: Mapping[str, float]) -> Figure:
    """Seconds of every stage, the first on top."""
    chosen = list(seconds.items())[::-1]
    figure, axes = _figure("Where the time went", "seconds", "", height=_height(len(chosen)))
    axes.barh(range(len(chosen)), [value for _, value in chosen], color=GREY, height=0.6)
    _names(axes, [name for name, _ in chosen])
    return figure


def _figure(title: str, x: str, y: str, height: float = 3.4) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.6, height), layout="constrained")
    axes = figure.add_subplot()
    prepare(axes, title, x, y)
    return figure, axes


def prepare(axes: Axes, title: str, x: str, y: str) -> None:
    """Give axes the common look."""
    axes.set_title(_plain(title), fontsize=10, color=INK, loc="left")
    axes.set_xlabel(_plain(x), fontsize=9)
    axes.set_ylabel(_plain(y), fontsize=9)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name, 34) for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)


def _log_if_wide(axes: Axes, values: np.ndarray) -> None:
    known = values[np.isfinite(values)]
    if len(known) and known.min() > 0 and known.max() / known.min() > 20:
        axes.set_yscale("log")


def _height(n_lines: int) -> float:
    return 1.1 + 0.26 * max(n_lines, 2)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _short(text: str, length: int) -> str:
    return _plain(text if len(text) <= length else f"{text[: length - 1]}…")


def _plain(text: str) -> str:
    """Keep matplotlib from reading mathematics between dollar signs."""
    return text.replace("$", r"\$")
