"""What MLflow is told of a finished run: one run with everything, a nested run an entry, trials as tables and plots."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from pipeline.engine.plan import flat
from pipeline.engine.store import Result, Store
from pipeline.engine.track import Record
from pipeline.files import write_json
from pipeline.publish import raw_files
from pipeline.report import plots, trials
from pipeline.report.evidence import Evidence, gather
from pipeline.report.summary import Row, Summary, minute, number

if TYPE_CHECKING:
    from pipeline.show.runs import Run

POINTS = 200
"""Points of a loss curve that MLflow keeps: enough to see, few enough to load."""


def build(
    slug: str,
    experiment: str,
    config: Mapping[str, Any],
    store: Store,
    results: Mapping[str, Result],
    submissions: Path,
    folder: Path,
) -> Record:
    """Return the record of a run from its results by node name.

    config: both TOML files, under "competition" and "experiment", with every default, or nothing; submissions: where
    its CSV was published; folder: an empty one that receives the artifacts, and must live until the record is written.
    """
    evidence = gather(store, results)
    submit = results["submit"]
    finished = round(datetime.fromisoformat(submit.manifest["finished"]).timestamp() * 1000)
    return Record(
        name=experiment,
        identity=submit.key,
        params={**evidence.settings, **_unread_by_stages(config), **_raw_files(results)},
        tags=_tags(slug, experiment, evidence),
        metrics=_metrics(evidence.summary),
        artifacts=_artifacts(evidence, config, submissions, folder / "run"),
        children=tuple(_child(row, evidence, folder, finished) for row in evidence.summary.rows if row.kind == "entry"),
        finished=finished,
        seconds=evidence.summary.minutes * 60,
    )


def comparison(slug: str, runs: Sequence[Run]) -> str:
    """Return the markdown table that stands above a competition's runs, best first."""
    judged = any(run.summary.judged for run in runs)
    heads = ["experiment", "CV", "± se", *(["private"] if judged else []), "entries", "minutes", "made (UTC)"]
    lines = []
    for run in runs:
        row, summary = run.summary.ensemble, run.summary
        private = [number(summary.judged.private if summary.judged else math.nan, summary.decimals)] if judged else []
        scores = [number(row.cv_score, summary.decimals) + _mark(row), number(row.se, summary.decimals)]
        when = minute(run.submit.manifest["finished"])
        lines.append([run.name, *scores, *private, str(summary.n_entries), f"{summary.minutes:.1f}", when])
    metric = f" ({runs[0].summary.metric})" if runs else ""
    return f"**{slug}**{metric}\n\n{_markdown(heads, lines)}\n\n{_FOLD_NOTE}"


def _tags(slug: str, experiment: str, evidence: Evidence) -> dict[str, str]:
    tags = {"competition": slug, "experiment": experiment, "mlflow.note.content": _note(evidence.summary)}
    minutes = evidence.settings["minutes"]
    tags |= {"mlflow.source.name": f"pipeline run {slug} --experiment {experiment} --minutes {minutes:g}"}
    tags |= {f"key/{name}": result.key[:16] for name, result in evidence.results.items()}
    if evidence.summary.truncated:
        tags["truncated"] = "; ".join(evidence.summary.truncated)
    commit = _commit()
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _commit() -> str:
    """Return the commit of the package's working tree; nothing where there is none."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _unread_by_stages(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that no stage's own config holds: the experiment's seed and the names of the raw files."""
    if not config:
        return {}
    return flat({"seed": config["experiment"]["seed"], "competition": {"files": config["competition"]["files"]}})


def _raw_files(results: Mapping[str, Result]) -> dict[str, str]:
    return {f"raw/{name}": sha256 for name, sha256 in raw_files(results).items()}


def _metrics(summary: Summary) -> dict[str, float]:
    """Few plain names to compare runs by; the many behind them have prefixes."""
    metrics = _cv(summary.ensemble) | {"minutes": summary.minutes, "entries": float(summary.n_entries)}
    if summary.judged is not None:
        judged = summary.judged
        metrics |= {"private_score": judged.private, "public_score": judged.public}
        metrics |= {"best_possible_score": judged.best_possible}
        metrics |= {f"private/{name}": score for name, score in judged.entries.items()}
    if summary.expected is not None:
        found = summary.expected
        metrics |= {"expected_score": found.score, "expected_low": found.low, "expected_high": found.high}
        metrics |= {"drift_auc": found.drift_auc}
    metrics |= {f"cv/{row.entry}": row.cv_score for row in summary.rows}
    metrics |= {f"weight/{name}": share for name, share in summary.weights.items()}
    metrics |= {f"worth/{row.model}": row.worth for row in summary.worth}
    metrics |= {f"seconds/{name}": value for name, value in summary.seconds.items()}
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _cv(row: Row) -> dict[str, float]:
    folds = {
        f"fold_error/{repeat}-{fold}": error
        for repeat, errors in enumerate(row.fold_errors)
        for fold, error in enumerate(errors)
    }
    return {"cv_score": row.cv_score, "cv_error": row.cv_error, "cv_se": row.se} | folds


