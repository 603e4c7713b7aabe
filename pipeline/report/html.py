"""The report of an experiment: one HTML file with everything inside, readable on a phone and without a network."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pipeline.atomic import put_text
from pipeline.engine.run import Outcome
from pipeline.engine.store import Store
from pipeline.entries import ENSEMBLE
from pipeline.files import read_json
from pipeline.publish import raw_files
from pipeline.report import expectation, plots, trials
from pipeline.report.audit import Checked, verdict
from pipeline.report.evidence import Evidence, gather
from pipeline.report.style import CSS
from pipeline.report.summary import Expected, Row, Summary, duration, minute, number, signed
from pipeline.workspace import Workspace

MOST_CURVES = 8
MOST_CLASSES = 60


def write(
    workspace: Workspace, slug: str, name: str, outcome: Outcome, title: str = "", audit: Sequence[Checked] = ()
) -> Path:
    """Write experiments/<slug>/reports/<name>.html, whole or not at all, and return its path.

    title: of the competition; without one its slug stands in the heading. audit: its checks, if it has been audited.
    """
    evidence = gather(Store(workspace.cache(slug)), outcome.results)
    path = workspace.experiments / slug / "reports" / f"{name}.html"
    put_text(path, page(title or slug, name, evidence, audit))
    return path


def page(title: str, name: str, evidence: Evidence, audit: Sequence[Checked] = ()) -> str:
    """Return the whole document."""
    sections = "\n".join(_sections(evidence, audit))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(f'{title}: {name}')}</title><style>{CSS}</style></head>\n<body><main>"
        f"<h1>{escape(title)}</h1><p class='under'>experiment {escape(name)}</p>\n{sections}\n</main></body></html>\n"
    )


def _sections(evidence: Evidence, audit: Sequence[Checked]) -> Iterator[str]:
    yield _headline(evidence.summary)
    yield _section("Leaderboard", _leaderboard(evidence.summary))
    if evidence.summary.expected is not None:
        yield _section("Expected in private", *_expected(evidence.summary.expected, evidence.summary.decimals))
    if evidence.summary.judged is not None:
        yield _section("Practice: what the judge found", *_practice(evidence.summary))
    yield _section("Ensemble", _image(plots.weights(evidence.summary.weights)), *_predictions(evidence))
    if evidence.summary.worth:
        yield _section("What each model is worth", *_worth(evidence.summary))
    yield _section("Folds", _image(plots.fold_errors(evidence.summary.rows, evidence.summary.metric)), _split(evidence))
    if audit:
        yield _section("Leak audit", *_leaks(audit))
    curves = _curves(evidence)
    if curves:
        yield _section("Loss curves", *curves)
    for model, table in evidence.trials.items():
        yield _section(f"Tuning of {model}", *_tuning(model, table, evidence))
    yield _section("Columns", *_columns(evidence))
    yield _section("Time", _image(plots.seconds_by_stage(evidence.summary.seconds)))
    yield _section("Configuration", _folded("every setting, defaults included", _pairs(_configured(evidence))))
    yield _section("Where it comes from", *_provenance(evidence))


def _headline(summary: Summary) -> str:
    ours, places = summary.ensemble, summary.decimals
    cards = [(f"CV {summary.metric}", f"{number(ours.cv_score, places)} <small>± {number(ours.se, places)}</small>")]
    if summary.judged is not None:
        judged = summary.judged
        cards.append(("private, ours", number(judged.private, places)))
        cards += [("private, AutoGluon alone", number(judged.entries[n], places)) for n in judged.references]
        if math.isfinite(judged.best_possible):
            cards.append(("best possible", number(judged.best_possible, places)))
    cards.append(("time", escape(duration(summary.minutes * 60))))
    made = "".join(f"<div class='card'><span>{label}</span><b>{value}</b></div>" for label, value in cards)
    better = "higher" if summary.greater_is_better else "lower"
    stopped = {
        "inner": "Every part of it was stopped early on other rows than those that it is scored on.",
        "none": "Nothing in it stops early.",
        "fold": "Some of its parts were stopped early on the very rows that count for the score, "
        "so that it is somewhat too good.",
    }[ours.stop_on]
    n_errors = summary.n_repeats * summary.n_folds
    about = (
        f"{better.capitalize()} is better. The CV score is the mean over {n_errors} folds of an ensemble whose "
        "weights, and whatever was chosen to set them, come from other folds' rows; ± is its standard error, which "
        "knows that the folds share "
        f"training rows (Nadeau and Bengio 2003). {stopped}"
    )
    cut = "".join(f"<p><mark>cut short, time was up</mark> {escape(line)}</p>" for line in summary.truncated)
    return f"<div class='cards'>{made}</div>{cut}<p>{about}</p>"


def _leaderboard(summary: Summary) -> str:
    judged = summary.judged
    heads = ["entry", f"CV {summary.metric}", "± se", "weight", "stopped on", *(["private"] if judged else [])]
    lines = []
    for row in summary.rows:
        cells = [_entry(row), number(row.cv_score, summary.decimals), number(row.se, summary.decimals)]
        cells += ["" if math.isnan(row.weight) else f"{row.weight:.3f}" if row.weight else "-", _stopped(row)]
        if judged:
            score = judged.private if row.entry == ENSEMBLE else judged.entries.get(row.entry, math.nan)
            cells.append(number(score, summary.decimals))
        lines.append(
            (cells, "ours" if row.entry == ENSEMBLE else "aside" if row.reference or row.kind == "blend" else "")
        )
    note = (
        "<p class='note'>Stopped on <mark>fold</mark>: early stopping looked at the rows that the entry is scored on, "
        "so its CV score is optimistic. <i>inner</i>: it looked at others, which the fold may train on. Grey rows "
        "are for comparison and have no part in the ensemble.</p>"
    )
    return _table(heads, lines) + note


def _entry(row: Row) -> str:
    return escape(row.entry) + (" <small>for comparison</small>" if row.reference else "")


def _stopped(row: Row) -> str:
    return "<mark>fold</mark>" if row.stop_on == "fold" else escape(row.stop_on)


def _expected(found: Expected, places: int) -> Iterator[str]:
    interval = f"{number(found.low, places)} to {number(found.high, places)}"
    cells = [number(found.score, places), interval, f"{found.drift_auc:.3f} ± {found.drift_se:.3f}"]
    yield _table(["expected score", "nine times out of ten", "AUC, test against train"], [(cells, "ours")])
    yield "".join(f"<p>{escape(line)}</p>" for line in expectation.lines(found, places))
    if found.drift:
        columns = [([escape(name), f"{share:.1%}"], "") for name, share in found.columns]
        yield _folded("columns by which test differs from train", _table(["column", "share of the gain"], columns))


def _practice(summary: Summary) -> Iterator[str]:
    judged, places = summary.judged, summary.decimals
    assert judged is not None
    lines = [(["our ensemble", number(judged.private, places)], "ours")]
    lines += [([f"{escape(n)}, alone", number(judged.entries[n], places)], "") for n in judged.references]
    if math.isfinite(judged.best_possible):
        lines.append((["best possible: knows all but the noise", number(judged.best_possible, places)], "aside"))
    yield _table(["on the private rows", summary.metric], lines)
    yield _image(plots.cv_against_private(summary.rows, judged, summary.metric))
    gap = judged.private - summary.ensemble.cv_score
    n_se = abs(gap) / summary.ensemble.se if summary.ensemble.se else math.nan
    if math.isfinite(n_se):
        yield (
            f"<p class='note'>The judge's score differs from the CV score by {signed(gap, places)}, "
            f"{n_se:.1f} standard errors; the judge's own rows add noise of their own.</p>"
        )


def _predictions(evidence: Evidence) -> Iterator[str]:
    """Yield plots of the ensemble's out-of-fold predictions, averaged over repeats, on the rows that have them."""
    covered = ~np.isnan(evidence.blend.oof).any(axis=2)
    rows = covered.any(axis=0)
    predicted = np.nanmean(evidence.blend.oof[:, rows], axis=0)
    target = evidence.target[rows]
    if not evidence.classes:
        columns = target.T if target.ndim > 1 else [target]
        yield from (_image(plots.predicted_against_target(own, predicted[:, k])) for k, own in enumerate(columns))
        return
    if len(evidence.classes) == 2:
        yield _image(plots.calibration(target, predicted[:, 1], evidence.classes[1]))
    if len(evidence.classes) <= MOST_CLASSES:
        yield _image(plots.confusion(target, predicted.argmax(axis=1), evidence.classes))
    if not rows.all():
        yield f"<p class='note'>{int(rows.sum())} of {len(rows)} rows are validated by a fold.</p>"


