"""Make a practice competition of any labelled train file: a part is held out and judged locally, in private."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.config import Competition, read_toml
from pipeline.engine import plugins
from pipeline.engine.code import functions
from pipeline.engine.stage import Plugin
from pipeline.errors import ConfigError, DataError, nearest
from pipeline.features import apply_feature
from pipeline.practice.catalogue import SOLUTIONS_OWN, publish, split
from pipeline.raw.beside import beside, silent, widened
from pipeline.raw.kinds import settle, stated_kinds, stated_missing
from pipeline.raw.sheet import Sheet, blank_missing, read_sheet
from pipeline.raw.source import locate
from pipeline.sections import Columns, Files
from pipeline.seeds import derive
from pipeline.targets import names_of, refuse_several
from pipeline.wording import first_few
from pipeline.workspace import Workspace

FACTS = "competition.toml"
OWN_CODE = ("features.py", "metric.py", "postprocess.py")


@dataclass(frozen=True)
class Holdout:
    """The competition that was made, and how many rows are on either side."""

    slug: str
    n_train: int
    n_held_out: int


def make(workspace: Workspace, competition: Competition, how: str, fraction: float = 0.2, seed: int = 0) -> Holdout:
    """Write the competition <slug>-holdout.

    how: random, stratified (by the target), group (whole groups) or time (the last rows). The cells of the raw file
    are kept as they are written, and so is the order of the rows. The experiments, the files of their [extra] rows
    and of [tables], features.py, metric.py and postprocess.py of the original come along; competition.toml is written
    anew. What is there already is never overwritten.
    """
    slug = f"{competition.slug}-holdout"
    _check_free(workspace, slug)
    _check_names(competition)
    _check_tables(competition)
    raw = workspace.raw_folder(competition.slug)
    train = read_sheet(raw / competition.files.train)
    for target in names_of(competition.target):
        if target not in train.columns:
            raise DataError(f"{train.name} has no target column {target!r}", hint=nearest(target, train.columns))
    rows = pd.DataFrame({name: train.cells[name].to_pandas().astype(object) for name in train.columns})
    wide = _widened(train, competition, raw)
    if competition.id not in rows:  # made up of columns, or else as ingest numbers them
        made_up = wide.cells[competition.id].to_pandas() if competition.id_from is not None else range(len(rows))
        rows.insert(0, competition.id, made_up)
    held = hold_out(wide, competition, workspace.competition(competition.slug), how, fraction, seed)
    others = _other_files(raw, workspace.competition(competition.slug), competition)
    filler = _filler(train, competition)
    parts = split(rows, competition.id, competition.target, pd.Series(~held), sample_value=filler)
    copied = _copy_experiments(workspace, slug, competition, list(dict.fromkeys([*rows.columns, *wide.columns])))
    try:
        publish(parts, workspace.raw_folder(slug), workspace.solution(slug))
        _copy_others(others, raw, workspace.raw_folder(slug))
    except BaseException:
        shutil.rmtree(copied)
        raise
    return Holdout(slug, len(held) - int(held.sum()), int(held.sum()))


def hold_out(train: Sheet, competition: Competition, folder: Path, how: str, fraction: float, seed: int) -> np.ndarray:
    """Return which rows are held out (n,): about `fraction` of those that have a label.

    folder: the competition's, whose features.py may make the column of groups or time.
    """
    targets = _targets(train, competition)
    rng = np.random.default_rng(derive(seed, "holdout", how))
    labelled = np.flatnonzero(targets.notna().all(axis=1))
    if how == "stratified":
        refuse_several(competition.target, "--how stratified")
    values = (
        targets.iloc[:, 0] if how in ("random", "stratified") else _hanging_together(train, competition, folder, how)
    )
    chosen = HOW[how](values.iloc[labelled].reset_index(drop=True), fraction, rng)
    held = np.zeros(len(targets), dtype=bool)
    held[labelled[chosen]] = True
    if competition.task != "regression":
        _keep_classes(held, targets.iloc[:, 0], how)
    if not held.any() or held.all():
        raise ConfigError(f"by {how}, {held.sum()} of {len(held)} rows are held out", hint="change --fraction or --how")
    return held


def _keep_classes(held: np.ndarray, target: pd.Series, how: str) -> None:
    """Take the rows of a class back of which all are held out: a label that no row is left of cannot be learnt.

    Of whole groups, or the last rows, none can be taken back alone: that is a ConfigError.
    """
    left = target[~held].dropna().unique()
    lost = held & target.notna().to_numpy() & ~target.isin(left).to_numpy()
    if lost.any() and how in ("group", "time"):
        found = f"by {how}, all {lost.sum()} rows of the class {target[lost].iloc[0]!r} are held out, and none is left"
        raise ConfigError(f"{found} to learn it from", hint="change --fraction, --seed or --how")
    held[lost] = False


def _hanging_together(train: Sheet, competition: Competition, folder: Path, how: str) -> pd.Series:
    """Return the column of groups or time, of the raw file or made by features.py."""
    key, column = {"group": ("groups", competition.groups), "time": ("time", competition.time)}[how]
    if column in train.columns:
        made = {column: _settled(column, train, competition)}
    else:
        made = _made_columns(train, competition, folder / "features.py") if column else {}
    if column not in made:
        found = f"competition.toml: to hold out by {how}, {key} must name a column, found {column!r}"
        known = [*train.columns, *made]
        raise ConfigError(found, hint=f"known: {first_few(known, 30)}")
    if how == "time" and not _has_an_order(made[column]):
        found = f"competition.toml: time names {column!r}, which holds neither dates nor numbers"
        listed = f"list it under [columns] date: date = [{json.dumps(column)}]"
        raise ConfigError(found, hint=listed if column in train.columns else "let features.py make dates or numbers")
    return made[column]


def _settled(name: str, train: Sheet, competition: Competition) -> pd.Series:
    """Type a column of the raw file as ingest does."""
    kind = stated_kinds(competition.columns.model_dump()).get(name)
    return settle(name, train.cells[name], kind, stated_missing(competition.missing, name)).values


def _has_an_order(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_numeric_dtype(column)


def _made_columns(train: Sheet, competition: Competition, file: Path) -> dict[str, pd.Series]:
    if not file.is_file():
        return {}
    module = plugins.load(Plugin("competition_features", file))
    names = [name for name in train.columns if name not in names_of(competition.target)]
    rows = pd.DataFrame({name: _settled(name, train, competition) for name in names})
    made = (apply_feature(getattr(module, name), name, rows, train.name) for name in functions(file))
    return {str(name): column for part in made for name, column in part.items()}


def _random(values: pd.Series, fraction: float, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(len(values)) < round(fraction * len(values))


def _stratified(values: pd.Series, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """One row, at random, of every stretch of 1 / fraction rows in the order of the target."""
    shuffled = rng.permutation(len(values))
    order = shuffled[np.argsort(values.rank(method="dense").to_numpy()[shuffled], kind="stable")]
    stretch = np.arange(len(order)) * max(1, round(fraction * len(order))) // len(order)
    mixed = rng.permutation(len(order))
    _, first = np.unique(stretch[mixed], return_index=True)
    chosen = np.zeros(len(values), dtype=bool)
    chosen[order[mixed[first]]] = True
    return chosen


def _by_group(values: pd.Series, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Whole groups, at random, until the fraction is reached; rows without a group are never held out."""
    sizes = values.value_counts().sort_index()
    sizes = sizes.iloc[rng.permutation(len(sizes))]
    before = sizes.cumsum() - sizes
    return values.isin(sizes.index[before < round(fraction * len(values))]).to_numpy()


