"""AutoGluon's predictor kept as one compressed file: marked as the pickle that it is, verified before it is opened.

    predictor.pack    a zip of its folder, without training rows and out-of-fold predictions; Kaggle unpacks every .zip
    predictor.json    what that is, which versions it needs, its sha256, and how its answers become ours

The hash finds damage and mix-ups. It is no signature: who can write one file can write the other.
"""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import sys
import tempfile
import warnings
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pandas as pd
import sklearn
import torch
from autogluon.tabular import TabularPredictor, __version__

from pipeline.errors import ModelError, nearest
from pipeline.files import read_json, write_json
from pipeline.models._autogluon_checks import BAG
from pipeline.types import Table

MARK, ARCHIVE = "predictor.json", "predictor.pack"
WHAT = "an AutoGluon predictor in Python's pickle format: opening it runs code, so open only what you made or trust"
NEEDS = {
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "autogluon.tabular": __version__,
    "scikit-learn": sklearn.__version__,
}
"""Versions that are here: objects of these libraries are pickled as they are, for no other version to read."""

LEVEL = 1
"""Of zlib. House Prices' 89 MB become 30 in 0.9 s of one thread (level 6: 27 in 3.0 s); 100 extremely randomised trees
a fold on 61,878 rows of 93 columns and 9 classes, 1,824 MB, become 327 in 13 s, beside 138 s of fitting."""


@dataclass(frozen=True)
class Form:
    """How our rows become AutoGluon's, and its answers ours.

    n_classes: 0 for regression. logs: it was trained on log(1 + target). columns: the fitted ones, in their order.
    """

    n_classes: int
    logs: bool
    columns: Sequence[str]

    @classmethod
    def of(cls, table: Table) -> Form:
        """Return the form of a table's rows and its task's answers."""
        return cls(len(table.task.classes), table.task.metric.name == "rmsle", list(table.train.columns))

    def rows(self, ours: pd.DataFrame) -> pd.DataFrame:
        """Return rows with their columns called c0, c1, ...: of other names, XGBoost refuses some ([, ] and <)."""
        return ours[list(self.columns)].set_axis([f"c{number}" for number in range(len(self.columns))], axis=1)

    def ask(self, predictor: TabularPredictor, ours: pd.DataFrame, model: str) -> pd.DataFrame:
        """Return what a model of the predictor answers for our rows, in AutoGluon's form."""
        rows = self.rows(ours)
        if self.n_classes:
            return predictor.predict_proba(rows, model=model)
        return predictor.predict(rows, model=model).to_frame()

    def outputs(self, answers: pd.DataFrame) -> np.ndarray:
        """Return float64 (n, n_outputs), classes in the order of their codes; 0 for a class that it has never seen."""
        if not self.n_classes:
            values = answers.to_numpy(float)
            return np.expm1(values) if self.logs else values
        codes = list(range(self.n_classes))
        return answers.reindex(columns=codes).fillna({c: 0.0 for c in codes if c not in answers}).to_numpy(float)


class Archive:
    """An open file that is closed, and if it has no name gone, with the last that refers to it."""

    def __init__(self, file: BufferedIOBase) -> None:
        self.file = file
        weakref.finalize(self, file.close)

    def sha256(self) -> str:
        """Return the hash of all its bytes."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()

    def copy(self, path: Path) -> None:
        """Write all its bytes to `path`."""
        self.file.seek(0)
        with path.open("wb") as copied:
            shutil.copyfileobj(self.file, copied)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process as what it holds: an open file cannot."""
        self.file.seek(0)
        return _archive_of, (self.file.read(),)


def _archive_of(content: bytes) -> Archive:
    archive = Archive(tempfile.TemporaryFile())  # noqa: SIM115 (closed by its owner)
    archive.file.write(content)
    return archive


@dataclass(frozen=True)
class PredictorFit:
    """One model of a predictor that was fitted on all folds of a repeat.

    models: AutoGluon's names by part, which is what follows `<recipe>/` in an entry's name, "" for its own ensemble.
    part: the model that predicts; it is held in memory from the first prediction on.
    """

    archive: Archive
    form: Form
    models: Mapping[str, str]
    part: str = ""

    def of(self, part: str) -> PredictorFit:
        """Return another model of the same predictor."""
        return replace(self, part=part)

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, 1) or probabilities (n, n_classes) for rows with the fitted columns."""
        with quiet():
            return self.form.outputs(self.form.ask(self.predictor, rows, self.models[self.part]))

    def save(self, folder: Path) -> None:
        """Write predictor.pack, with all models whichever this is, and predictor.json."""
        self.archive.copy(folder / ARCHIVE)
        mark = {"what": WHAT, "files": {ARCHIVE: self.archive.sha256()}, "needs": NEEDS}
        write_json(folder / MARK, mark | {"form": asdict(self.form), "models": dict(self.models)})

    @cached_property
    def predictor(self) -> TabularPredictor:
        """AutoGluon's predictor, unpacked as far as this model needs it, and needing no file any more."""
        model = self.models[self.part]
        with tempfile.TemporaryDirectory() as folder, quiet(), ZipFile(self.archive.file) as archive:
            names = archive.namelist()
            alone = model.endswith(BAG)  # others need the models that they were built on
            archive.extractall(folder, [name for name in names if not alone or _serves(name, model)])
            predictor = TabularPredictor.load(folder, verbosity=0)
            predictor.persist([model], with_ancestors=True, max_memory=None)
        return predictor


