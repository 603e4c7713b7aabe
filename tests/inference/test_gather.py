"""Which models are gathered to predict new rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.stage import Node
from pipeline.inference.gather import _keeper


@pytest.mark.parametrize(("kept", "keeper"), [("fitted/0-0/model", "train[net refit]"), ("", "train[net]")])
def test_a_refit_predicts_unless_it_came_too_late(kept: str, keeper: str) -> None:
    nodes = {f"train[{v}]": Node("train", "pipeline.stages.train", {}, (), variant=v) for v in ("net", "net refit")}
    results: dict[str, Any] = {name: SimpleNamespace(outputs=lambda: ["fitted/0-0/model"]) for name in nodes}
    results["train[net refit]"] = SimpleNamespace(outputs=lambda: ["entries/net.safetensors", kept])
    assert _keeper("net", nodes["train[net refit]"], nodes, results).name == keeper
