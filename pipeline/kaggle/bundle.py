"""A run as a folder that predicts a hidden test file by itself: for code competitions, which run without internet.

    predict.py  predict.ipynb   the same script, the second as a notebook; they verify all that follows before use
    bundle.json                 competition, libraries and versions, the sha256 of every file below
    fitted/                     models, encodings, blend and form; see pipeline/inference/predict.py
    pipeline/                   this package
    requirements.txt            the libraries, exactly; where they were asked for, their wheels lie in wheels/
    *-metadata.json             for Kaggle's client; the notebook's internet is off

Beside the folder lies the same as a zip file.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pipeline.engine.code import PACKAGE, closure
from pipeline.engine.key import hash_file
from pipeline.engine.libraries import pinned
from pipeline.engine.stage import Node, Plugin
from pipeline.engine.store import Result, Store
from pipeline.errors import ConfigError
from pipeline.inference.gather import gather
from pipeline.kaggle.bundle_kernel import write_kernel

SCRIPT = Path(__file__).with_name("bundle_script.py")
MANIFEST = "bundle.json"
CODE = "pipeline"
INFERENCE = "pipeline.inference.predict"


Fetch = Callable[[Path, Path], int]


@dataclass(frozen=True)
class Finished:
    """A graph with all its results; raw: the folder of the raw files."""

    nodes: Sequence[Node]
    results: Mapping[str, Result]
    store: Store
    raw: Path

    def node(self, name: str) -> Node:
        """Return one node of the graph."""
        return next(node for node in self.nodes if node.name == name)

    @property
    def raw_files(self) -> dict[str, Path]:
        """Where the test file and the sample lie, if there is one."""
        sources = self.node("ingest").sources
        return {role: sources[role] for role in ("test", "sample") if role in sources}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, and where the raw files lie that the run read: {role: path}."""

    folder: Path
    archive: Path
    manifest: Mapping[str, Any]
    raw_files: Mapping[str, Path]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def make_bundle(folder: Path, run: Finished, fetch: Fetch | None = None) -> Bundle:
    """Write the bundle of a finished run to `folder` and `folder`.zip, each whole or not at all.

    fetch: puts the wheels of a requirements.txt into a folder, where they are to be taken along. A folder that holds
    anything but an earlier bundle is a ConfigError.
    """
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise ConfigError(f"{folder} is there and no bundle: it is not overwritten", hint="choose another --out")
    with _replacing(folder) as aside:
        gather(run.nodes, run.results, run.store, aside / "fitted")
        shutil.copytree(PACKAGE, aside / CODE, ignore=shutil.ignore_patterns("__pycache__", "*.toml"))
        libraries = _libraries(aside / "fitted")
        requirements = aside / "requirements.txt"
        requirements.write_text("".join(f"{name}=={v}\n" for name, v in libraries.items()), encoding="utf-8")
        if fetch is not None:
            fetch(requirements, aside / "wheels")
        manifest = _manifest(run, libraries, aside)
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.copyfile(SCRIPT, aside / "predict.py")
        write_kernel(aside, manifest["competition"], manifest["experiment"])
    archive = folder.with_name(f"{folder.name}.zip")
    _pack(folder, archive)
    return Bundle(folder, archive, manifest, run.raw_files)


def _manifest(run: Finished, libraries: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Return what a bundle is, with the hash of every file that is there by now."""
    facts = run.node("submit").config
    return {
        "competition": facts["slug"],
        "experiment": facts["experiment"],
        "submission": run.results["submit"].manifest["outputs"]["submission.csv"]["sha256"],
        "raw_files": {role: path.relative_to(run.raw).as_posix() for role, path in run.raw_files.items()},
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "libraries": dict(libraries),
        "files": {path.relative_to(folder).as_posix(): _described(path) for path in _files(folder)},
    }


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a folder to build in, which takes the place of `folder` when it is done."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _libraries(fitted: Path) -> dict[str, str]:
    """Return the libraries, and their versions, that the code of inference and of the models in use can reach."""
    entries = json.loads((fitted / "fitted.json").read_text(encoding="utf-8"))["entries"]
    models = [Plugin(f"pipeline.models.{kind}") for kind in sorted({entry["kind"] for entry in entries.values()})]
    own = [Plugin(f"competition_{file.stem}", file) for file in sorted(fitted.glob("*.py"))]
    return pinned(closure([INFERENCE], [*models, *own]).libraries)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _described(path: Path) -> dict[str, Any]:
    return {"sha256": hash_file(path), "bytes": path.stat().st_size}


def _pack(folder: Path, archive: Path) -> None:
    """Write a zip of a folder's files, the same bytes for the same files."""
    aside = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        with ZipFile(aside, "w", ZIP_DEFLATED, compresslevel=1) as packed:
            for path in _files(folder):
                member = ZipInfo(path.relative_to(folder).as_posix())
                member.compress_type, member.external_attr = ZIP_DEFLATED, 0o644 << 16
                with path.open("rb") as file, packed.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(file, target)
        aside.replace(archive)
    finally:
        aside.unlink(missing_ok=True)