def _serves(name: str, model: str) -> bool:
    """Tell whether a file of the predictor's folder is one that this base model, or every model, needs."""
    place = Path(name).parts
    return place[0] != "models" or len(place) == 2 or place[1] == model


def keep(predictor: TabularPredictor, form: Form, models: Mapping[str, str]) -> PredictorFit:
    """Pack what predicting needs of a predictor's folder, which may be deleted afterwards; models: as PredictorFit's.

    The pack is a file without a name, of which a killed run leaves nothing.
    """
    predictor.save_space()
    folder = Path(predictor.path)
    archive = Archive(tempfile.TemporaryFile())  # noqa: SIM115 (closed by its owner)
    with ZipFile(archive.file, "w", ZIP_DEFLATED, compresslevel=LEVEL) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(path, path.relative_to(folder))
    return PredictorFit(archive, form, models)


def load(folder: Path, part: str = "") -> PredictorFit:
    """Read what `PredictorFit.save` wrote, for one of its models.

    Raises ModelError, before anything is unpickled, where a file is missing or differs from its hash, a library
    has another version than pickled it, or there is no such model.
    """
    mark = _read_mark(folder)
    for library, needed in mark["needs"].items():
        if (found := NEEDS.get(library, "none")) != needed:
            raise ModelError(
                f"{folder / ARCHIVE} was pickled with {library} {needed}, and {found} cannot be trusted to read it",
                hint=f"install {library} {needed}, or fit it anew",
            )
    if part not in mark["models"]:
        raise ModelError(f"{folder} has no model '{part}'", hint=nearest(part, mark["models"]))
    fit = PredictorFit(_verified(folder, mark["files"]), Form(**mark["form"]), mark["models"], part)
    _ = fit.predictor  # unpickled now, so that what cannot be read says so here and the first prediction is quick
    return fit


def thin(folder: Path, parts: Collection[str]) -> None:
    """Take out of what `PredictorFit.save` wrote all models but these base models."""
    mark = _read_mark(folder)
    models = {part: model for part, model in mark["models"].items() if part in parts}
    whole, aside = _verified(folder, mark["files"]), folder / f".{ARCHIVE}"
    with ZipFile(whole.file) as packed, ZipFile(aside, "w", ZIP_DEFLATED, compresslevel=LEVEL) as kept:
        for member in packed.infolist():
            if any(_serves(member.filename, model) for model in models.values()):
                with packed.open(member) as source, kept.open(member, "w") as target:
                    shutil.copyfileobj(source, target)
    aside.replace(folder / ARCHIVE)
    files = {ARCHIVE: hashlib.sha256((folder / ARCHIVE).read_bytes()).hexdigest()}
    write_json(folder / MARK, mark | {"files": files, "models": models})


def _read_mark(folder: Path) -> dict[str, Any]:
    try:
        mark: dict[str, Any] = read_json(folder / MARK)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / MARK} cannot be read, so {folder} is not opened: {error}") from error
    return mark


def _verified(folder: Path, hashes: Mapping[str, str]) -> Archive:
    """Return the packed predictor, open, so that what is read later is what was hashed here."""
    try:
        archive = Archive((folder / ARCHIVE).open("rb"))
    except OSError as error:
        raise ModelError(f"{folder / ARCHIVE} cannot be opened: {error.strerror}", hint="fit it anew") from error
    if archive.sha256() != hashes[ARCHIVE]:
        raise ModelError(
            f"{folder / ARCHIVE} is not the file that {MARK} beside it describes: its sha256 differs",
            hint="it is a pickle and was not opened; fit it anew",
        )
    return archive


LIGHTNING = tuple(f"{name}.utilities.rank_zero" for name in ("pytorch_lightning", "lightning.pytorch"))
"""Loggers by which RealMLP's trainer tells of devices, and of products of its makers, once for every fold."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence AutoGluon, and put back what it changes for the whole process: generators, threads, log levels."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("autogluon", *LIGHTNING))}
    threads = torch.get_num_threads()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    for name in LIGHTNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_num_threads(threads)