def _by_time(values: pd.Series, fraction: float, _rng: np.random.Generator) -> np.ndarray:
    """The last rows; rows of the same time stay together."""
    known = values.dropna().sort_values()
    if known.empty:
        return np.zeros(len(values), dtype=bool)
    start = known.iloc[min(len(known) - 1, round((1 - fraction) * len(known)))]
    return (values >= start).fillna(False).to_numpy(dtype=bool)


HOW: dict[str, Callable[[pd.Series, float, np.random.Generator], np.ndarray]] = {
    "random": _random,
    "stratified": _stratified,
    "group": _by_group,
    "time": _by_time,
}


def _targets(train: Sheet, competition: Competition) -> pd.DataFrame:
    names = names_of(competition.target)
    return pd.DataFrame({name: _values(name, train.cells[name], competition) for name in names})


def _values(name: str, cells: pa.ChunkedArray, competition: Competition) -> pd.Series:
    if competition.task == "regression":
        return settle(name, cells, "numeric").values
    return blank_missing(cells, ("",)).to_pandas().astype(object)


def _filler(train: Sheet, competition: Competition) -> object:
    """What the sample submission predicts: the median, the most frequent label, or no preference."""
    targets = _targets(train, competition)
    if competition.submission == "value":
        return {name: float(column.median()) for name, column in targets.items()}
    target = targets.iloc[:, 0]
    classes = sorted(target.dropna().unique()) if competition.submission == "probabilities" else []
    if competition.submission == "probabilities":
        return dict.fromkeys(classes, round(1 / len(classes), 6))
    return target.mode()[0] if competition.submission == "label" else 0.5


