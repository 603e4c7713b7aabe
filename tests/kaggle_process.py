"""The command in processes of their own that start at once and can be killed at any moment.

They differ from the command in where they look for Kaggle, and in their patience: its answers come at once here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import forked
from kaggle_address import lead_to

PORT = "PORT_OF_SMALL_KAGGLE"


def start(folder: Path, *arguments: str, **environment: str) -> BaseProcess:
    """Start `pipeline` in a folder that holds data/, experiments/ and submissions/; it says all into log.txt there."""
    return forked.start(_command, folder, arguments, os.environ | environment)


def run(folder: Path, *arguments: str, **environment: str) -> int | None:
    """Run `pipeline` to its end and return its exit code."""
    process = start(folder, *arguments, **environment)
    process.join()
    return process.exitcode


def _command(folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    lead_to(int(environment[PORT]))
    from pipeline.cli import main
    from pipeline.kaggle import client, upload

    client.FIRST_WAIT_SECONDS = upload.SETTLE_SECONDS = upload.POLL_SECONDS = 0.0
    sys.argv = ["pipeline", *arguments]
    main()
