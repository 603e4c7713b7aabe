"""A workspace whose files are there but never read, and the graph of an experiment in it."""

from __future__ import annotations

from pathlib import Path

from pipeline.config import load_competition, load_experiment
from pipeline.engine.stage import Node
from pipeline.graph import build
from pipeline.workspace import Workspace

FACTS = """
task = "regression"
id = "id"
target = "y"
metric = "rmse"
submission = "value"
"""


def make_workspace(folder: Path) -> Workspace:
    own = Workspace(folder / "data", folder / "experiments", folder / "submissions")
    own.raw_folder("shop").mkdir(parents=True)
    for name in ("train.csv", "test.csv", "more.csv"):
        (own.raw_folder("shop") / name).write_text("id,x,y\n1,2,3\n")
    (own.experiments / "shop").mkdir(parents=True)
    (own.experiments / "shop" / "competition.toml").write_text(FACTS + '[files]\nsample = ""\n')
    return own


def nodes(workspace: Workspace, experiment: str) -> dict[str, Node]:
    """Return the nodes of an experiment, by their names and in their order."""
    (workspace.experiments / "shop" / "default.toml").write_text(experiment)
    found = build(workspace, load_competition(workspace, "shop"), load_experiment(workspace, "shop", "default"))
    return {node.name: node for node in found}
