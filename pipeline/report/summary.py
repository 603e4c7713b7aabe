"""What a finished run found, read from its results' JSON files and manifests; needs only the standard library."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.engine.store import Result
from pipeline.entries import ENSEMBLE, MORE, TUNED, refit_of

MOST_DECIMALS = 6

SMALLEST = 1e-4
"""A score below this is shown with an exponent, unless its standard error is larger: it may be a zero that strays."""


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard; `kind` is "entry" or "blend", `se` NaN where there is one fold."""

    entry: str
    kind: str
    cv_score: float
    cv_error: float
    se: float
    stop_on: str
    reference: bool
    weight: float
    fold_errors: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Judged:
    """Scores by the local judge of a practice competition: ours, each entry's, and the best that anyone could get.

    All scores are on the private rows but `public`; best_possible is NaN where the judge does not know it.
    """

    private: float
    public: float
    best_possible: float
    entries: Mapping[str, float]
    references: tuple[str, ...]


@dataclass(frozen=True)
class Expected:
    """What the stage `score` expects of the private leaderboard; scores as Kaggle shows them, NaN where unknown.

    low, high: its 90 % interval. n_private: test rows that it is about; assumed: nobody said how many those are.
    forward: folds go forward in time. flattered: share of the weight on entries that stopped on the rows that score
    them. optimism, tuning, averaging: by how much its error is higher and, the last, lower than that of CV because of
    these. drift: `drift_auc` is more than chance, and then mostly by the columns named. weighted: the expected score
    with rows counted as often as test has such; readable: enough rows carry the weights, and train has enough like
    test's at all.
    """

    score: float
    low: float
    high: float
    test_se: float
    own_se: float
    size: float
    optimism: float
    flattered: float
    tuning: float
    averaging: float
    n_private: int
    assumed: bool
    drawn: str
    forward: bool
    drift_auc: float
    drift_se: float
    drift: bool
    columns: tuple[tuple[str, float], ...]
    weighted: float
    effective_rows: float
    readable: bool


@dataclass(frozen=True)
class Worth:
    """What a model is worth: by how much the ensemble's error is larger without it (se: NaN where there is one fold).

    n_entries: of the library; weight: theirs together; seconds: its training, its nested fits and, where it was tuned,
    its search.
    """

    model: str
    n_entries: int
    weight: float
    worth: float
    se: float
    seconds: float


@dataclass(frozen=True)
class Summary:
    """A run in a few numbers: the leaderboard best first, the ensemble's row, the judge's scores, seconds by node.

    truncated: what was left out because time was up, a line each. expected: None where the stage `score` was not run.
    worth: a row a model, the most valuable first; none where there is only one.
    """

    metric: str
    greater_is_better: bool
    n_folds: int
    n_repeats: int
    n_entries: int
    valid_to_train: float
    rows: tuple[Row, ...]
    weights: Mapping[str, float]
    judged: Judged | None
    seconds: Mapping[str, float]
    truncated: tuple[str, ...]
    expected: Expected | None = None
    worth: tuple[Worth, ...] = ()

    @property
    def ensemble(self) -> Row:
        """The row of the ensemble, which is what is submitted."""
        return next(row for row in self.rows if row.entry == ENSEMBLE)

    @property
    def minutes(self) -> float:
        """Minutes of work in all results, whenever they were made."""
        return sum(self.seconds.values()) / 60

    @property
    def decimals(self) -> int:
        """Decimals that scores are shown with."""
        return decimals(self.ensemble.cv_score, self.ensemble.se)


def summarise(results: Mapping[str, Result]) -> Summary:
    """Read the summary of the results of one run, by node name."""
    ensemble, submit = results["ensemble"].folder, results["submit"].folder
    result = _read(ensemble / "result.json")
    seconds = {name: float(r.manifest["seconds"]) for name, r in results.items()}
    return Summary(
        metric=result["metric"],
        greater_is_better=result["greater_is_better"],
        n_folds=result["n_folds"],
        n_repeats=result["n_repeats"],
        n_entries=result["n_entries"],
        valid_to_train=result["valid_to_train"],
        rows=tuple(_row(row) for row in _read(ensemble / "leaderboard.json")),
        weights=_read(ensemble / "weights.json"),
        judged=_judged(_read(submit / "judged.json")) if (submit / "judged.json").is_file() else None,
        seconds=seconds,
        truncated=tuple(f"{name}: {cut}" for name, r in results.items() for cut in truncated(r)),
        expected=read_expected(results["score"].folder) if "score" in results else None,
        worth=_worth(ensemble / "worth.json", seconds),
    )


