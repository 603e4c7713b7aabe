"""A submission where its user looks for it, and the walk back from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import toy
from toy import node

from pipeline.engine.key import hash_file
from pipeline.engine.stage import Job, Node
from pipeline.engine.store import Result, Store
from pipeline.errors import SubmissionError
from pipeline.publish import kept_keys, provenances, publish, publish_studies, trace


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text("Id,SalePrice\n1,2\n")
    return path


@pytest.fixture(autouse=True)
def submit(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(job: Job) -> None:
        text = (job.inputs["b"] / "out.txt").read_text()
        (job.out / "submission.csv").write_text(f"Id,SalePrice\n{text}\n")
        (job.out / "provenance.json").write_text('{"score": 0.1}')

    monkeypatch.setattr(toy, "submit", write, raising=False)


SUBMIT: dict[str, Any] = {"function": "submit", "outputs": ("submission.csv", "provenance.json")}


def graph(raw: Path, seed: int = 0) -> list[Node]:
    return [
        node("ingest", sources={"train": raw}),
        node("a", "ingest", seed=seed, function="constant"),
        node("b", "ingest", "a"),
        node("submit", "b", **SUBMIT),
    ]


def results(store: Store, raw: Path, seed: int = 0) -> Mapping[str, Result]:
    return toy.make(store, *graph(raw, seed)).results


def test_a_submission_is_named_by_its_bytes_and_says_where_it_is_from(store: Store, raw: Path, tmp_path: Path) -> None:
    found = results(store, raw)
    path = publish(tmp_path / "submissions", "default", found["submit"], found)
    sha256 = hash_file(path)
    assert path.name == f"default-{sha256[:8]}.csv"
    provenance = json.loads(path.with_suffix(".json").read_text())
    assert (provenance["score"], provenance["sha256"]) == (0.1, sha256)
    assert provenance["raw_files"] == {"train.csv": hash_file(raw)}
    assert provenance["results"]["a"] == found["a"].key
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()}
    assert publish(tmp_path / "submissions", "default", found["submit"], found) == path
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()} == before, "nothing is rewritten"


def test_the_walk_reaches_the_raw_files(store: Store, raw: Path, tmp_path: Path) -> None:
    found = results(store, raw)
    path = publish(tmp_path / "submissions", "default", found["submit"], found)
    origins = list(trace(path, store))
    assert [(o.depth, o.what) for o in origins] == [
        (0, path.name),
        (1, "submit"),
        (2, "b"),
        (3, "ingest"),
        (4, "raw file train.csv"),
        (3, "a"),
        (4, "ingest"),
    ]
    assert [o.digest for o in origins if o.what.startswith("raw")] == [hash_file(raw)]
    assert origins[-1].detail == "see above"


def test_the_walk_survives_a_rerun_that_gave_equal_bytes_and_a_sweep(store: Store, raw: Path, tmp_path: Path) -> None:
    from pipeline.engine.sweep import sweep

    publish(tmp_path / "submissions", "default", results(store, raw)["submit"], results(store, raw))
    found = results(store, raw, seed=1)
    assert found["a"].key != results(store, raw)["a"].key
    path = publish(tmp_path / "submissions", "default", found["submit"], found)
    keep = {result.key for result in found.values()}
    del found
    sweep(store, keep)
    assert not [o for o in trace(path, store) if "no longer" in o.detail]


def test_the_walk_is_that_of_the_run_that_published_the_file(store: Store, raw: Path, tmp_path: Path) -> None:
    """Its raw files, where another run, or a rerun of this one, made the same bytes of others."""

    def made(text: str, experiment: str) -> Mapping[str, Result]:
        raw.write_text(text)
        ingest = node("ingest", sources={"train": raw}, function="constant")
        submit = node("submit", "b", config={"of": experiment}, **SUBMIT)
        return toy.make(store, ingest, node("b", "ingest"), submit).results

    def published(text: str, experiment: str) -> Path:
        found = made(text, experiment)
        return publish(tmp_path / "submissions", experiment, found["submit"], found)

    def raw_file(path: Path) -> str:
        return next(origin.digest for origin in trace(path, store) if origin.what.startswith("raw file"))

    first, second = published("Id\n1\n", "first"), published("Id\r\n1\r\n", "second")
    for path in (first, second):
        assert [raw_file(path)] == [*json.loads(path.with_suffix(".json").read_text())["raw_files"].values()]
    assert published("Id\n1\n\n", "first") == first
    assert raw_file(first) == hash_file(raw)
    first.with_suffix(".json").unlink()
    assert raw_file(first) != "", "without it the newest is told"


FOREIGN = ['{"a": 1}', "[]", "text", '{"results": []}', '{"results": {"a": []}, "experiment": "b"}', b"\xff", None]


def test_files_of_others_beside_the_submissions_are_passed_over(store: Store, raw: Path, tmp_path: Path) -> None:
    found = results(store, raw)
    folder = tmp_path / "submissions"
    publish(folder, "default", found["submit"], found)
    for place, content in enumerate(FOREIGN):
        path = folder / f"{place}.json"
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert [provenance["experiment"] for provenance in provenances(folder)] == ["default"]
    assert kept_keys(folder) == {result.key for result in found.values()}


def test_an_edited_submission_is_refused(store: Store, raw: Path, tmp_path: Path) -> None:
    found = results(store, raw)
    path = publish(tmp_path / "submissions", "default", found["submit"], found)
    path.write_text(path.read_text() + "2,3\n")
    with pytest.raises(SubmissionError, match="was not made by any result") as caught:
        list(trace(path, store))
    assert "edited" in caught.value.hint
    with pytest.raises(SubmissionError, match="does not exist"):
        list(trace(tmp_path / "no.csv", store))
    publish(tmp_path / "submissions", "default", found["submit"], found)
    assert list(trace(path, store)), "publishing again restores it"


def test_bytes_that_are_not_the_result_s_are_not_published(store: Store, raw: Path, tmp_path: Path) -> None:
    found = results(store, raw)
    file = found["submit"].folder / "submission.csv"
    file.write_text(file.read_text().replace("1", "9"))
    with pytest.raises(SubmissionError, match="damaged"):
        publish(tmp_path / "submissions", "default", found["submit"], found)
    assert not (tmp_path / "submissions").exists()


def test_trials_are_left_for_other_experiments(store: Store, raw: Path, tmp_path: Path) -> None:
    found = dict(results(store, raw))
    for file in ("trials.parquet", "best.json"):
        (found["b"].folder / file).write_text(file)
    publish_studies(tmp_path / "studies", "wide", {"tune[mlp]": found["b"], "submit": found["submit"]})
    left = {path.name: path.read_text() for path in (tmp_path / "studies").iterdir()}
    assert left == {"wide.mlp.trials.parquet": "trials.parquet", "wide.mlp.best.json": "best.json"}
