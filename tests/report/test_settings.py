"""The settings of a run are read back from its manifests, under the names that its TOML files have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline.report.settings import differing, origins, settings


def result(config: dict[str, Any], **more: Any) -> Any:
    facts = more.pop("facts", {})
    parts = {"config": config, "seed": 0, "plugins": {}, "inputs": {}} | more
    return SimpleNamespace(manifest={"parts": parts}, facts=facts)


def run(**more: Any) -> dict[str, Any]:
    """Return the results of an experiment with one model; more: others, in place of its own."""
    model = {"kind": "ridge", "recipe": {"l1": 0.0}}
    preprocess = {"id": "id", "preprocess": {"drop_constant": True}, "features": ["areas", "ages"]}
    own = {
        "preprocess": result(preprocess),
        "budget": result({"minutes": 10, "models": {"ridge": model}, "tune": {"trials": 0}}),
        "split": result({"kind": "kfold", "n_folds": 5}),
        "ensemble": result({"kind": "shrunk"}),
    }
    return own | more


def test_they_stand_under_the_names_of_the_files() -> None:
    found = settings(run())
    assert found["split.n_folds"] == 5
    assert found["models.ridge.l1"] == 0.0
    assert found["preprocess.features"] == ["areas", "ages"]
    assert found["competition.id"] == "id"


def test_runs_that_do_not_state_their_features_had_those_that_they_read() -> None:
    config = {"id": "id", "preprocess": {"drop_constant": True}}
    early = run(preprocess=result(config, inputs={"ingest": "1", "feature:areas": "2", "feature:ages": "3"}))
    assert differing([settings(early), settings(run())]) == []


def test_what_few_experiments_state_tells_runs_apart() -> None:
    pseudo = {"confidence": 0.9, "weight": 1.0}
    budget = run()["budget"].manifest["parts"]["config"] | {"pseudo": pseudo}
    more = {
        "budget": result(budget),
        "budget[spare]": result({}),
        "ingest[extra rows]": result({}, facts={"files": {"extra 0": {"file": "original.csv"}}}),
        "preprocess[extra rows]": result({"factor": 0.5, "copies": "drop"}),
        "ensemble": result({"kind": "shrunk"}, plugins={"postprocess": "competition_postprocess"}),
    }
    runs = [settings(run()), settings(run(**more))]
    assert differing(runs) == [
        "extra.copies",
        "extra.files",
        "extra.weight",
        "postprocess.py",
        "pseudo.confidence",
        "pseudo.weight",
        "use_spare_minutes",
    ]
    assert (runs[1]["extra.files"], runs[1]["extra.weight"]) == ("original.csv", 0.5)


def test_a_search_space_is_told_bound_by_bound() -> None:
    dimension = {"tune": "loguniform", "low": 0.1, "high": 10.0, "when": {}}
    narrow, wide = ({"tune[ridge]": result({"space": {"penalty": dimension | more}})} for more in ({}, {"low": 0.01}))
    runs = [settings(run(**more)) for more in (narrow, wide)]
    assert differing(runs) == ["models.ridge.space.penalty.low"]
    assert "models.ridge.space.penalty.when" not in runs[0]


def origin(code: dict[str, str], **sources: str) -> Any:
    """Return a result by the digests of its code and of its files, which are called like their roles."""
    parts = {"config": {}, "code": code, "sources": sources}
    return SimpleNamespace(manifest={"parts": parts, "sources": {role: f"{role}.csv" for role in sources}})


def test_own_code_and_files_are_told_by_the_start_of_their_hashes() -> None:
    results = {
        "ingest": origin({"pipeline.stages.ingest": "a" * 64}, train="b" * 64),
        "preprocess[age]": origin({"features.py:age": "c" * 64, "pipeline.features": "d" * 64}),
        "train[friend]": origin({}, oof="e" * 64),
        "ensemble": origin({"metric.py": "f" * 64, "postprocess.py:postprocess": "0" * 64}),
        "submit": origin({"metric.py": "f" * 64}, solution="1" * 64),
    }
    assert origins(results) == {
        "raw file train.csv": "b" * 8,
        "features.py:age": "c" * 8,
        "train[friend] oof.csv": "e" * 8,
        "metric.py": "f" * 8,
        "postprocess.py:postprocess": "0" * 8,
    }


def test_a_function_of_features_differs_by_its_text_and_not_by_who_has_it() -> None:
    with_old, with_new, without = {"features.py:age": "1"}, {"features.py:age": "2"}, {"minutes": 10}
    assert differing([with_old, with_new, without]) == ["features.py:age", "minutes"]
    assert differing([with_old, without]) == ["minutes"]
