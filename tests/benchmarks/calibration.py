"""make bench-calibration: does the 90 % interval of the expected score hold what it says, on rows that nobody saw?

Small, quick runs, tuned and blended all the same, on whatever of eleven data sets has its files here: scikit-learn's
own, the made-up houses, and real competitions in data/. Every run draws its train and held-out rows anew, and as many
go on at once as there are cores. What ran before is kept in data/calibration, whatever the code was, and not run again;
judging it takes some minutes. Results land in tests/benchmarks/results/: calibration.json and calibration.md.

What is measured on data (how much stopping on the fold flatters) is judged on each set by the figure of all others.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.blenders._library import build_library
from pipeline.entries import ENSEMBLE
from pipeline.honesty.expectation import STOPPED, Bias, Expectation, expect, own_factor
from pipeline.honesty.resample import pool
from pipeline.honesty.rivals import simulate
from pipeline.stages.score import bias_of
from pipeline.types import CrossFit
from pipeline.uncertainty import cv_figure, rows_ratio
from tests.benchmarks.calibration_runs import Kept, codes, here, kept, run, table_of
from tests.benchmarks.machine import machine
from tests.benchmarks.turns import publish, standard_error, table

HERE = Path("data/calibration")
DRAWS = range(22, 44)
"""Which draws of each data set are judged: by the held-out rows of earlier ones it was decided how to blend."""

MOST_Z = 5.0
"""Standard deviations at which a run's gap is cut in means, so that no single run decides; coverage counts it whole."""

WIDTH = 1.645


@dataclass(frozen=True)
class Gap:
    """What a run said, and what came out; errors, lower is better. unit: what one fold's error strays by."""

    expected: float
    low: float
    high: float
    se: float
    unit: float
    held: float

    @property
    def inside(self) -> bool:
        return self.low <= self.held <= self.high

    @property
    def z(self) -> float:
        """How many standard deviations the held-out error is above what was expected."""
        return float(np.clip((self.held - self.expected) / self.se, -MOST_Z, MOST_Z))

    def plus(self, optimism: float) -> Gap:
        """Return the same with so much added to what was expected."""
        low, high = self.low + optimism, self.high + optimism
        return Gap(self.expected + optimism, low, high, self.se, self.unit, self.held)


Gaps = dict[str, dict[str, list[Gap]]]
"""By what was judged, and by data set, a gap a run."""


def main() -> None:
    """Run what has not been run, judge all, write."""
    wanted = [(name, seed) for seed, name in product(DRAWS, here())]
    for name in here():
        table_of(name)
    with ProcessPoolExecutor() as workers:
        for told in workers.map(_fit, [run for run in wanted if not _folder(*run).is_dir()]):
            say(told)
    judge([name for name in here() if len(_folders(name)) > 1])


def judge(names: Sequence[str]) -> None:
    """Judge all that is kept of these sets, and write."""
    judged = _judge_all(names)
    gaps = _gaps(judged)
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "code": codes(folder for name in names for folder in _folders(name)),
        "machine": machine(),
        "stopped": {name: _stopped(judged, name) for name in names} | {"all": _stopped(judged, "")},
        "runs": {name: [_short(gap) for gap in gaps["the ensemble"][name]] for name in names},
    }
    text = _markdown(found, gaps, judged)
    publish("calibration", found, text)
    say(text)


def _short(gap: Gap) -> dict[str, float]:
    return {what: float(f"{value:.5g}") for what, value in asdict(gap).items()}


def _fit(wanted: tuple[str, int]) -> str:
    run(*wanted, _folder(*wanted))
    return "{} {}: fitted".format(*wanted)


def _folder(name: str, seed: int) -> Path:
    return HERE / name / str(seed)


def _folders(name: str) -> list[Path]:
    return [folder for seed in DRAWS if (folder := _folder(name, seed)).is_dir()]