def _check_free(workspace: Workspace, slug: str) -> None:
    for path in (workspace.experiments / slug, workspace.raw_folder(slug), workspace.solution(slug)):
        if path.exists():
            raise ConfigError(f"{path} is there already", hint="remove it to hold out anew, with all of its results")


def _check_names(competition: Competition) -> None:
    for name in (competition.id, *names_of(competition.target)):
        if name in SOLUTIONS_OWN:
            found = f"a practice competition's solution.csv has columns of its own called {' and '.join(SOLUTIONS_OWN)}"
            hint = f"rename {name!r} in a copy of the files and in its competition.toml, and hold that out"
            raise ConfigError(f"{found}, so that neither id nor target can be called {name!r}", hint=hint)


def _widened(train: Sheet, competition: Competition, raw: Path) -> Sheet:
    """Return train with its made-up id and the columns of the tables beside it, by which rows may hang together."""
    tables = [beside(read_sheet(raw / name), on) for name, on in competition.tables.items()]
    return widened(train, competition.model_dump(include={"id", "id_from"}), tables, silent)


def _check_tables(competition: Competition) -> None:
    """Refuse tables that cannot lie beside the copy's own files under the same names."""
    for name in competition.tables:
        where = f"competition.toml, [tables] {name}"
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ConfigError(f"{where} lies outside of the raw folder", hint="copy it there")
        if name in Files().model_dump().values():
            raise ConfigError(f"{where}: the copy's own {name} would take its place", hint="rename the table's file")


def _other_files(raw: Path, folder: Path, competition: Competition) -> list[Path]:
    """Return the files beside train that it is joined with or experiments train on, as they lie on disk."""
    sections = [read_toml(file).get("extra") for file in sorted(folder.glob("*.toml")) if file.name != FACTS]
    names = [name for section in sections if isinstance(section, dict) for name in section.get("files", [])]
    return list(dict.fromkeys(locate(raw / name)[0] for name in (*competition.tables, *names)))


def _copy_others(files: list[Path], raw: Path, folder: Path) -> None:
    """Copy them whole; rows of theirs that are held out now are told of when they are prepared."""
    for file in files:
        copied = folder / file.relative_to(raw)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copied)


def _copy_experiments(workspace: Workspace, slug: str, competition: Competition, columns: list[str]) -> Path:
    source, folder = workspace.competition(competition.slug), workspace.experiments / slug
    try:
        folder.mkdir(parents=True)
    except PermissionError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", hint="choose --experiments") from error
    for file in sorted([*source.glob("*.toml"), *(source / name for name in OWN_CODE)]):
        if file.is_file() and file.name != FACTS:
            shutil.copyfile(file, folder / file.name)
    (folder / FACTS).write_text(_competition_toml(competition, columns), encoding="utf-8")
    return folder


def _competition_toml(competition: Competition, columns: list[str]) -> str:
    """The facts of the copy: files of its own, and of [columns] what the train file has."""
    listed = {kind: [name for name in names if name in columns] for kind, names in competition.columns}
    title = f"{competition.title or competition.slug}, held out"
    copied = competition.model_copy(
        update={"title": title, "files": Files(), "columns": Columns(**listed), "public_share": 0.5}
    )
    facts = copied.model_dump(exclude_none=True, exclude={"slug", "id_from"})  # the copy's files have the id itself
    sections = {key: facts.pop(key) for key in ("files", "tables", "columns")}
    if isinstance(copied.missing, dict):
        own = {name: cells for name, cells in facts.pop("missing").items() if name in columns}
        sections |= {"missing": own} if own else {}
    lines = [*_entries(facts)]
    for name, section in sections.items():
        lines += ["", f"[{name}]", *_entries(section)]
    return "\n".join([*lines, ""])


def _entries(values: dict[str, str | list[str]]) -> list[str]:
    # JSON's strings, and lists of them, are TOML's too
    return [f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
