"""Own code reads nothing that no key knows: an environment variable may change, and results would stay."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.engine import code
from pipeline.engine.stage import Plugin
from pipeline.errors import FeatureError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\ndef a(rows): return rows['a'] * float(os.environ['SCALE'])", "line 2: os.environ is not"),
        ("import os.path as p, os as system\ndef a(rows): return system.getenv('SCALE')", "line 2: os.getenv is not"),
        ("from os import environ as e\nSCALE = float(e['SCALE'])\ndef a(rows): return rows['a'] * SCALE", "line 1: os"),
        ("def a(rows):\n    import os.path\n    return os.getenv('SCALE')", "line 3: os.getenv is not"),
    ],
)
def test_own_code_may_not_read_the_environment(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "features.py"
    file.write_text(text)
    for symbol in ("a", ""):
        with pytest.raises(FeatureError, match=rf"features\.py, {re.escape(said)}"):
            code.closure([], [Plugin("competition_features", file, symbol)])


def test_what_is_only_called_like_the_environment_may_be_read(tmp_path: Path) -> None:
    file = tmp_path / "features.py"
    file.write_text(
        "import os\ndef _unused(): return os.environ\n"
        "def a(rows): return rows.environ + rows['b'].map(lambda name: len(os.path.basename(name)))"
    )
    assert code.closure([], [Plugin("competition_features", file, "a")]).digests.keys() == {"features.py:a"}


def test_what_a_statement_uses_that_is_run_in_any_case_counts_for_every_function(tmp_path: Path) -> None:
    def digest(number: int) -> str:
        file = tmp_path / "features.py"
        file.write_text(
            f"def made(): return {number}\nTABLE = {{}}\nTABLE.update(n=made())\ndef a(rows): return rows\n"
        )
        (found,) = code.closure([], [Plugin("competition_features", file, "a")]).digests.values()
        return found

    assert digest(1) != digest(2)
