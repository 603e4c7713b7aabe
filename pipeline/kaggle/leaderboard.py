"""The downloaded public leaderboard, and where a score would stand on it."""

from __future__ import annotations

import csv
import io
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pipeline.atomic import put_text
from pipeline.errors import KaggleError
from pipeline.kaggle.archive import unpack
from pipeline.kaggle.client import Link, request
from pipeline.kaggle.download import ASIDE
from pipeline.kaggle.fetch import fetch, forget

FILE = "leaderboard.csv"


@dataclass(frozen=True)
class Standing:
    """Where a score would stand: rank from 1, behind all teams that are strictly better."""

    rank: int
    teams: int

    @property
    def share(self) -> float:
        """Share of the teams that stand at this rank or above it, as in "top 5%"."""
        return self.rank / max(self.teams, self.rank)


def standing(score: float, scores: Sequence[float], greater_is_better: bool) -> Standing:
    """Return where a score would stand among those of all teams, its own team's included where it has one."""
    better = sum(other > score if greater_is_better else other < score for other in scores)
    return Standing(better + 1, len(scores))


def download_scores(link: Link, folder: Path) -> list[float]:
    """Write the public leaderboard as it is now to <folder>/leaderboard.csv, and return each team's score."""
    aside = folder / ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    with FileLock(aside / "lock"):
        archive, unpacked = aside / "leaderboard.zip", aside / "leaderboard"
        wanted = request("DownloadLeaderboard", competition_name=link.slug)
        fetch(link, link.api.download_leaderboard, wanted, archive)
        shutil.rmtree(unpacked, ignore_errors=True)
        unpack(archive, unpacked, link.log)
        tables = sorted(unpacked.rglob("*.csv"))
        if len(tables) != 1:
            raise KaggleError(f"the leaderboard came as {len(tables)} tables, expected one", hint="is there one yet?")
        text = tables[0].read_text(encoding="utf-8-sig", errors="replace")
        put_text(folder / FILE, text)
        shutil.rmtree(unpacked)
        forget(archive)
    return scores_of(text)


def scores_of(text: str) -> list[float]:
    """Return the column Score of a leaderboard; teams without a score are left out."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    column = next((name for name in rows.fieldnames or () if name.strip().lower() == "score"), None)
    if column is None:
        found = ", ".join(rows.fieldnames or ()) or "nothing"
        raise KaggleError(f"the leaderboard has no column Score: found {found}", hint="its form may have changed")
    scores = [_number(row[column]) for row in rows]
    return [score for score in scores if math.isfinite(score)]


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
