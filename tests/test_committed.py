"""Which experiments the tests hold to the repository's own rules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from committed import committed


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_competition_of_one_s_own_is_none_of_the_repository(tmp_path: Path) -> None:
    paths = [tmp_path / "experiments" / slug / "features.py" for slug in ("mine", "titanic")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    assert committed("features.py", tmp_path) == paths
    for words in (("init", "-q"), ("add", str(paths[1]))):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert committed("features.py", tmp_path) == paths[1:]
