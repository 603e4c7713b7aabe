"""Real competitions held out in a benchmark's own folders, and the command run on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.config import load_competition
from pipeline.workspace import Workspace


def call(here: Path, *words: str) -> None:
    """Run the command below a benchmark's folder; it must end well."""
    roots = {f"PIPELINE_{root.upper()}": str(here / root) for root in ("data", "experiments", "submissions")}
    subprocess.run([sys.executable, "-m", "pipeline", *words], check=True, env=os.environ | roots)


def hold_out(here: Path, source: Workspace, slug: str) -> None:
    """Make <slug>-holdout there, unless it is there already: whole groups where rows hang together."""
    raw, experiments = here / "data" / slug / "raw", here / "experiments"
    if (experiments / f"{slug}-holdout").is_dir():
        return
    raw.parent.mkdir(parents=True, exist_ok=True)
    if not raw.exists():
        raw.symlink_to(source.raw_folder(slug).resolve())
        shutil.copytree(source.competition(slug), experiments / slug, dirs_exist_ok=True)
    competition = load_competition(source, slug)
    how = "group" if competition.groups else "random" if competition.task == "regression" else "stratified"
    call(here, "holdout", slug, "--how", how)
