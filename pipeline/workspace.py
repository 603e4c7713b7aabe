"""Where things lie (data, raw files, experiments, submissions) and run, settable by option or environment variable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, DataError, nearest

SLUG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
KAGGLES = "competitions"
"""The folder of /kaggle/input in which notebooks have the files of competitions, where they are not in it itself."""


def check_slug(slug: str) -> None:
    """Refuse a competition's name that could lead out of its folder, or that other programs would not take."""
    if not re.fullmatch(SLUG, slug):
        hint = "letters, digits, -, _ and . only, at most 100 of them, the first neither - nor ."
        raise ConfigError(f"'{slug}' cannot name a competition", hint=hint)


@dataclass(frozen=True)
class Workspace:
    """The roots of one invocation; `raw` is set where the raw files lie apart, as on Kaggle's /kaggle/input.

    ray: the address of the cluster that does the work, if it is not this process. pace: how many times as fast as the
    two cores that minutes are planned for the machine is.
    """

    data: Path = Path("data")
    experiments: Path = Path("experiments")
    submissions: Path = Path("submissions")
    raw: Path | None = None
    ray: str | None = None
    pace: float = 1.0

    def __post_init__(self) -> None:
        if self.raw is not None and not self.raw.is_dir():
            raise ConfigError(
                f"raw files: {self.raw} is not a folder", hint="correct --raw or PIPELINE_RAW, or leave it out"
            )

    def raw_folder(self, slug: str) -> Path:
        """Return the folder of a competition's raw files: below `raw` where it is there, else <data>/<slug>/raw.

        Kaggle's notebooks have it at /kaggle/input/<slug>, or at /kaggle/input/competitions/<slug>.
        """
        apart = [place / slug for place in self._apart()]
        return next((folder for folder in apart if folder.is_dir()), self.data / slug / "raw")

    def _apart(self) -> list[Path]:
        """Return where the folders of competitions may lie below `raw`."""
        return [] if self.raw is None else [self.raw, self.raw / KAGGLES]

    def check_raw_folder(self, slug: str) -> Path:
        """Return the folder of a competition's raw files; a DataError where it is not there."""
        folder = self.raw_folder(slug)
        if not folder.is_dir():
            apart = {path.name for place in self._apart() for path in place.glob("*") if path.is_dir()}
            there = {path.parent.name for path in self.data.glob("*/raw")} | (apart - {KAGGLES})
            put = "put train, test and sample submission (CSV, also .gz or .zip) there"
            hint = f"{put}, or name a competition that has some; {nearest(slug, there)}"
            neither = "".join(f", nor does {place / slug}" for place in self._apart())
            raise DataError(f"{folder} does not exist{neither}", hint=hint)
        return folder

    def cache(self, slug: str) -> Path:
        """Return the folder of a competition's cached results."""
        return self.data / slug / "cache"

    def solution(self, slug: str) -> Path:
        """Return where a practice competition's hidden solution lies; real competitions have none."""
        return self.data / slug / "solution.csv"

    def competition(self, slug: str) -> Path:
        """Return the folder of a competition's config; an unknown slug is a ConfigError."""
        check_slug(slug)
        folder = self.experiments / slug
        if not self.experiments.is_dir():
            hint = "correct --experiments or PIPELINE_EXPERIMENTS; `pipeline new` makes it, too"
            raise ConfigError(f"experiments: {self.experiments} is not a folder", hint=hint)
        if not (folder / "competition.toml").is_file():
            raise ConfigError(
                f"no competition '{slug}': {folder / 'competition.toml'} does not exist",
                hint=f"{nearest(slug, self.competitions())}; `pipeline new {slug}` writes one from its raw files",
            )
        return folder

    def competitions(self) -> list[str]:
        """Return the slugs of all competitions with a competition.toml."""
        return sorted(path.parent.name for path in self.experiments.glob("*/competition.toml"))

    def experiment(self, slug: str, name: str) -> Path:
        """Return the TOML file of an experiment; an unknown name is a ConfigError."""
        if Path(name).name != name:
            raise ConfigError(
                f"'{name}' cannot name an experiment", hint="give the name of a TOML file beside competition.toml"
            )
        path = self.competition(slug) / f"{name}.toml"
        if name == "competition" or not path.is_file():
            raise ConfigError(
                f"no experiment '{name}': {path} does not exist", hint=nearest(name, self.experiments_of(slug))
            )
        return path

    def ledger(self, slug: str) -> Path:
        """Return the ledger of a competition's submissions to Kaggle."""
        return self.experiments / slug / "ledger.csv"

    def studies(self, slug: str) -> Path:
        """Return where an experiment leaves its trials for others: <name>.<model>.trials.parquet and the like."""
        return self.experiments / slug / "studies"

    def experiments_of(self, slug: str) -> list[str]:
        """Return the names of a competition's experiments."""
        return sorted(path.stem for path in self.competition(slug).glob("*.toml") if path.stem != "competition")
