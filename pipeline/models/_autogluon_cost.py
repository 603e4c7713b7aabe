"""What AutoGluon's models cost on two cores: a formula of the table's size, that turns minutes into work.

Calibrated on single-thread CPU seconds of one fold's fit on House Prices (1,168 rows, 79 columns), s4e4 (72,000 rows,
8 columns) and otto (50,000 rows, 93 columns, 9 classes), TABM on made-up tables of 300 to 1,200 rows, 5 and 40 columns;
REALMLP after pytabkit's own five folds of House Prices (tests/benchmarks/rivals.py). It is an estimate within a factor
of two or so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rate:
    """Seconds of one fit: start + steps * (step + row * n_rows + cell * n_rows * n_columns), by outputs if per_output.

    steps: boosting rounds, trees or epochs, under the name that the family gives them, "" where it has none.
    usual: the share of the steps that early stopping lets happen; open_end: of AutoGluon's own number of them, where a
    configuration names none. fewest: with less a model is not worth fitting.
    """

    name: str
    default: int
    start: float
    step: float
    row: float
    cell: float
    usual: float = 1.0
    open_end: float = 1.0
    fewest: int = 60
    per_output: bool = False


@dataclass(frozen=True)
class Size:
    """The table and the work: rows of train, columns, trees a boosting round takes, and fits."""

    n_rows: int
    n_columns: int
    n_outputs: int
    n_fits: int


RATES: Mapping[str, Rate] = {
    "GBM": Rate("num_boost_round", 10_000, 0.3, 1.0e-3, 2.0e-7, 3.0e-9, usual=0.9, open_end=0.25, per_output=True),
    "XGB": Rate("n_estimators", 10_000, 0.3, 2.0e-3, 1.2e-7, 2.4e-9, usual=0.9, open_end=0.15, per_output=True),
    "CAT": Rate("iterations", 10_000, 0.5, 3.5e-3, 1.2e-7, 4.0e-9, usual=0.9, per_output=True),
    "RF": Rate("n_estimators", 300, 0.3, 0.0, 5.0e-6, 1.8e-7, fewest=50),
    "XT": Rate("n_estimators", 300, 0.3, 0.0, 1.2e-6, 1.0e-7, fewest=50),
    "NN_TORCH": Rate("num_epochs", 1000, 1.0, 0.0, 5.0e-5, 2.0e-6, usual=0.5, open_end=0.1, fewest=20),
    "TABM": Rate("n_epochs", 1000, 1.0, 0.0, 8.0e-4, 2.5e-5, open_end=0.05, fewest=10),
    "REALMLP": Rate("n_epochs", 256, 2.0, 0.0, 3.0e-5, 5.0e-7, fewest=64),
    "LR": Rate("", 1, 0.3, 0.0, 0.0, 2.0e-6, per_output=True),
    "KNN": Rate("", 1, 0.3, 0.0, 0.0, 1.0e-6),
}
UNKNOWN = "NN_TORCH"
"""What a family of which nothing was measured is taken for: one of the slow ones."""

ORDER = ("XGB", "GBM", "CAT", "NN_TORCH", "LR", "XT", "RF", "KNN", "REALMLP", "TABM")
"""Which family is kept first: by what it added to the blend for its seconds."""

LARGEST_SHARE = 0.4
"""Of what is left, that one configuration may take: many short fits blend better than one long one."""

FASTEST = 0.2
"""Learning rate up to which a booster with fewer rounds is made to learn faster."""

ONE_THREAD, TWO_CORES = 1.3, 1.6
"""How much faster whole cross-fits are than the sum of one fold's seconds: with one thread, since whole cross-fits of
practice-houses, House Prices and s4e4 took .77, .62 and .55 of it, and where the table is large enough for two.
"""

LARGE = 1_000_000
"""Rows x columns from which a second thread is used (see _autogluon_fit.CELLS_A_THREAD)."""


def seconds(family: str, config: Mapping[str, Any], size: Size) -> float:
    """Estimate the seconds of all fits of one configuration on two cores."""
    rate = RATES.get(family, RATES[UNKNOWN])
    share = rate.usual if rate.name in config else min(rate.usual, rate.open_end)
    steps = config.get(rate.name, rate.default) * share
    return size.n_fits * (rate.start + steps * _step(rate, size)) / _speed(size)


def fit_into(models: Mapping[Any, list[dict[str, Any]]], budget: float, size: Size) -> dict[str, list[dict[str, Any]]]:
    """Return the configurations that fit into `budget` seconds, in the order of their worth.

    The first configuration of every family comes before any second one. One that does not fit with all its
    steps is given as many as fit, or is left out where these are too few; the very first is always kept, with
    the fewest steps at least.
    """
    kept: dict[str, list[dict[str, Any]]] = {}
    waiting = [(rank, ORDER.index(family), family) for family in models for rank in range(len(models[family]))]
    for rank, _, family in sorted(waiting):
        config = _fitting(family, models[family][rank], budget * LARGEST_SHARE, size)
        if config is None and not kept:
            config = _with_steps(family, models[family][rank], RATES[family].fewest)
        if config is not None:
            kept.setdefault(family, []).append(config)
            budget -= seconds(family, config, size)
    return kept


def _fitting(family: str, config: dict[str, Any], budget: float, size: Size) -> dict[str, Any] | None:
    """Return the configuration with as many of its steps as the budget allows, None where these are too few."""
    if seconds(family, config, size) <= budget:
        return config
    rate = RATES[family]
    steps = (budget * _speed(size) / size.n_fits - rate.start) / (rate.usual * _step(rate, size))
    return _with_steps(family, config, int(steps)) if rate.name and steps >= rate.fewest else None


def _with_steps(family: str, config: dict[str, Any], steps: int) -> dict[str, Any]:
    """Return the configuration with fewer steps; a booster learns faster by as much, up to FASTEST."""
    rate = RATES[family]
    if not rate.name or steps >= _steps(family, config):
        return config
    cut = config | {rate.name: steps}
    if rate.per_output and "learning_rate" in config:
        wanted = config["learning_rate"] * _steps(family, config) / steps
        cut["learning_rate"] = round(max(config["learning_rate"], min(wanted, FASTEST)), 4)
    return cut


def _speed(size: Size) -> float:
    return TWO_CORES if size.n_rows * size.n_columns >= LARGE else ONE_THREAD


def _step(rate: Rate, size: Size) -> float:
    one = rate.step + size.n_rows * (rate.row + rate.cell * size.n_columns)
    return one * size.n_outputs if rate.per_output else one


def _steps(family: str, config: Mapping[str, Any]) -> int:
    return int(config.get(RATES[family].name, RATES[family].default))
