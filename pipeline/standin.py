"""The stand-in: a submission of the models that are done, as long as the others are at work.

A run that is killed, or fails, leaves it behind; a run that ends well has a better one. It is no result: it is blended
outside of the cache by the functions of the stages `ensemble` and `submit`, and no key knows of it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.engine.console import Console
from pipeline.engine.run import Watch, try_out
from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store
from pipeline.publish import publish_so_far, so_far_name
from pipeline.workspace import Workspace

COST = 0.05
"""Part of a run's time, at most, that goes into making it anew."""

LOCK = "standin"


@contextmanager
def standing_in(
    workspace: Workspace, slug: str, experiment: str, nodes: Sequence[Node], console: Console
) -> Iterator[Watch]:
    """Give what makes the stand-in while a graph runs; it goes when all is well, and else is pointed to."""
    folder, store = workspace.submissions / slug, Store(workspace.cache(slug))
    path = folder / so_far_name(experiment)
    before = _written(path)
    try:
        yield _watcher(folder, experiment, {node.name: node for node in nodes}, store, console)
    except BaseException:
        if _written(path) != before:
            console.info(f"a submission of what was done until now: {path}")
        elif before:
            console.info(f"a submission of what an earlier run had done: {path}")
        raise
    path.unlink(missing_ok=True)


def _written(path: Path) -> int:
    """Return when a file was written, 0 where it is not there."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def _watcher(folder: Path, experiment: str, nodes: Mapping[str, Node], store: Store, console: Console) -> Watch:
    known: set[str] = set()
    not_before = 0.0

    def watch(results: Mapping[str, Result]) -> None:
        nonlocal not_before
        began, done = time.monotonic(), _models(nodes["ensemble"], results)
        if began < not_before or done <= known or _is_next(nodes["ensemble"], results):
            return
        known.update(done)
        try:
            _make(folder, experiment, nodes, results, store, console)
        except Exception as error:  # whatever it is: the run does not depend on it
            console.warn(f"no submission of what is done so far: {error}")
        not_before = time.monotonic() + (time.monotonic() - began) / COST

    return watch


def _models(ensemble: Node, results: Mapping[str, Result]) -> set[str]:
    """Return the inputs of the ensemble that are there and hold predictions."""
    there = {n: results[i.node] for n, i in ensemble.inputs.items() if i.node in results and n.startswith("train:")}
    return {n for n, result in there.items() if any(file.endswith(".safetensors") for file in result.outputs())}


def _is_next(node: Node, results: Mapping[str, Result]) -> bool:
    return all(i.node in results for i in node.inputs.values())


def _make(
    folder: Path,
    experiment: str,
    nodes: Mapping[str, Node],
    results: Mapping[str, Result],
    store: Store,
    console: Console,
) -> None:
    """Blend what is done, fill the sample submission with it and put it where it is looked for."""
    with store.claimed(LOCK) as is_free:
        if not is_free:  # another run of this competition is at it
            return
        scratch = store.building(LOCK)
        try:
            made: dict[str, Path] = {}
            for name in ("ensemble", "submit"):
                (scratch / name).mkdir()
                there = {n: results[i.node].folder for n, i in nodes[name].inputs.items() if i.node in results}
                try_out(nodes[name], there | made, scratch / name, Console(quiet=True))
                made[name] = scratch / name
            path = publish_so_far(folder, experiment, (made["submit"] / "submission.csv").read_bytes())
            console.info(f"{_said(made['ensemble'])}: {path}")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _said(blend: Path) -> str:
    """Say how good it is, as far as is known."""
    result = json.loads((blend / "result.json").read_text(encoding="utf-8"))
    n, se = result["n_entries"], result["se"]
    score = f"{result['metric']} {result['cv_score']:.5g}" + (f" ± {se:.2g}" if se is not None else "")
    return f"a submission of {n} {'entry' if n == 1 else 'entries'} so far, CV {score}"
