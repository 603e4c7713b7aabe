"""Runs the real command in real processes, on a practice competition and small models, below a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SLUG = "practice-diabetes"
Call = Callable[..., subprocess.CompletedProcess[str]]
QUICK = """
minutes = 5
[split]
n_folds = 3
[models.linear]
epochs = 15
[models.mlp]
hidden = [16]
n_seeds = 1
epochs = 4
lr = { tune = "loguniform", low = 1e-3, high = 1e-1 }
[models.autogluon]
models = { GBM = [{ num_boost_round = 10 }] }
[tune]
trials = 4
wave = 2
"""


@dataclass(frozen=True)
class Shop:
    """A workspace below a temporary folder, and the command run on it."""

    folder: Path
    package: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        roots = {f"PIPELINE_{root.upper()}": str(self.folder / root) for root in ("data", "experiments", "submissions")}
        plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "OMP_NUM_THREADS": "2"}
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PIPELINE_", "MLFLOW_"))}
        return inherited | roots | plain | {"PYTHONPATH": str(self.package), "PIPELINE_TRACKING": "off"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment | environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run a command that must end well; return what it printed to stdout."""
        done = self.call(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def submissions(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "submissions" / SLUG).glob("*.csv")}


def make_shop(folder: Path, experiment: str = QUICK) -> Shop:
    """Return a workspace with the practice competition and one experiment, `quick`."""
    target = folder / "experiments" / SLUG
    target.mkdir(parents=True)
    shutil.copy(ROOT / "experiments" / SLUG / "competition.toml", target)
    (target / "quick.toml").write_text(experiment, encoding="utf-8")
    return Shop(folder)


def ran(call: Call, *arguments: str) -> str:
    """Return all that a command says, which must end well."""
    done = call(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