def _child(row: Row, evidence: Evidence, folder: Path, finished: int) -> Record:
    seconds = float(evidence.seconds.get(row.entry, 0.0))
    judged = evidence.summary.judged
    metrics = _cv(row) | {"weight": row.weight, "minutes": seconds / 60}
    if judged is not None:
        metrics["private_score"] = judged.entries.get(row.entry, math.nan)
    curves = evidence.entries[row.entry].curves
    return Record(
        name=row.entry,
        params=evidence.recipes[row.entry],
        tags={"entry": row.entry, "stop_on": row.stop_on, "reference": str(row.reference).lower()}
        | ({"findings": "; ".join(found)} if (found := evidence.findings.get(row.entry)) else {}),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        curves={} if curves is None else {c: thin(plots.mean_curve(curves, c)) for c in ("train_loss", "stop_loss")},
        artifacts=None if curves is None else _curves_plot(row.entry, curves, folder),
        finished=finished,
        seconds=seconds,
    )


def thin(curve: pd.Series) -> list[tuple[int, float]]:
    """Return (epoch, loss) of evenly chosen epochs, the first and the last among them."""
    step = max(-(-(len(curve) - 1) // (POINTS - 1)), 1)
    chosen = curve.iloc[::step]
    if len(curve) and chosen.index[-1] != curve.index[-1]:
        chosen = pd.concat([chosen.iloc[: POINTS - 1], curve.iloc[-1:]])
    return list(zip(chosen.index.tolist(), chosen.tolist(), strict=True))


def _curves_plot(entry: str, curves: pd.DataFrame, folder: Path) -> Path:
    own = folder / "entries" / quote(entry, safe="")
    own.mkdir(parents=True)
    (own / "curves.png").write_bytes(plots.png(plots.loss_curves(curves, entry)))
    return own


def _artifacts(evidence: Evidence, config: Mapping[str, Any], submissions: Path, folder: Path) -> Path:
    """Fill a folder with the submission, its provenance, the whole config, the tables behind it and the plots."""
    (folder / "plots").mkdir(parents=True)
    write_json(folder / "config.json", config)
    ensemble, submit = evidence.results["ensemble"].folder, evidence.results["submit"].folder
    told = [ensemble / f"{name}.json" for name in ("leaderboard", "weights", "worth")]
    for path in (*told, submit / "judged.json"):
        if path.is_file():
            shutil.copy(path, folder)
    for path in _published(evidence, submissions):
        shutil.copy(path, folder)
    for model, table in evidence.trials.items():
        table.to_parquet(folder / f"trials-{model}.parquet", index=False)
        table.to_csv(folder / f"trials-{model}.csv", index=False)
    for name, figure in _figures(evidence).items():
        (folder / "plots" / f"{name}.png").write_bytes(plots.png(figure))
    return folder


def _published(evidence: Evidence, submissions: Path) -> list[Path]:
    """Return the published CSV and its provenance, or the stage's own where it is no longer there."""
    submit = evidence.results["submit"]
    sha256 = submit.manifest["outputs"]["submission.csv"]["sha256"]
    found = sorted(submissions.glob(f"*-{sha256[:8]}.*"))
    return found or [submit.folder / "submission.csv", submit.folder / "provenance.json"]


def _figures(evidence: Evidence) -> dict[str, Any]:
    summary = evidence.summary
    figures = {
        "fold-errors": plots.fold_errors(summary.rows, summary.metric),
        "weights": plots.weights(summary.weights),
        "seconds": plots.seconds_by_stage(summary.seconds),
    }
    if summary.judged is not None:
        figures["cv-against-private"] = plots.cv_against_private(summary.rows, summary.judged, summary.metric)
    for model, table in evidence.trials.items():
        figures |= {f"trials-{model}-{name}": figure for name, figure in trials.figures(table).items()}
    return figures


def _note(summary: Summary) -> str:
    """Return the run's description: the headline and the leaderboard."""
    ours, places = summary.ensemble, summary.decimals
    lines = [f"CV {summary.metric} **{number(ours.cv_score, places)}** ± {number(ours.se, places)}{_mark(ours)}"]
    if summary.judged is not None:
        lines.append(f"private **{number(summary.judged.private, places)}**")
        lines += [f"{name} alone {number(summary.judged.entries[name], places)}" for name in summary.judged.references]
        if math.isfinite(summary.judged.best_possible):
            lines.append(f"best possible {number(summary.judged.best_possible, places)}")
    heads = ["entry", "CV", "± se", "weight", "stopped on", *(["private"] if summary.judged else [])]
    return f"{', '.join(lines)}\n\n{_markdown(heads, [_cells(row, summary) for row in summary.rows])}\n\n{_FOLD_NOTE}"


def _cells(row: Row, summary: Summary) -> list[str]:
    weight = "" if math.isnan(row.weight) else f"{row.weight:.3f}"
    cells = [row.entry + (" (for comparison)" if row.reference else ""), number(row.cv_score, summary.decimals)]
    cells += [number(row.se, summary.decimals), weight, row.stop_on]
    return cells + (
        [number(summary.judged.entries.get(row.entry, math.nan), summary.decimals)] if summary.judged else []
    )


def _markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)


def _mark(row: Row) -> str:
    return " \\*" if row.stop_on == "fold" else ""


_FOLD_NOTE = "\\* or stopped on *fold*: early stopping saw the rows that it is scored on, which is somewhat too good."