def read_expected(folder: Path) -> Expected:
    """Read what the stage `score` wrote."""
    said = _read(folder / "score.json")
    drift, weighted, drawn = said["drift"], said["weighted"], said["drawn"]
    return Expected(
        score=_known(said["expected"]),
        low=_known(said["low"]),
        high=_known(said["high"]),
        **{name: _known(said[name]) for name in ("test_se", "own_se", "size", "optimism", "flattered")},
        **{name: _known(said[name]) for name in ("tuning", "averaging")},
        n_private=said["n_private"],
        assumed=said["public_share"] is None,
        drawn=f"{drawn['n']} {drawn['what']}",
        forward=said.get("forward", False),
        drift_auc=_known(drift["auc"]),
        drift_se=_known(drift["se"]),
        drift=drift["found"],
        columns=tuple((one["column"], one["share"]) for one in drift["columns"]),
        weighted=_known(weighted["expected"]),
        effective_rows=weighted["effective_rows"],
        readable=weighted["readable"],
    )


def truncated(result: Result) -> list[str]:
    """Return what a result left out because time was up."""
    return list(result.facts.get("truncated", ()))


def ancestors(results: Mapping[str, Result], key: str) -> dict[str, Result]:
    """Return the result under `key` and all it was made from, by node name; `results` are those of a store by key.

    A result that was removed from the store is left out.
    """
    found: dict[str, Result] = {}
    waiting = [key]
    while waiting:
        result = results.get(waiting.pop())
        if result is not None and result.name not in found:
            found[result.name] = result
            waiting.extend(origin["key"] for origin in result.manifest["inputs"].values())
    return found


def decimals(score: float, se: float) -> int:
    """Return how many decimals show five digits of a score and three of its standard error.

    They are MOST_DECIMALS at most, unless those would show next to nothing of both.
    """
    digits = [(abs(score), 4), (se, 2)]
    wanted = [n - math.floor(math.log10(size)) for size, n in digits if math.isfinite(size) and size > 0]
    tiny = 0 < abs(score) < SMALLEST and not se >= SMALLEST
    return max([0, *wanted]) if tiny else min(max([0, *wanted]), MOST_DECIMALS)


def number(value: float, places: int) -> str:
    """Return a score with so many decimals, where these are many with an exponent, or "-" where there is none."""
    return f"{value:z{_form(places)}}" if math.isfinite(value) else "-"


def signed(value: float, places: int) -> str:
    """Return a difference with its sign as `number` shows it; what is rounded to nothing has no sign."""
    rounded = round(value, places)
    return f"{rounded:+{_form(places)}}" if rounded else number(0.0, places)


def _form(places: int) -> str:
    return f".{places}f" if places <= MOST_DECIMALS else ".4e"


def minute(timestamp: str) -> str:
    """Return "2026-03-01 14:05" for an ISO timestamp of a manifest, which is in UTC."""
    return timestamp[:16].replace("T", " ")


def duration(seconds: float) -> str:
    """Return "42 s", "3.5 min" or "2.1 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _row(row: Mapping[str, Any]) -> Row:
    return Row(
        entry=row["entry"],
        kind=row["kind"],
        cv_score=row["cv_score"],
        cv_error=row["cv_error"],
        se=_known(row["se"]),
        stop_on=row["stop_on"],
        reference=row["reference"],
        weight=_known(row["weight"]),
        fold_errors=tuple(tuple(errors) for errors in row["fold_errors"]),
    )


def _worth(path: Path, seconds: Mapping[str, float]) -> tuple[Worth, ...]:
    """Read a table of worths, which results of earlier versions do not have."""
    rows = _read(path) if path.is_file() else []
    return tuple(
        Worth(
            model=row["model"],
            n_entries=row["entries"],
            weight=row["weight"],
            worth=row["worth"],
            se=_known(row["se"]),
            seconds=sum(seconds.get(node, 0.0) for node in _nodes_of(row["model"])),
        )
        for row in rows
    )


def _nodes_of(model: str) -> list[str]:
    """Return what was run for a model: all fits, and the search of a tuned one."""
    searched = [f"tune[{model.removesuffix(TUNED)}]"] if model.endswith(TUNED) else []
    fits = [f"{stage}[{name}]" for name in (model, model + MORE) for stage in ("train", "nested")]
    return [*fits, f"train[{refit_of(model)}]", *searched]


def _judged(judged: Mapping[str, Any]) -> Judged:
    return Judged(
        private=_known(judged["ours"].get("private")),
        public=_known(judged["ours"].get("public")),
        best_possible=_known(judged["ours"].get("best_private")),
        entries={name: _known(scores.get("private")) for name, scores in judged["entries"].items()},
        references=tuple(judged["references"]),
    )


def _known(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
