"""The graph where spare minutes are used: who is fitted again, and where that makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import make_workspace, nodes

from pipeline.errors import ConfigError
from pipeline.graph import up_to
from pipeline.workspace import Workspace

SPARE = "use_spare_minutes = true\n"
MODELS = """
[models.linear]
[models.ridge]
[models.lightgbm]
[models.autogluon]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def test_models_with_seeds_are_fitted_again_after_all_others_and_blended(workspace: Workspace) -> None:
    graph = nodes(workspace, SPARE + MODELS)
    again = [node for node in graph.values() if node.variant.endswith("+more")]
    assert sorted(node.name for node in again) == ["train[lightgbm+more]", "train[linear+more]"]
    assert {f"train:{node.variant}" for node in again} <= graph["ensemble"].inputs.keys()
    assert all(node.seed != graph[f"train[{node.variant.removesuffix('+more')}]"].seed for node in again)
    assert {i.node for i in graph["budget[spare]"].inputs.values()} >= {"budget", "train[autogluon]", "train[ridge]"}
    order = list(graph)
    assert all(order.index(i.node) < order.index(name) for name in graph for i in graph[name].inputs.values())
    assert "budget[spare]" not in [node.name for node in up_to("budget", list(graph.values()))]


def test_nothing_is_added_where_it_is_not_asked_for(workspace: Workspace) -> None:
    assert not [name for name in nodes(workspace, MODELS) if "more" in name or "spare" in name]


def test_a_refit_predicts_alone(workspace: Workspace) -> None:
    graph = nodes(workspace, SPARE + MODELS.replace("[models.lightgbm]", "[models.lightgbm]\nrefit = true"))
    assert "train[lightgbm+more]" not in graph


def test_more_fits_are_nested_beside_a_stack(workspace: Workspace) -> None:
    graph = nodes(workspace, SPARE + MODELS + '[ensemble]\nkind = "stack"\n')
    assert graph["ensemble"].inputs["nested:lightgbm+more"].node == "nested[lightgbm+more]"
    assert graph["nested[lightgbm+more]"].inputs["recipe"].node == "budget[spare]"


def test_a_search_has_the_minutes_to_itself(workspace: Workspace) -> None:
    searched = MODELS.replace(
        "[models.linear]", '[models.linear]\nlr = { tune = "loguniform", low = 1e-3, high = 0.1 }'
    )
    with pytest.raises(
        ConfigError, match="use_spare_minutes: what is left belongs to the search for linear"
    ) as refused:
        nodes(workspace, SPARE + searched)
    assert "[tune] trials" in str(refused.value.hint)
