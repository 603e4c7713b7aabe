"""`pipeline new`: a competition.toml and two experiments from nothing but the raw files, every inference said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from pipeline.atomic import put_text
from pipeline.engine import plugins
from pipeline.errors import ConfigError, PipelineError
from pipeline.kaggle.facts import our_metric
from pipeline.raw.guess import Guess, guess, usual_metric
from pipeline.raw.guess_keys import BY_HAND
from pipeline.raw.kinds import settle
from pipeline.raw.sheet import Sheet, read_sheet
from pipeline.raw.source import members
from pipeline.targets import COLUMN_MEANS, names_of
from pipeline.workspace import check_slug

REFITTED = r"(?m)^\[models\.(?!autogluon\]).*\]$"
WHY_REFITTED = "# refit: one more fit on all rows predicts test; the first folds' models know only the beginning"
TEMPLATES = {name: Path(__file__).with_name(f"{name}_experiment.toml") for name in ("default", "best")}
FEW_ROWS = 2_000
"""Rows below which folds are cut twice: weights and scores of so few depend much on the cut."""

TREES = "[models.lightgbm]"
TABLES = (".csv", ".csv.gz", ".csv.zip", ".tsv", ".txt")
ROLES = {"sample": ("sample", "submission"), "train": ("train",), "test": ("test",)}


@dataclass(frozen=True)
class Scaffolded:
    """The files that were written, and what was inferred, a sentence each.

    unknown_metric: Kaggle's, where it is none of ours for the task.
    """

    paths: tuple[Path, ...]
    findings: list[str]
    unknown_metric: str = ""


def scaffold(
    slug: str,
    raw_folder: Path,
    experiments_root: Path,
    metric: str | None = None,
    kaggle: Mapping[str, Any] = MappingProxyType({}),
) -> Scaffolded:
    """Write experiments/<slug>/competition.toml, default.toml and best.toml; existing files are never overwritten.

    metric: a name of pipeline/metrics; without one, the one that Kaggle names, else the task's usual metric. kaggle:
    what Kaggle knows of the competition, where it was asked. What cannot be inferred is a ConfigError that says what to
    write by hand.
    """
    check_slug(slug)
    folder = experiments_root / slug
    facts_path = folder / "competition.toml"
    if facts_path.exists():
        raise ConfigError(f"{facts_path} is there already", hint="edit it, or remove it to start anew")
    if metric is not None:
        metric = COLUMN_MEANS.get(metric, metric)
        plugins.find("metrics", metric, where="--metric")
    files, others = find_files(raw_folder)
    sheets = {role: read_sheet(raw_folder / name) for role, name in files.items()}
    beside, unread = _read_others(raw_folder, others)
    found = guess(sheets["train"], sheets["test"], sheets.get("sample"), beside)
    found.findings |= unread
    _find_metric(found, sheets, metric, kaggle.get("metric", ""))
    _find_positive(found)
    findings = [f"{role}: {name}" for role, name in files.items()] + list(found.findings.values())
    findings += [note for sheet in sheets.values() for note in sheet.notes]
    findings += _of_kaggle(kaggle)
    folder.mkdir(parents=True, exist_ok=True)
    title = kaggle.get("title") or slug.replace("-", " ").title()
    experiments = {folder / f"{name}.toml": name for name in TEMPLATES}
    new = [path for path in experiments if not path.exists()]
    for path in new:
        n_rows, n_targets = sheets["train"].cells.num_rows, len(names_of(found.target))
        text = experiment_toml(
            experiments[path], found.task, n_rows, n_targets, found.time_folds, grouped=bool(found.groups)
        )
        put_text(path, text)  # the next call keeps what is there
    put_text(facts_path, competition_toml(title, found, files))  # last: with it all is there
    findings += [f"wrote {path}" for path in (facts_path, *new)]
    judged_by = kaggle.get("metric", "")
    known = metric is not None or our_metric(judged_by) == found.metric
    return Scaffolded((facts_path, *new), findings, "" if known else judged_by)


def experiment_toml(
    name: str, task: str, n_rows: int, n_targets: int = 1, time_folds: int = 0, grouped: bool = False
) -> str:
    """Return the text of an experiment (a name of TEMPLATES); folds of a classification keep the classes' shares.

    time_folds: how many folds in time there are, where test lies after train; models are then fitted once more on all
    rows (on the days that follow, blends of a ridge and a tree had an error 0, 5, 10 and 27 % lower so: 24 draws of an
    AR process, of independent rows, and of a trend with and without time as a column). grouped: rows hang together.
    AutoGluon learns one target: of several, LightGBM stands where it is the only one that grows trees.
    """
    text = TEMPLATES[name].read_text(encoding="utf-8")
    plain, by_group = ("kfold", "group") if task == "regression" else ("stratified", "stratified_group")
    kind = "time" if time_folds else by_group if grouped else plain
    text = text.replace('kind = "kfold"', f'kind = "{kind}"')
    if n_targets > 1:
        text = text.replace("[models.autogluon]\n\n", "" if TREES in text else f"{TREES}\n\n")
    if time_folds:
        text = text.replace("n_folds = 5", f"n_folds = {time_folds}")
        return re.sub(REFITTED, r"\g<0>\nrefit = true", text.replace("[models.", f"{WHY_REFITTED}\n[models.", 1))
    return text.replace("repeats = 1 ", "repeats = 2 ") if n_rows < FEW_ROWS else text


def find_files(raw_folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the names, below the raw folder, of train, test and (where there is one) sample, and those of the rest."""
    names = sorted(_tables(raw_folder))
    rest, files = names, {}
    for role, words in ROLES.items():
        fitting = [name for name in rest if any(word in Path(name).name.lower() for word in words)]
        rest = [name for name in rest if name not in fitting]
        exact = [name for name in fitting if _stem(name) in (role, f"{role}_submission")]
        chosen = exact if len(fitting) > 1 else fitting
        if len(chosen) == 1:
            files[role] = chosen[0]
        elif role != "sample" or fitting:
            found = ", ".join(fitting) or ", ".join(names) or "no tables"
            hint = f"let one file be called {role}.csv, or {BY_HAND}"
            if others := sorted(file.name for file in raw_folder.rglob("*.parquet")):
                hint = f"{others[0]} is no CSV file, and parquet is not read: write it as CSV"
            raise ConfigError(f"which file of {raw_folder} is {role} cannot be told: found {found}", hint=hint)
    return {role: files[role] for role in ("train", "test", "sample") if role in files}, rest


