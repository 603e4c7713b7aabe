"""What an experiment takes over from the runs of others: the best trials of their searches, and what models were worth.

Both are files that a run leaves in studies/, which are read only where an experiment names them: they are inputs like
the raw files, so that the same experiment makes the same plan until one of them has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.config import Experiment
from pipeline.engine.store import Result
from pipeline.entries import library_nodes, section_of
from pipeline.errors import ConfigError
from pipeline.workspace import Workspace


def starts(workspace: Workspace, slug: str, experiment: Experiment, tuned: list[str]) -> dict[str, dict[str, Path]]:
    """Return for each tuned model the studies whose best trials it tries first, by their place in start_from."""
    found: dict[str, dict[str, Path]] = {name: {} for name in tuned}
    for place, wanted in enumerate(experiment.tune.start_from):
        folder, name = _other(workspace, slug, experiment, wanted, "[tune] start_from")
        paths = {model: folder / f"{name}.{model}.best.json" for model in tuned}
        there = {model: path for model, path in paths.items() if path.is_file()}
        if not there and tuned:
            raise ConfigError(
                f"[tune] start_from: '{wanted}' has no trials of {' or '.join(tuned)} in {folder}",
                hint=f"`pipeline tune {folder.parent.name} -e {name}` makes them",
            )
        for model, path in there.items():
            found[model][f"start:{place}"] = path
    return found


def worths(workspace: Workspace, slug: str, experiment: Experiment) -> dict[str, Path]:
    """Return the files that say what models were worth to other experiments, by their place in worth_from."""
    found = {}
    for place, wanted in enumerate(experiment.worth_from):
        folder, name = _other(workspace, slug, experiment, wanted, "worth_from")
        path = folder / worth_name(name)
        if not path.is_file():
            raise ConfigError(
                f"worth_from: nothing is known of '{wanted}': {path} does not exist",
                hint=f"`pipeline run {folder.parent.name} -e {name}` writes it",
            )
        found[f"worth:{place}"] = path
    return found


def _other(workspace: Workspace, slug: str, experiment: Experiment, wanted: str, where: str) -> tuple[Path, str]:
    """Return the folder of the studies of another experiment, "name" or "slug/name", and its name."""
    other, _, name = wanted.rpartition("/")
    if (other or slug, name) == (slug, experiment.name):
        raise ConfigError(f"{where}: '{wanted}' is this experiment itself", hint="name another one")
    return workspace.studies(other or slug), name


def worth_name(experiment: str) -> str:
    """Return the name of the file that says what an experiment's models were worth."""
    return f"{experiment}.worth.json"


def worth(results: Mapping[str, Result]) -> dict[str, float]:
    """Return the weight that each kind of model has in a run's ensemble, of either sign: 0 where it was fitted in vain.

    No seconds: what a busy machine took would make another plan of the same results.
    """
    kinds = {name: model["kind"] for name, model in results["budget"].manifest["parts"]["config"]["models"].items()}
    weights = json.loads((results["ensemble"].folder / "weights.json").read_text(encoding="utf-8"))
    found: dict[str, float] = {}
    for name, node in library_nodes(results).items():
        if "seconds" in results[node].facts:  # else it was left out
            kind = kinds[section_of(name, kinds)]
            own = sum(abs(weights.get(entry, 0.0)) for entry in results[node].facts["seconds"])
            found[kind] = found.get(kind, 0.0) + own
    return {kind: round(own, 6) for kind, own in sorted(found.items())}
