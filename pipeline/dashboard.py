"""optuna-dashboard on the study that an experiment's search fills, while it runs or afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.engine.key import progress_key
from pipeline.engine.plan import plan
from pipeline.engine.stage import Node
from pipeline.engine.store import SHORT, Store
from pipeline.errors import ConfigError
from pipeline.tuning.address import STUDIES

START = f"import os, sys; sys.argv.insert(1, os.environ['{STUDIES}']); from optuna_dashboard._cli import main; main()"


def serve(nodes: Sequence[Node], store: Store, model: str | None, host: str, port: int) -> None:
    """Become optuna-dashboard on one model's study, or on the database that PIPELINE_STUDIES names; does not return."""
    try:
        import optuna_dashboard  # noqa: F401
    except ImportError:
        raise ConfigError(
            "optuna-dashboard is not installed",
            hint="`make dashboard` installs it, or pip install --constraint constraints.txt optuna-dashboard",
        ) from None
    # by the environment: whoever lists processes sees their arguments, and an address may hold a password
    if not os.environ.get(STUDIES):
        os.environ[STUDIES] = f"sqlite:///{study_of(nodes, store, model)}"
    os.execv(sys.executable, [sys.executable, "-c", START, "--host", host, "--port", str(port)])


def study_of(nodes: Sequence[Node], store: Store, model: str | None) -> Path:
    """Return the database of the search over one model, the only one if there is one only."""
    steps = {step.node.variant: step for step in plan(nodes, store) if step.node.stage == "tune"}
    if not steps:
        raise ConfigError("this experiment tunes no model", hint="give a parameter a search space: { tune = ... }")
    if model is None and len(steps) > 1:
        raise ConfigError(f"this experiment tunes {', '.join(steps)}", hint="choose one with --model")
    if model is not None and model not in steps:
        raise ConfigError(f"this experiment does not tune '{model}'", hint=f"it tunes {', '.join(steps)}")
    step = steps[model or next(iter(steps))]
    folder = store.root / ".progress" / progress_key(step.node, step.parts)[:SHORT]
    found = sorted(folder.rglob("study.db"), key=lambda path: path.stat().st_mtime)  # one of few trials lies apart
    if step.state == "maybe" or not found:
        hint = "`pipeline tune` begins the search; with other --minutes it is another one"
        raise ConfigError(f"{step.node.name} has no trials yet", hint=hint)
    return found[-1]