def _worth(summary: Summary) -> Iterator[str]:
    lines = []
    for row in summary.worth:
        cells = [escape(row.model), str(row.n_entries), f"{row.weight:.3f}", signed(row.worth, summary.decimals)]
        lines.append(([*cells, number(row.se, summary.decimals), escape(duration(row.seconds))], ""))
    yield _table(["model", "entries", "weight", "error without it", "± se", "time"], lines)
    yield (
        "<p class='note'>By how much the error of the ensemble is larger where a model is left out and all else is "
        "fitted anew, on the same folds; ± is the standard error of that difference. Models that know the same are "
        "worth little each, even where both together are worth much.</p>"
    )


def _split(evidence: Evidence) -> str:
    report = read_json(evidence.results["split"].folder / "report.json")
    lines = []
    for fold in report["folds"]:
        sizes = [
            fold[key] for key in ("repeat", "fold", "train_rows", "of_these_stop_rows", "valid_rows", "unused_rows")
        ]
        lines.append(([str(value) for value in sizes] + [_target(fold["train"]), _target(fold["valid"])], ""))
    heads = ["repeat", "fold", "train", "of these stop", "valid", "unused", "target, train", "target, valid"]
    notes = "".join(f"<li>{escape(note)}</li>" for note in report["notes"])
    return f"<ul>{notes}</ul>" * bool(notes) + _folded(f"{report['kind']}: rows of each fold", _table(heads, lines))


