"""The plan: each node is cached, or runs for reasons that name the very thing that changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import make, node

from pipeline.engine import key
from pipeline.engine.plan import changed, plan
from pipeline.engine.stage import Input, Node, Plugin
from pipeline.engine.store import Store

PARTS: dict[str, Any] = {
    "scheme": key.SCHEME,
    "stage": "train[mlp]/pipeline.stages.train:run",
    "code": {"pipeline.files": "1", "pipeline.models.mlp": "2"},
    "plugins": {"metric": "pipeline.metrics.rmse"},
    "config": {"models": {"mlp": {"lr": 0.1, "options": {}}}, "path": "x"},
    "inputs": {"split": "1", "preprocess": "2"},
    "sources": {"train": "1"},
    "libraries": {"torch": "2.13.0"},
    "python": "3.11",
    "seed": 1,
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def chain() -> list[Node]:
    return [node("a"), node("b", "a"), node("c", "b")]


def states(store: Store, *nodes: Node) -> list[str]:
    return [step.state for step in plan(nodes, store)]


def reasons(store: Store, *nodes: Node) -> list[tuple[str, ...]]:
    return [step.reasons for step in plan(nodes, store)]


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("scheme", "stage/v0", "cache scheme: stage/v0 → stage/v2"),
        ("stage", "train[mlp]/pipeline.stages.old:run", "stage: train[mlp]/pipeline.stages.old:run → train[mlp]/"),
        ("code", {"pipeline.files": "1", "pipeline.models.mlp": "3"}, "code: pipeline.models.mlp changed"),
        ("code", {"pipeline.files": "1"}, "code: pipeline.models.mlp is read now"),
        ("code", {**PARTS["code"], "pipeline.old": "1"}, "code: pipeline.old is no longer read"),
        ("plugins", {"metric": "pipeline.metrics.mae"}, "plug-in metric: pipeline.metrics.mae → pipeline.metrics.rmse"),
        ("config", {"models": {"mlp": {"lr": 0.2, "options": {}}}, "path": "x"}, "config models.mlp.lr: 0.2 → 0.1"),
        ("config", {"models": {"mlp": {"lr": 0.1}}, "path": "x"}, "config models.mlp.options: absent → {}"),
        ("config", {"models": {"mlp": {"lr": 0.1, "options": {}}}}, "config path: absent → x"),
        ("config", {"path": "x"}, "config models: absent → {'mlp': {'lr': 0.1"),
        ("config", {"models": {}, "path": "x"}, "config models: {} → {'mlp': {'lr': 0.1"),
        ("inputs", {"split": "1", "preprocess": "3"}, "input: preprocess changed"),
        ("inputs", {"split": "1"}, "input: preprocess is read now"),
        ("inputs", {**PARTS["inputs"], "train:old": "3"}, "input: train:old is no longer read"),
        ("sources", {"train": "2"}, "raw file: train changed"),
        ("sources", {}, "raw file: train is read now"),
        ("libraries", {"torch": "2.12.0"}, "library torch: 2.12.0 → 2.13.0"),
        ("libraries", {}, "library torch: not used → 2.13.0"),
        ("python", "3.12", "python: 3.12 → 3.11"),
        ("seed", 2, "seed: 2 → 1"),
    ],
)
def test_each_part_has_a_reason_of_its_own(part: str, value: object, reason: str) -> None:
    found = changed(PARTS, PARTS | {part: value})
    assert len(found) == 1
    assert found[0].startswith(reason)


def test_there_is_a_reason_for_every_part_of_a_key() -> None:
    """A part that no reason speaks of would make a stage run without saying why."""
    parts = key.key_parts(node("a"), {}, {})
    assert parts.keys() == PARTS.keys()
    for part, value in PARTS.items():
        other = {"new": "1"} if isinstance(value, Mapping) else "new"
        assert changed(PARTS | {part: other}, PARTS), part


def test_nothing_changed_is_no_reason_and_no_predecessor_is_one() -> None:
    assert changed(PARTS, PARTS) == []
    assert changed(PARTS, None) == ["never run before"]


def test_a_long_value_is_cut_in_a_reason() -> None:
    assert len(changed(PARTS, PARTS | {"config": {**PARTS["config"], "path": "y" * 1000}})[0]) < 200


def test_a_first_run_waits_for_what_it_reads(store: Store) -> None:
    assert states(store, *chain()) == ["run", "maybe", "maybe"]
    assert reasons(store, *chain()) == [
        ("never run before",),
        ("never run before",),
        ("never run before",),
    ]


def test_a_finished_run_is_cached(store: Store) -> None:
    make(store, *chain())
    assert states(store, *chain()) == ["cached"] * 3
    assert not store.root.joinpath(".planned").exists()


def test_a_plan_writes_nothing(store: Store) -> None:
    plan(chain(), store)
    assert not store.root.exists()


def test_a_change_makes_the_next_ones_maybe_and_says_only_what_is_known(store: Store) -> None:
    make(store, *chain())
    a, b, c = chain()
    assert reasons(store, replace(a, config={"text": "new"}), b, c) == [
        ("config text: a → new",),
        ("after a",),
        ("after b",),
    ]
    assert reasons(store, replace(a, seed=1), replace(b, seed=2), c) == [
        ("seed: 0 → 1",),
        ("seed: 0 → 2",),
        ("after b",),
    ]


def test_going_back_to_an_earlier_config_is_cached(store: Store) -> None:
    a = node("a")
    make(store, a)
    make(store, replace(a, config={"text": "new"}))
    assert states(store, a) == ["cached"]


def test_another_experiment_s_newer_result_is_no_predecessor(store: Store) -> None:
    mine, other = {"text": "a", "lr": 0.1, "epochs": 9}, {"text": "a", "lr": 0.5, "epochs": 5, "width": 7}
    make(store, node("a", config=mine))
    make(store, node("a", config=other))
    assert reasons(store, node("a", config=mine | {"lr": 0.2})) == [("config lr: 0.1 → 0.2",)]


def test_of_results_that_are_as_near_the_newest_is_told(store: Store) -> None:
    for lr in (0.1, 0.3, 0.2):
        make(store, node("a", config={"text": "a", "lr": lr}))
    assert reasons(store, node("a", config={"text": "a", "lr": 0.4})) == [("config lr: 0.2 → 0.4",)]


def test_a_rerun_that_gives_equal_bytes_stops_there(store: Store) -> None:
    a, b = node("a", function="constant"), node("b", "a")
    make(store, a, b)
    other = replace(a, config={"text": "new"})
    assert make(store, other, b).made == ("a",)
    assert states(store, other, b) == ["cached", "cached"]


def test_only_the_files_that_are_read_count(store: Store) -> None:
    a = node("a")
    all_of_it, part = node("b", "a"), replace(node("b"), inputs={"a": Input("a", ("out.txt",))})
    assert make(store, a, all_of_it).results["b"].manifest["parts"]["inputs"]
    make(store, a, part)
    assert states(store, a, part) == ["cached", "cached"]
    with pytest.raises(ValueError, match=r"a has no output other\.txt"):
        plan([a, replace(part, inputs={"a": Input("a", ("other.txt",))})], store)


def test_an_incomplete_result_is_a_reason(store: Store) -> None:
    outcome = make(store, node("a"))
    (outcome.results["a"].folder / "out.txt").unlink()
    assert reasons(store, node("a")) == [("its result is incomplete",)]


def test_an_edited_raw_file_and_plugin_are_reasons(store: Store, tmp_path: Path) -> None:
    raw, features = tmp_path / "train.csv", tmp_path / "features.py"
    raw.write_text("1")
    features.write_text("def area(rows): return 1\ndef other(rows): return 1\n")
    a = node("a", sources={"train": raw}, plugins={"feature": Plugin("competition_features", features, "area")})
    make(store, a)
    features.write_text("def area(rows): return 1\ndef other(rows): return 2\n# a comment")
    assert states(store, a) == ["cached"]
    raw.write_text("2")
    features.write_text("def area(rows): return 2\n")
    assert reasons(store, a) == [("raw file: train changed", "code: features.py:area changed")]
