"""Which study optuna-dashboard is opened on, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import toy
from toy import node

from pipeline.dashboard import study_of
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import Store
from pipeline.errors import ConfigError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def search(model: str) -> Node:
    return Node("tune", "toy", {"trials": 3}, ("out.txt",), variant=model, function="search", continues=("trials",))


@pytest.fixture(autouse=True)
def studies(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(job: Job) -> None:
        (job.progress / "study.db").write_text("trials")
        (job.out / "out.txt").write_text("done")

    monkeypatch.setattr(toy, "search", write, raising=False)


def test_the_only_search_is_found_and_one_of_several_by_its_name(store: Store) -> None:
    toy.make(store, search("mlp"), search("linear"))
    assert study_of([search("mlp")], store, None).read_text() == "trials"
    assert study_of([search("mlp"), search("linear")], store, "linear").is_file()
    with pytest.raises(ConfigError, match="tunes mlp, linear"):
        study_of([search("mlp"), search("linear")], store, None)


def test_what_is_missing_is_said(store: Store) -> None:
    for nodes, model, said in (
        ([node("ingest")], None, "tunes no model"),
        ([search("mlp")], "tabm", "does not tune 'tabm'"),
        ([search("mlp")], None, "no trials yet"),
    ):
        with pytest.raises(ConfigError, match=said):
            study_of(nodes, store, model)
