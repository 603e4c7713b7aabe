"""The key: everything a result depends on changes it, and nothing else does."""

from __future__ import annotations

import string
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import key
from pipeline.engine.plan import changed
from pipeline.engine.stage import Node, Plugin
from pipeline.errors import DataError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
NODE = Node(
    stage="split",
    variant="tune",
    module="pipeline.stages.split",
    config={"kind": "kfold", "options": {"shuffle": True, "gap": None}},
    outputs=("folds.safetensors",),
    plugins={"splitter": Plugin("pipeline.splitters.kfold"), "metric": Plugin("pipeline.metrics.rmse")},
    seed=3,
)
INPUTS, SOURCES = {"preprocess": "a" * 64}, {"train": "b" * 64}


def key_of(node: Node = NODE, inputs: dict[str, str] = INPUTS, sources: dict[str, str] = SOURCES) -> str:
    return key.digest(key.key_parts(node, inputs, sources))


def with_plugin(role: str, module: str) -> Node:
    return replace(NODE, plugins={**NODE.plugins, role: Plugin(module)})


@pytest.mark.parametrize(
    "other",
    [
        replace(NODE, stage="cut"),
        replace(NODE, variant=""),
        replace(NODE, module="pipeline.stages.budget"),
        replace(NODE, function="run_again"),
        replace(NODE, config={**NODE.config, "kind": "time"}),
        replace(NODE, config={**NODE.config, "options": {"shuffle": 1, "gap": None}}),
        replace(NODE, config={**NODE.config, "more": None}),
        replace(NODE, seed=4),
        with_plugin("splitter", "pipeline.splitters.time"),
        with_plugin("more", "pipeline.metrics.mae"),
    ],
    ids=["stage", "variant", "module", "function", "config", "config type", "config key", "seed", "plug-in", "role"],
)
def test_every_part_of_a_node_changes_the_key(other: Node) -> None:
    assert key_of(other) != key_of()


def test_two_plugins_that_swap_their_roles_change_the_key() -> None:
    """The code that is reached stays the same: only the roles tell them apart."""
    ours = replace(NODE, plugins={"a": Plugin("pipeline.metrics.mae"), "b": Plugin("pipeline.metrics.mse")})
    swapped = replace(NODE, plugins={"a": ours.plugins["b"], "b": ours.plugins["a"]})
    parts = [key.key_parts(node, INPUTS, SOURCES) for node in (ours, swapped)]
    assert parts[0]["code"] == parts[1]["code"]
    assert key.digest(parts[0]) != key.digest(parts[1])
    assert "plug-in a: pipeline.metrics.mse → pipeline.metrics.mae" in changed(parts[0], parts[1])


def test_contents_of_inputs_and_sources_change_the_key() -> None:
    others = [
        key_of(inputs={"preprocess": "c" * 64}),
        key_of(inputs={"prepared": "a" * 64}),
        key_of(sources={"train": "c" * 64}),
        key_of(inputs=SOURCES, sources=INPUTS),
    ]
    assert len({key_of(), *others}) == 5


def test_code_and_library_and_python_versions_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setattr(key, "_version", lambda _: "9.9")
    newer = key_of()
    monkeypatch.setattr(sys, "version_info", type("V", (), {"major": 3, "minor": 99}))
    assert len({before, newer, key_of()}) == 3
    assert key.key_parts(NODE, {}, {})["libraries"]["numpy"] == "9.9"


def test_what_a_node_promises_and_paths_do_not_change_the_key(tmp_path: Path) -> None:
    other = replace(NODE, outputs=("more",), sources={"train": tmp_path}, continues=("kind",), reproducible=False)
    assert key_of(other) == key_of()
    files = [tmp_path / name / "features.py" for name in ("here", "there")]
    keys = set()
    for file in files:
        file.parent.mkdir()
        file.write_text("def area(rows): return rows")
        keys.add(key_of(replace(NODE, plugins={"feature": Plugin("competition_features", file, "area")})))
    assert len(keys) == 1


def test_device_and_threads_do_not_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of()
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert key_of() == before


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: object) -> None:
    assert key.canonical(_reversed(value)) == key.canonical(value)


def _reversed(value: object) -> object:
    if isinstance(value, dict):
        return {name: _reversed(value[name]) for name in reversed(value)}
    return [_reversed(part) for part in value] if isinstance(value, list) else value


@given(JSON, JSON)
def test_different_values_have_different_texts(one: object, other: object) -> None:
    assert (key.canonical(one) == key.canonical(other)) == (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(part) for part in value] if isinstance(value, list) else value


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        key.digest({"lr": float("nan")})


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert key.hash_file(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(DataError, match="does not exist"):
        key.hash_file(tmp_path / "abd")
    with pytest.raises(DataError, match="cannot be read"):
        key.hash_file(tmp_path)


def test_a_library_is_found_by_the_name_it_is_imported_by() -> None:
    assert key._version("numpy")[0].isdigit()
    assert key._version("dateutil").startswith("python-dateutil 2."), "imported under another name than installed by"
    assert key._version("no_such_library") == "not installed"
    assert "+" not in key._version("torch")


def test_results_that_differ_only_in_how_long_they_went_on_share_progress() -> None:
    longer = replace(NODE, config={**NODE.config, "minutes": 9}, continues=("trials", "minutes"))
    even_longer = replace(longer, config={**NODE.config, "minutes": 99})
    other = replace(even_longer, seed=99)
    shared = [
        key.progress_key(n, key.key_parts(n, {**INPUTS, "trials": trials * 64}, SOURCES))
        for n, trials in ((longer, "c"), (longer, "d"), (even_longer, "d"), (other, "d"))
    ]
    assert shared[0] == shared[1] == shared[2] != shared[3]
    assert key.progress_key(NODE, key.key_parts(NODE, INPUTS, SOURCES)) == key_of()


def test_a_member_of_an_archive_has_the_archives_bytes(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    archive.write_bytes(b"any bytes")
    assert key.hash_file(archive / "train.csv") == key.hash_file(archive / "inner.zip" / "x.csv")
    assert key.hash_file(archive / "train.csv") == key.hash_file(archive)
    with pytest.raises(DataError, match="does not exist"):
        key.hash_file(tmp_path / "none.zip" / "train.csv")
