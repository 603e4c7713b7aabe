"""The library of predictions: every entry that any model made, under its own name."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.types import CrossFit

ENSEMBLE = "ensemble"
EQUAL = "equal weights"
BEST = "best single"
TUNED, MORE = "-tuned", "+more"
"""What a model's name ends with where tuning found the recipe, and where minutes that were left fitted it again (no
section has such a name)."""

AS_SUBMITTED = "as-submitted"
"""The folder of the stage ensemble's result that holds every entry as it would be submitted by itself."""

UNWEIGHED = "weights are not used, this kind of model knows none: only rows of weight 0 are left out"


def read_library(inputs: Mapping[str, Path], of: str = "train") -> dict[str, CrossFit]:
    """Return the entries of every input `<of>:<name>`, by name; a name that occurs twice is a ConfigError."""
    from pipeline.files import read_entries  # here, so that reports and commands get the names without pandas

    entries: dict[str, CrossFit] = {}
    for node in sorted(name for name in inputs if name.startswith(f"{of}:")):
        for name, entry in read_entries(inputs[node] / "entries").items():
            if name in entries or name in (ENSEMBLE, EQUAL, BEST):
                raise ConfigError(
                    f"the entry name '{name}' of {node.removeprefix(f'{of}:')} is taken",
                    hint="rename one of the [models.<name>] sections",
                )
            entries[name] = entry
    return dict(sorted(entries.items()))


def read_as_submitted(ensemble: Path, entries: Mapping[str, CrossFit]) -> dict[str, CrossFit]:
    """Return entries as each would be judged and submitted by itself, which the stage ensemble writes where they are
    not submitted as they are."""
    from pipeline.files import read_entries

    return {**entries, **read_entries(ensemble / AS_SUBMITTED)}


def section_of(name: str, models: Container[str]) -> str:
    """Return which of the [models.<name>] sections a train node belongs to."""
    return name if name in models else name.removesuffix(TUNED).removesuffix(MORE)


def refit_of(entry: str) -> str:
    """Return the variant of the node that fits an entry once more on all rows; no model has such a name."""
    return f"{entry} refit"


def library_nodes(names: Iterable[str]) -> dict[str, str]:
    """Return, of a run's nodes, the one that has the entries of each `train[<name>]`: its refit where it has one."""
    trained = [name.removeprefix("train[").removesuffix("]") for name in names if name.startswith("train[")]
    refits = {refit_of(name) for name in trained}.intersection(trained)
    models = [name for name in trained if name not in refits]
    return {name: f"train[{refit_of(name) if refit_of(name) in refits else name}]" for name in models}
