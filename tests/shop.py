"""Runs the command in processes of its own, on a practice competition and small models, below a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

import forked
from forked import ROOT

SLUG = "practice-diabetes"
SO_FAR = "quick-so-far.csv"
TWO = """
minutes = 5
[split]
n_folds = 3
[models.ridge]
penalty = 0.1
[models.linear]
epochs = 15
"""
"""Two quick models; what is added goes to the last one first."""

PLAIN = f"""{TWO}
lr = {{ tune = "loguniform", low = 1e-3, high = 1e-1 }}
[tune]
trials = 2
wave = 2
"""
"""Two quick models, one of which is searched."""

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
class Running:
    """A command at work; what it says can be read as it is said."""

    process: BaseProcess
    stdout: TextIO
    stderr: TextIO

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill_after(self, seconds: float) -> bool:
        """Kill it unless it ends before; say whether it was killed."""
        self.process.join(seconds)
        self.process.kill()
        return self.end().returncode == -signal.SIGKILL

    def end(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end; return what it has said since it was last read."""
        with self.stdout, self.stderr, ThreadPoolExecutor(1) as aside:
            stdout = aside.submit(self.stdout.read)
            stderr = self.stderr.read()
            self.process.join()
            assert self.process.exitcode is not None
            return subprocess.CompletedProcess((), self.process.exitcode, stdout.result(), stderr)


@dataclass(frozen=True)
class Shop:
    """A workspace below a temporary folder, and the command run on it."""

    folder: Path
    package: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        roots = {f"PIPELINE_{root.upper()}": str(self.folder / root) for root in ("data", "experiments", "submissions")}
        plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "OMP_NUM_THREADS": forked.N_THREADS}
        return os.environ | roots | plain | {"PYTHONPATH": str(self.package), "PIPELINE_TRACKING": "off"}

    def launch(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command as a shell does, which takes seconds before it begins."""
        return subprocess.Popen(
            [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments],
            env=self.environment | environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str, **environment: str) -> Running:
        (stdout, out), (stderr, errors) = Pipe(duplex=False), Pipe(duplex=False)
        surroundings = self.environment | environment
        process = forked.start(_command, self.package, self.folder, arguments, surroundings, out, errors)
        for end in (out, errors):
            end.close()
        return Running(process, _read(stdout), _read(stderr))

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.start(*arguments, **environment).end()

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


def _read(pipe: Connection) -> TextIO:
    with pipe:
        return os.fdopen(os.dup(pipe.fileno()))


def _command(
    package: Path,
    folder: Path,
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    stdout: Connection,
    stderr: Connection,
) -> None:
    """Be the command of a package, of which nothing has been imported yet, in this process."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(stdout.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    sys.stdout, sys.stderr = (open(into, "w", encoding="utf-8", closefd=False) for into in (1, 2))  # noqa: SIM115
    forked.forget()
    sys.path.insert(0, str(package))
    sys.argv = ["pipeline", *arguments]
    from pipeline.cli import main

    main()
