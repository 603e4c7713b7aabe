"""The graph of a stack: what is nested, what it costs, and where nothing can be nested."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import make_workspace, nodes

from pipeline.errors import ConfigError
from pipeline.graph import up_to
from pipeline.workspace import Workspace

MODELS = """
[models.linear]
lr = { tune = "loguniform", low = 1e-3, high = 1e-1 }
[models.lightgbm]
[models.autogluon]
[models.stopped]
kind = "lightgbm"
stop_on = "fold"
"""
STACK = '[ensemble]\nkind = "stack"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def test_a_stack_nests_every_model_that_stops_inside_the_fold_tuned_ones_as_well(workspace: Workspace) -> None:
    graph = nodes(workspace, MODELS + STACK)
    nested = [name for name, node in graph.items() if node.stage == "nested"]
    assert sorted(nested) == ["nested[lightgbm]", "nested[linear-tuned]", "nested[linear]"]
    assert {f"nested:{name[7:-1]}" for name in nested} <= graph["ensemble"].inputs.keys()
    assert graph["nested[linear-tuned]"].inputs["recipe"].node == "tune[linear]"
    assert graph["nested[linear]"].inputs["split"].node == "split[nested]"
    assert graph["budget"].config["nested"] == ["lightgbm", "linear", "linear-tuned"]
    order = list(graph)
    assert all(order.index(i.node) < order.index(name) for name in nested for i in graph[name].inputs.values())
    assert not [node for node in up_to("tune", list(graph.values())) if node.stage == "nested"]


@pytest.mark.parametrize("blender", ["shrunk", "chosen"])
def test_other_blenders_are_not_nested(workspace: Workspace, blender: str) -> None:
    graph = nodes(workspace, f'{MODELS}[ensemble]\nkind = "{blender}"\n')
    assert not [name for name in graph if "nested" in name]
    assert "nested" not in graph["budget"].config


def test_a_choice_that_may_be_a_stack_is_nested(workspace: Workspace) -> None:
    graph = nodes(workspace, f'{MODELS}[ensemble]\nkind = "chosen"\noptions.among = ["shrunk", "stack"]\n')
    assert "nested[linear]" in graph


def test_extra_rows_and_pseudo_labels_reach_nested_fits(workspace: Workspace) -> None:
    more = '[extra]\nfiles = ["more.csv"]\n[pseudo]\nconfidence = 0.9\n'
    node = nodes(workspace, MODELS + STACK + more)["nested[lightgbm]"]
    assert node.inputs["extra"].node == "preprocess[extra rows]"
    assert node.config["pseudo"]["confidence"] == 0.9


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ('[split]\nkind = "time"\n', "cannot be nested in folds of kind 'time'"),
        ("[split]\nn_folds = 2\n", r"found split.n_folds = 2, expected 3 or more"),
    ],
)
def test_folds_that_cannot_be_nested_are_refused(workspace: Workspace, section: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        nodes(workspace, MODELS + STACK + section)
    assert "'shrunk'" in str(refused.value.hint)


def test_models_of_which_none_can_be_nested_are_refused(workspace: Workspace) -> None:
    with pytest.raises(ConfigError, match=r"none of the models can be nested \(autogluon\)"):
        nodes(workspace, "[models.autogluon]\n" + STACK)


def test_a_refit_is_not_nested_and_predicts_test_rows_beside_a_stack(workspace: Workspace) -> None:
    graph = nodes(workspace, MODELS.replace("[models.lightgbm]", "[models.lightgbm]\nrefit = true") + STACK)
    assert not [name for name in graph if name.startswith("nested") and "refit" in name]
    reads = {name: one.node for name, one in graph["ensemble"].inputs.items()}
    assert (reads["train:lightgbm"], reads["nested:lightgbm"]) == ("train[lightgbm refit]", "nested[lightgbm]")
