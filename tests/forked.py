"""Processes that start at once and can be killed at any moment: forked from one that has imported the libraries.

They differ from others in nothing but the number of threads, which libraries read when they are loaded.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipeline.environment import restored

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = [
    *("pandas", "pyarrow.csv", "pyarrow.parquet", "torch", "safetensors.torch", "sklearn.linear_model", "skops.io"),
    *("optuna.storages", "sqlalchemy", "alembic.command", "autogluon.tabular", "lightgbm", "matplotlib.pyplot"),
    *("kagglesdk", "requests", "pipeline.cli", "pipeline.kaggle.roundtrip"),
]
N_THREADS = "2"
"""So that networks are trained side by side on any machine."""


def start(function: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Call a function of a module in a process of its own."""
    process = _server().Process(target=function, args=arguments)
    process.start()
    return process


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module returns in a process of its own, or raise what it raises there."""
    with ProcessPoolExecutor(1, _server()) as pool:
        return pool.submit(function, *arguments).result()


def forget() -> None:
    """Be a process that has imported nothing of ours."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pipeline"]:
        del sys.modules[name]


@cache
def _server() -> ForkServerContext:
    """Start the process that all others are forked from, whatever the test that asks first has set."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with restored():
        os.environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": N_THREADS}
        forkserver.ensure_running()
    return context