def _target(shares: Mapping[str, float]) -> str:
    shown = list(shares.items())[:6]
    more = " …" if len(shares) > len(shown) else ""
    return escape(", ".join(f"{value:.4g}" if n == "mean" else f"{n} {value:.1%}" for n, value in shown) + more)


def _leaks(audit: Sequence[Checked]) -> Iterator[str]:
    yield f"<p>{escape(verdict(list(audit)))}.</p>"
    lines = []
    for check in audit:
        for one in check.findings:
            kind = escape(one["severity"]) if one["severity"] == "note" else f"<mark>{escape(one['severity'])}</mark>"
            cells = [kind, *(escape(one[key]) for key in ("what", "where", "strength", "todo"))]
            lines.append((cells, "aside" if one["severity"] == "note" else "ours"))
    if lines:
        yield _table(["", "what", "where", "how much", "to do"], lines)
    asked = [([escape(check.name), escape(check.asks)], "") for check in audit]
    yield _folded("what was asked", _table(["check", "question"], asked))


def _curves(evidence: Evidence) -> list[str]:
    rows = [row for row in evidence.summary.rows if row.entry in evidence.entries]
    found = [(row.entry, evidence.entries[row.entry].curves) for row in rows]
    said = [
        f"<li><b>{escape(entry)}</b>: {escape(line)}</li>"
        for entry, lines in evidence.findings.items()
        for line in lines
    ]
    images = [_image(plots.loss_curves(curves, entry)) for entry, curves in found if curves is not None]
    said = said or ["<li>nothing amiss was found</li>"] * bool(images)
    counted = [
        _folded(f"parameters of each network of {entry}", f"<pre>{escape(lines)}</pre>")
        for entry, lines in evidence.parameters.items()
    ]
    return images[:MOST_CURVES] + [f"<ul>{''.join(said)}</ul>"] * bool(said) + counted