def _read_others(raw_folder: Path, names: Sequence[str]) -> tuple[dict[str, Sheet], dict[str, str]]:
    """Read files beside train and test; of what cannot be read it is said why, since nobody asked for it."""
    sheets, unread = {}, {}
    for name in names:
        try:
            sheets[name] = read_sheet(raw_folder / name)
        except PipelineError as error:
            unread[name] = f"{name}: not read ({error})"
    return sheets, unread


def _tables(raw_folder: Path) -> list[str]:
    """Tables beside and inside archives; one that lies there unpacked too is taken as it lies there."""
    files = [file for file in raw_folder.rglob("*") if file.is_file() and not file.name.startswith(".")]
    tables = {file.relative_to(raw_folder).as_posix() for file in files if _is_table(file.name)}
    outside = [name for name in tables if name.removesuffix(".zip").removesuffix(".gz") not in tables - {name}]
    archives = [file for file in files if file.suffix.lower() == ".zip" and not _is_table(file.name)]
    packed = [f"{a.relative_to(raw_folder).as_posix()}/{name}" for a in archives for name in members(a)]
    there = {_stem(name) for name in outside}
    return outside + [name for name in packed if _is_table(name) and _stem(name) not in there]


def _is_table(name: str) -> bool:
    return name.lower().endswith(TABLES) and "description" not in Path(name).name.lower()


def _stem(name: str) -> str:
    return Path(name).name.lower().split(".")[0]


def _find_metric(found: Guess, sheets: dict[str, Sheet], metric: str | None, kaggles: str) -> None:
    if metric is not None:
        _take_metric(found, sheets, metric, "as asked for")
        return
    named = our_metric(kaggles)
    if named is not None and named in _metrics_for(found.task):
        _take_metric(found, sheets, named, f"Kaggle's {kaggles}")
        return
    train = sheets["train"]
    targets = [settle(name, train.cells[name]).values for name in names_of(found.target)]
    floats = [values.astype(np.float64) for values in targets] if found.task == "regression" else targets
    found.metric, why = usual_metric(found, floats)
    other = f"is it Kaggle's {kaggles}?" if kaggles else "is it the competition's?"
    found.findings["metric"] = f"metric: {found.metric} ({why}; --metric chooses another: {other})"