def _judge_all(names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Judge every run that is kept, on all cores."""
    folders = [folder for name in names for folder in _folders(name)]
    judged: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with ProcessPoolExecutor() as workers:
        for folder, one in zip(folders, workers.map(_judge, folders), strict=True):
            judged[folder.parent.name].append(one)
            say(_told(folder, one["gaps"]["inner"]))
    return judged


def _told(folder: Path, gap: Gap) -> str:
    said = f"expected {gap.expected:.4g} ({gap.low:.4g} to {gap.high:.4g}), held out {gap.held:.4g}"
    return f"{folder.parent.name} {folder.name}: {said}{'' if gap.inside else ', outside'}"


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is what the command is for


def _judge(folder: Path) -> dict[str, Any]:
    """Return a run's gaps without a correction for stopping on the fold, and what that needs."""
    made = kept(folder)
    parts = {name: "fold" if name.endswith("-fold") else "inner" for name in made.entries}
    biases = {part: bias_of(ENSEMBLE, made.leaderboards[part]) for part in ("inner", "fold")}
    gaps = {part: gap_of(made, made.blends[part], biases[part]) for part in ("inner", "fold")}
    gaps |= {
        name: gap_of(made, entry, bias_of(name, made.leaderboards[parts[name]])) for name, entry in made.entries.items()
    }
    best, optimism = _chosen(made)
    return {
        "gaps": gaps | {"best": gaps[best]},
        "naive": _naive(made, made.blends["inner"]),
        "bias": asdict(biases["inner"]),
        "flattered": biases["fold"].flattered,
        "choice_optimism": optimism,
        "tuned": made.weights["inner"].get("mlp-tuned", 0.0),
        "averaging": _averaging(made, gaps["inner"].se),
    }


def gap_of(made: Kept, entry: CrossFit, bias: Bias) -> Gap:
    """Return a run's gap, without a correction for stopping on the fold."""
    table, bias = made.table, replace(bias, flattered=1.0)
    rows = pool(table.target, made.folds, table.task.metric, table.groups, table.time)
    how = {"n_private": len(made.truth), "seed": 0, "stopped": 1.0}
    found: Expectation = expect(rows, made.folds, table.target, entry.oof, bias, **how)
    held = table.task.metric.error(made.truth, entry.test)
    se = math.hypot(found.test_se, found.own_se)
    return Gap(found.error, found.low, found.high, se, found.optimism, held).plus(-found.optimism)


def _averaging(made: Kept, unit: float) -> dict[str, tuple[float, float]]:
    """Return what averaging was said to gain, and what it gained on the held-out rows, by entry, in some unit."""
    entries = {name: entry for name, entry in made.entries.items() if name != "lightgbm-fold"}
    metric = made.table.task.metric
    library = build_library(entries, made.table.target, metric, made.folds)
    blend = made.fitted["inner"]
    apart = {ENSEMBLE: np.stack([blend.apply(one) for one in library.apart])}
    apart |= {name: entry.apart for name, entry in entries.items() if name != "mlp-tuned"}
    together = {name: entry.test for name, entry in entries.items()} | {ENSEMBLE: made.blends["inner"].test}
    found = {}
    for name, own in apart.items():
        said = bias_of(name, made.leaderboards["inner"]).averaging
        gained = np.mean([metric.error(made.truth, one) for one in own]) - metric.error(made.truth, together[name])
        found[name] = said / unit, float(gained) / unit
    return found


def _naive(made: Kept, entry: CrossFit) -> Gap:
    """Return the CV error and its standard error (Nadeau and Bengio), as if the test set had no noise of its own."""
    metric = made.table.task.metric
    figure = cv_figure(made.folds.errors(metric, made.table.target, entry.oof), rows_ratio(made.folds))
    low, high = figure.mean - WIDTH * figure.se, figure.mean + WIDTH * figure.se
    return Gap(figure.mean, low, high, figure.se or 1e-9, figure.se, metric.error(made.truth, entry.test))


def _chosen(made: Kept) -> tuple[str, float]:
    """Return the entry of lowest CV error among those that never stop on the fold, and what the choice flatters."""
    table = made.table
    names = [name for name, entry in made.entries.items() if entry.stop_on != "fold"]
    oofs = [made.entries[name].oof for name in names]
    rows = pool(table.target, made.folds, table.task.metric, table.groups, table.time)
    errors = [made.folds.errors(rows.metric, table.target, oof).mean() for oof in oofs]
    boards = simulate(
        rows, oofs, errors, n_public=len(made.truth), n_private=len(made.truth), factor=own_factor(made.folds), seed=0
    )
    return names[int(np.argmin(errors))], boards.choice_optimism


def _stopped(judged: Mapping[str, Sequence[Mapping[str, Any]]], left_out: str) -> dict[str, float]:
    """Return how much stopping on the fold flatters, in units, from all sets but one, with its standard error."""
    means = []
    for name, runs in judged.items():
        if name != left_out:
            pairs = [(one["gaps"]["lightgbm-fold"], one["gaps"]["lightgbm"]) for one in runs]
            flattery = [((f.held - f.expected) - (i.held - i.expected)) / f.unit for f, i in pairs if f.unit > 0]
            means.append(float(np.mean(np.clip(flattery, -MOST_Z, MOST_Z))))
    return {"mean": statistics.mean(means), "se": standard_error(means)}


def _gaps(judged: Mapping[str, Sequence[Mapping[str, Any]]]) -> Gaps:
    """Correct every run by what was measured on the other data sets."""
    corrected = {
        name: [_corrected(one, _stopped(judged, name)["mean"]) for one in runs] for name, runs in judged.items()
    }
    whats = next(iter(corrected.values()))[0]
    return {what: {name: [one[what] for one in runs] for name, runs in corrected.items()} for what in whats}


def _corrected(one: Mapping[str, Any], stopped: float) -> dict[str, Gap]:
    gaps = one["gaps"]
    return {
        "the ensemble": gaps["inner"],
        "the ensemble, averaging not counted": gaps["inner"].plus(one["bias"]["averaging"]),
        "the ensemble, tuning not counted": gaps["inner"].plus(-one["bias"]["tuning"]),
        "the ensemble, by CV ± 1.645 se": one["naive"],
        "with an entry stopped on the fold": gaps["fold"].plus(stopped * one["flattered"] * gaps["fold"].unit),
        "the same, not corrected": gaps["fold"],
        "LightGBM stopped on the fold": gaps["lightgbm-fold"].plus(stopped * gaps["lightgbm-fold"].unit),
        "LightGBM stopped on the fold, not corrected": gaps["lightgbm-fold"],
        "LightGBM stopped on inner rows": gaps["lightgbm"],
        "the network": gaps["mlp"],
        "the linear model": gaps["linear"],
        "the best single entry, choice counted": gaps["best"].plus(one["choice_optimism"]),
        "the best single entry, choice not counted": gaps["best"],
    }


def _clustered(by_set: Mapping[str, Sequence[Gap]]) -> tuple[float, float]:
    """Return the mean over sets of their mean gap in standard deviations, and its standard error."""
    means = [statistics.mean(gap.z for gap in gaps) for gaps in by_set.values()]
    return _with_se(means)


def _of_means(by_set: Mapping[str, Sequence[Gap]]) -> tuple[float, float]:
    """Return the mean over sets of mean held-out less mean expected error, in their runs' mean standard deviation."""
    return _with_se([_gap_of_means(gaps) for gaps in by_set.values()])


def _gap_of_means(gaps: Sequence[Gap]) -> float:
    return statistics.mean(gap.held - gap.expected for gap in gaps) / statistics.mean(gap.se for gap in gaps)


def _with_se(means: Sequence[float]) -> tuple[float, float]:
    return statistics.mean(means), standard_error(means)


def _coverage(gaps: Sequence[Gap]) -> str:
    return f"{statistics.mean(gap.inside for gap in gaps):.1%}"


def _markdown(found: Mapping[str, Any], gaps: Gaps, judged: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    on = found["machine"]
    n_runs = sum(map(len, judged.values()))
    all_sets = found["stopped"]["all"]
    return "\n\n".join(
        [
            "# Does the interval hold what it says?",
            f"`make bench-calibration`, {found['date']}, code {found['code']}, {on['cores']} cores of {on['cpu']}. "
            f"{n_runs} runs on {len(judged)} data sets, train and held-out rows drawn anew each time (whole groups in "
            "spaceship-titanic); a linear model, LightGBM, an MLP and what tuning made of it, blended by `shrunk`. "
            "Coverage: how often the error of the held-out rows lies in the 90 % interval (aim: 85 to 95 %). Gap: "
            "held-out less expected error in standard deviations of the interval, cut at "
            f"{MOST_Z:.0f}; mean over data sets ± its standard error over data sets (aim: within two of zero). "
            "Gap of means: a data set's mean errors compared, uncut, in its runs' mean standard deviation; where few "
            "rows decide an error, a run with none of them among its train rows expects too little and has a narrow "
            "interval, so that gaps by each run's own lie above zero even where what is expected is right on the mean. "
            "Below: how often the held-out error was lower than the interval (a pleasant surprise), above: higher.",
            overall(gaps),
            "By data set, the ensemble:",
            per_set(gaps["the ensemble"]),
            "Stopping on the rows that score an entry makes LightGBM look better by "
            f"{all_sets['mean']:.3f} ± {all_sets['se']:.3f} of what the error of one fold's rows strays by (in the "
            f"code: {STOPPED}); each data set was corrected by the figure of the others.",
            "What is submitted is the mean of all folds' models, which is better than one of them, as CV judges it. By "
            "how much, as it was said and as the held-out rows show, both in standard deviations of the interval (mean "
            "over data sets ± standard error):",
            _averaged(judged),
            _tuned(gaps["the ensemble"], judged),
        ]
    )


def overall(gaps: Gaps) -> str:
    rows = []
    for what, by_set in gaps.items():
        every = [gap for one in by_set.values() for gap in one]
        own, means = (f"{mean:+.3f} ± {se:.3f}" for mean, se in (_clustered(by_set), _of_means(by_set)))
        below, above = (
            statistics.mean(side) for side in ([g.held < g.low for g in every], [g.held > g.high for g in every])
        )
        spread = statistics.stdev(gap.z for gap in every)
        rows.append([what, _coverage(every), f"{below:.1%}", f"{above:.1%}", own, f"{spread:.2f}", means])
    return table(["what was judged", "coverage", "below", "above", "gap", "spread of gaps", "gap of means"], rows)


def per_set(by_set: Mapping[str, Sequence[Gap]]) -> str:
    rows = []
    for name, gaps in by_set.items():
        expected, held = (statistics.mean(values) for values in ([g.expected for g in gaps], [g.held for g in gaps]))
        both = [f"{gap:+.2f}" for gap in (statistics.mean(one.z for one in gaps), _gap_of_means(gaps))]
        rows.append([name, len(gaps), _coverage(gaps), f"{expected:.4g}", f"{held:.4g}", *both])
    return table(["data", "runs", "coverage", "expected error", "held-out error", "gap", "gap of means"], rows)


def _averaged(judged: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = []
    for name in next(iter(judged.values()))[0]["averaging"]:
        found = [np.mean([one["averaging"][name] for one in runs], axis=0) for runs in judged.values()]
        said, gained, wrong = np.array([(s, g, g - s) for s, g in found]).T
        rows.append(
            [name, *(f"{one.mean():.3f} ± {one.std(ddof=1) / len(one) ** 0.5:.3f}" for one in (said, gained, wrong))]
        )
    return table(["entry", "said", "gained", "gained less said"], rows)


def _tuned(by_set: Mapping[str, Sequence[Gap]], judged: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Say how the ensembles did in which what tuning found has weight."""
    pairs = [(gap, one["tuned"]) for name, runs in judged.items() for gap, one in zip(by_set[name], runs, strict=True)]
    tuned, others = [g.z for g, share in pairs if share > 0.05], [g.z for g, share in pairs if share <= 0.05]
    said = [f"{statistics.mean(part):+.2f} ({len(part)} runs)" if part else "none" for part in (tuned, others)]
    return (
        f"Mean gap of ensembles in which a tuned network has more than a twentieth of the weight: {said[0]}; of the "
        f"others: {said[1]}."
    )


if __name__ == "__main__":
    main()