def _tuning(model: str, table: Any, evidence: Evidence) -> Iterator[str]:
    facts = evidence.results[f"tune[{model}]"].facts
    best = ""
    if facts.get("best") is not None:
        best = f"; the one chosen has {trials.measure(table)} {facts['best']:.6g} on folds of its own"
    if facts.get("corrected") is not None:
        best += f", {facts['corrected']:.6g} once the choice among the finished ones is counted (BBC-CV)"
    verdict = f" {escape(facts['verdict']).capitalize()}." if "verdict" in facts else ""
    lost = f"{facts['given_up']} were given up early and {facts['failed']} failed"
    yield f"<p>{facts['trials']} trials, of which {lost}{best}.{verdict}</p>"
    yield from (_image(figure) for figure in trials.figures(table).values())
    chosen = read_json(evidence.results[f"tune[{model}]"].folder / "recipe.json")
    if chosen is not None:  # where minutes were too short for a trial, there is none
        yield _folded("the recipe that is used", _pairs(chosen))


def _columns(evidence: Evidence) -> Iterator[str]:
    report = read_json(evidence.results["preprocess"].folder / "report.json")
    yield (
        f"<p>{report['rows']['train']} rows of train and {report['rows']['test']} of test; "
        f"{report['numeric']} numeric and {report['categorical']} categorical columns.</p>"
    )
    yield "".join(f"<li>{escape(note)}</li>" for note in report["notes"]).join(("<ul>", "</ul>"))
    heads = ["column", "kind", "from", "missing, train", "test", "levels", "of test unseen"]
    keys = ("kind", "from", "missing_train", "missing_test", "levels", "unseen_levels")
    lines = [
        ([escape(column), *(escape(str(about.get(key, ""))) for key in keys)], "")
        for column, about in report["columns"].items()
    ]
    yield _folded("every column", _table(heads, lines))
    if report["dropped"]:
        dropped = [([escape(column), escape(reason)], "") for column, reason in report["dropped"].items()]
        yield _folded(f"{len(dropped)} columns left out, and why", _table(["column", "why"], dropped))


def _provenance(evidence: Evidence) -> Iterator[str]:
    raw = [([escape(name), f"<code>{sha}</code>"], "") for name, sha in raw_files(evidence.results).items()]
    csv = evidence.results["submit"].manifest["outputs"]["submission.csv"]["sha256"]
    raw.append((["submission.csv", f"<code>{csv}</code>"], "ours"))
    yield _table(["file", "sha256"], raw)
    stages = [
        ([escape(name), f"<code>{r.key[:16]}</code>", escape(minute(r.manifest["finished"]))], "")
        for name, r in evidence.results.items()
    ]
    yield _folded("stages", _table(["stage", "key", "made (UTC)"], stages))
    libraries: dict[str, str] = {}
    for result in evidence.results.values():
        libraries |= result.manifest["parts"].get("libraries", {})
    yield _folded("libraries", _pairs(dict(sorted(libraries.items()))))


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _image(figure: Figure) -> str:
    axes = figure.axes[0]
    data = base64.b64encode(plots.png(figure)).decode("ascii")
    alt = escape(axes.get_title(loc="left") or axes.get_xlabel(), quote=True)
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _configured(evidence: Evidence) -> dict[str, Any]:
    """Return every setting, and beside "auto" what it stood for as the model was trained."""
    trained = {f"models.{entry}.{key}": value for entry, own in evidence.recipes.items() for key, value in own.items()}
    return {
        key: f"{value}: {trained[key]}" if value == "auto" != trained.get(key, "auto") else value
        for key, value in evidence.settings.items()
    }


def _pairs(values: Mapping[str, Any]) -> str:
    return _table(["key", "value"], [([escape(key), escape(str(value))], "") for key, value in values.items()])


def _table(heads: Sequence[str], lines: Sequence[tuple[Sequence[str], str]]) -> str:
    """Return a table of cells that are HTML already; each line has the name of its look."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr class='{look}'>{''.join(f'<td>{c}</td>' for c in cells)}</tr>" for cells, look in lines)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
