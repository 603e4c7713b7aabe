"""What an experiment takes over from others: named, there, not its own, and part of what its plan depends on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.config import Experiment, load_experiment
from pipeline.engine.store import Result
from pipeline.errors import ConfigError
from pipeline.learned import worth, worths
from pipeline.workspace import Workspace


def experiment(workspace: Workspace, worth_from: list[str]) -> Experiment:
    folder = workspace.experiments / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "competition.toml").touch()
    (folder / "mine.toml").write_text(f"worth_from = {json.dumps(worth_from)}\n[models.linear]\n")
    return load_experiment(workspace, "shop", "mine")


def made(folder: Path, node: str, facts: dict, config: dict) -> Result:
    return Result(folder, {"node": node, "facts": facts, "parts": {"config": config}})


def test_files_of_named_experiments_are_read_in_their_order(tmp_path: Path) -> None:
    workspace = Workspace(experiments=tmp_path)
    files = [workspace.studies("shop") / "quick.worth.json", workspace.studies("other") / "best.worth.json"]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    found = worths(workspace, "shop", experiment(workspace, ["quick", "other/best"]))
    assert found == {"worth:0": files[0], "worth:1": files[1]}


@pytest.mark.parametrize(("wanted", "said"), [("mine", "is this experiment itself"), ("quick", "nothing is known of")])
def test_what_cannot_be_taken_over_is_refused(wanted: str, said: str, tmp_path: Path) -> None:
    workspace = Workspace(experiments=tmp_path)
    with pytest.raises(ConfigError, match=said):
        worths(workspace, "shop", experiment(workspace, [wanted]))


def test_worth_is_the_weight_of_a_kind_in_the_ensemble(tmp_path: Path) -> None:
    weights = {"autogluon/GBM": 0.25, "autogluon/XGB": 0.25, "net": 0.2, "net-tuned": 0.3}
    (tmp_path / "weights.json").write_text(json.dumps(weights))
    models = {name: {"kind": kind} for name, kind in {"autogluon": "autogluon", "net": "mlp", "ridge": "ridge"}.items()}
    entries = {"autogluon": ["autogluon", "autogluon/GBM", "autogluon/XGB"], "ridge": ["ridge"]}
    entries |= {"net": ["net"], "net-tuned": ["net-tuned"]}
    results = {
        f"train[{n}]": made(tmp_path, f"train[{n}]", {"seconds": dict.fromkeys(own, 1.0)}, {})
        for n, own in entries.items()
    }
    results |= {n: made(tmp_path, n, {}, {"models": models}) for n in ("budget", "ensemble")}
    results["train[tabm]"] = made(tmp_path, "train[tabm]", {"recipe": {}}, {})
    assert worth(results) == {"autogluon": 0.5, "mlp": 0.5, "ridge": 0.0}
