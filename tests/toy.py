"""Stages of a few lines, and nodes made of them, for the engine's tests; importable by processes that tests start."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from pipeline.engine.console import Console
from pipeline.engine.run import Outcome, run
from pipeline.engine.stage import Input, Job, Node
from pipeline.engine.store import Store

CALLS: list[str] = []
"""The config text of every call of `text` in this process, in order."""


def node(stage: str, *inputs: str, **more: Any) -> Node:
    """Return a node whose config is {"text": stage} and that promises out.txt."""
    plain: dict[str, Any] = {"config": {"text": stage}, "function": "text", "outputs": ("out.txt",)}
    return Node(stage=stage, module="toy", inputs={name: Input(name) for name in inputs}, **(plain | more))


def make(store: Store, *nodes: Node) -> Outcome:
    """Run nodes without a word."""
    return run(nodes, store, Console(quiet=True))


def text(job: Job) -> dict[str, Any]:
    """Write out.txt: what inputs and sources say, then the stage's own text."""
    said = [(folder / "out.txt").read_text() for folder in job.inputs.values()]
    said += [path.read_text() for path in job.sources.values()]
    CALLS.append(job.config["text"])
    (job.out / "out.txt").write_text("|".join([*said, job.config["text"]]))
    return {"calls": len(CALLS)}


def constant(job: Job) -> dict[str, Any]:
    """Write the same bytes whatever the config says."""
    (job.out / "out.txt").write_text("constant")
    return {}


def nothing(job: Job) -> None:
    """Promise and not deliver."""


def half(job: Job) -> dict[str, Any]:
    """Write half a result, then fail as config["error"] says."""
    (job.out / "out.txt").write_text("ha")
    (job.progress / "kept.txt").write_text("so far")
    raise {"value": ValueError, "interrupt": KeyboardInterrupt, "disk": _full}[job.config["error"]]("as told")


def _full(message: str) -> OSError:
    return OSError(28, message)


def warns(job: Job) -> dict[str, Any]:
    """Warn, and say so in a fact of its own as well."""
    warnings.warn("it is old", FutureWarning, stacklevel=1)
    (job.out / "out.txt").write_text("done")
    return {"warnings": ["it is slow"], "rows": 3}


def counts(job: Job) -> dict[str, Any]:
    """Continue counting from job.progress up to config["upto"]."""
    file = job.progress / "count.txt"
    start = int(file.read_text()) if file.is_file() else 0
    file.write_text(str(job.config["upto"]))
    (job.out / "out.txt").write_text(str(job.config["upto"]))
    return {"started_from": start}


def waits(job: Job) -> dict[str, Any]:
    """Say on stdout that half is written, then wait for a line on stdin; each process says who it was."""
    (job.out / "out.txt").write_text("do")
    print("half", flush=True)  # noqa: T201
    sys.stdin.readline()
    (job.out / "out.txt").write_text("done")
    return {"process": os.getpid()}


def start(root: Path, code: str) -> subprocess.Popen[str]:
    """Start a Python process that has `store` at root and everything of this file at hand."""
    prelude = f"from toy import *; import toy; store = Store(Path({str(root)!r})); "
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
