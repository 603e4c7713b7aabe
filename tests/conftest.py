"""Property tests draw the same examples every time, so that a run tells of the code and not of luck or the machine.

`pytest --hypothesis-profile=default` draws new ones. Threads wait as those of the command do, see pipeline/cli.py.
Processes that tests start can be interrupted, even where the tests are a job that a shell started aside. What a user's
shell, or make, has set for programs that tests start is not set here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pipeline.environment import restored

OTHERS = ("PIPELINE_", "MLFLOW_", "KAGGLE_", "RAY_ADDRESS", "GIT_", "MAKE", "MFLAGS", "COLUMNS", "FORCE_COLOR", "TTY_")
for _name in [name for name in os.environ if name.startswith(OTHERS) or name.lower().endswith("_proxy")]:
    del os.environ[_name]
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """What libraries leave in the environment ends with the test."""
    with restored():
        yield


@pytest.fixture(scope="session")
def first_told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder in which a process of its own wrote a first record, and what that process said."""
    folder = tmp_path_factory.mktemp("first")
    code = (
        "from pathlib import Path; from pipeline.engine.track import Mirror, Record, default_uri\n"
        "here = Path('experiments')\n"
        "print(Mirror('a', default_uri(here), here / 'mlartifacts', here / 'lock').write(Record('r', 'k')))"
    )
    return folder, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)


@pytest.fixture(scope="session")
def empty_mlflow(first_told: tuple[Path, object]) -> Path:
    """An MLflow database to copy: its migrations take seconds."""
    return first_told[0] / "experiments" / "mlflow.db"