def _take_metric(found: Guess, sheets: dict[str, Sheet], metric: str, why: str) -> None:
    module = plugins.load(plugins.find("metrics", metric, where="--metric"))
    if found.task not in module.TASKS:
        hint = f"metrics for {found.task}: {', '.join(_metrics_for(found.task))}"
        raise ConfigError(
            f"--metric {metric} is for {' or '.join(module.TASKS)}, but the task is {found.task}", hint=hint
        )
    found.metric = metric
    found.findings["metric"] = f"metric: {metric} ({why})"
    if module.READS == "label" and found.submission == "probability":
        found.findings["labels"] = (
            f"{metric} judges labels, but the sample holds none of the target's: probabilities are submitted; "
            f"is {metric} the competition's metric?"
        )
    if module.READS == "probability" and found.submission == "label":
        if found.task == "multiclass" and "sample" in sheets:
            found_labels = f"--metric {metric} judges probabilities, but {sheets['sample'].name} has one label a row"
            raise ConfigError(found_labels, hint="is it the competition's metric? a metric of labels is accuracy")
        found.submission = "probability" if found.task == "binary" else "probabilities"
        found.findings["submission"] = f"submission: {found.submission} ({metric} judges probabilities)"


def _of_kaggle(kaggle: Mapping[str, Any]) -> list[str]:
    """Say of what Kaggle knows what no file shows."""
    if not kaggle:
        return []
    deadline = kaggle["deadline"][:10]
    findings = [f"Kaggle takes {kaggle['daily_limit']} submissions a day{f' until {deadline}' if deadline else ''}"]
    if kaggle["code_competition"]:
        findings.append("Kaggle takes code here, not files: a CSV cannot be sent")
    return findings


def _find_positive(found: Guess) -> None:
    """Say which class the one probability of a binary task means."""
    if found.submission == "probability":
        other, meant = found.classes
        found.findings["positive"] = f"positive: {meant} (the probability is that of {meant}, not of {other})"


def _metrics_for(task: str) -> list[str]:
    kind = "metrics"
    return [n for n in plugins.names(kind) if task in plugins.load(plugins.find(kind, n, where="--metric")).TASKS]


def competition_toml(title: str, found: Guess, files: dict[str, str]) -> str:
    """Return the text of a competition.toml; every line that was inferred says why."""
    why = {
        key: finding.partition(" (")[2].removesuffix(")").split("; --")[0] for key, finding in found.findings.items()
    }
    lines = [_entry("title", title)]
    lines += [
        _entry(key, getattr(found, key), why.get(key, "")) for key in ("task", "id", "target", "metric", "submission")
    ]
    if found.id_from is not None:
        counted = isinstance(found.id_from, int)
        why_so = "the number of a file's first row" if counted else 'its parts, "_" between them'
        lines.insert(3, _entry("id_from", found.id_from, why_so))
    if found.submission == "probability":
        lines.append("# " + _entry("positive", found.classes[0], f"{why['positive']}; this line would turn it round"))
    if found.groups:
        lines.append(_entry("groups", found.groups, "test has others: folds do not cut them"))
    elif found.time:
        lines.append(_entry("time", found.time, 'every row of test lies later: [split] kind = "time"'))
    else:
        lines.append('# groups = "column"   rows that belong together;  time = "column"   when test lies after train')
    lines += ["", "[files]", *(_entry(role, name) for role, name in files.items())]
    lines += [] if "sample" in files else [_entry("sample", "", "there is none")]
    if found.tables:
        lines += ["", "[tables]" + " " * 29 + "# joined to train and test by these columns"]
        lines += [_entry(json.dumps(name), on) for name, on in found.tables.items()]
    lines += ["", "[columns]"]
    lines.append(
        _entry("categorical", found.categorical, "whole numbers, called like codes" if found.categorical else "")
    )
    lines += [_entry("date", found.date, "")] if found.date else []
    lines += [_entry("drop", found.drop, "only one of train and test has them")] if found.drop else []
    return "\n".join([*lines, "# numeric, date, text: more lists of columns to read so", ""])


def _entry(key: str, value: str | list[str] | int, why: str = "") -> str:
    text = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    return f"{text:<36} # {' '.join(why.split())}" if why else text
