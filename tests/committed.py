"""What below experiments/ is the repository's own: beside it may lie any competition of its user."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def committed(pattern: str, root: Path = ROOT) -> list[Path]:
    """Return the files <root>/experiments/<slug>/<pattern> that git knows of, or all of them where there is no git."""
    every = sorted((root / "experiments").glob(f"*/{pattern}"))
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "experiments"], cwd=root, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return every
    known = {root / name for name in listed.split("\0") if name}
    return [path for path in every if path in known] if known else every
