"""Running a graph: made once, adopted, made anew when damaged, and nothing half-written whatever happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import toy
from toy import make, node, start

import pipeline.metrics
from pipeline.engine import code
from pipeline.engine.console import Console
from pipeline.engine.run import run, verify
from pipeline.engine.stage import Job, Node, Plugin
from pipeline.engine.store import Store
from pipeline.errors import DataError, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    toy.CALLS.clear()
    return Store(tmp_path / "cache")


def chain() -> list[Node]:
    return [node("a"), node("b", "a"), node("c", "a", "b")]


def read(store: Store, *nodes: Node) -> str:
    return (make(store, *nodes).results[nodes[-1].name].folder / "out.txt").read_text()


def test_every_node_is_made_once_and_handed_on(store: Store) -> None:
    assert read(store, *chain()) == "a|a|b|c"
    assert make(store, *chain()).made == ()
    assert toy.CALLS == ["a", "b", "c"]
    assert verify(store) == (3, [])


def test_a_job_is_handed_what_the_node_names(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Job] = []
    monkeypatch.setattr(toy, "text", lambda job: seen.append(job) or (job.out / "out.txt").touch())
    own = tmp_path / "metric.py"
    own.write_text("NAME = 'own'")
    plugins = {"metric": Plugin("pipeline.metrics.rmse"), "own": Plugin("competition_metric", own)}
    make(store, node("a", seed=7, plugins=plugins, sources={"train": own}))
    job = seen[0]
    assert (job.seed, job.config, job.sources) == (7, {"text": "a"}, {"train": own})
    assert (job.plugins["metric"].__name__, job.plugins["own"].NAME) == ("pipeline.metrics.rmse", "own")


@pytest.mark.parametrize("broken", ["a", "b", "c"])
def test_a_damaged_result_is_made_anew_when_it_is_needed(store: Store, broken: str) -> None:
    outcome = make(store, *chain())
    path = outcome.results[broken].folder / "out.txt"
    path.write_text("x" * len(path.read_text()))
    a, b, c = chain()
    again = make(store, a, b, replace(c, config={"text": "C"}))
    assert (again.results["c"].folder / "out.txt").read_text() == "a|a|b|C"
    assert again.made == {"a": ("a", "c"), "b": ("b", "c"), "c": ("c",)}[broken]


def test_the_result_that_a_cached_run_is_for_is_checked(store: Store) -> None:
    path = make(store, *chain()).results["c"].folder / "out.txt"
    path.write_text("x" * len(path.read_text()))
    assert read(store, *chain()) == "a|a|b|c"


def test_verify_finds_damage_and_sets_it_aside(store: Store) -> None:
    path = make(store, *chain()).results["b"].folder / "out.txt"
    path.write_text("x|y")
    count, damaged = verify(store)
    assert (count, len(damaged), "b wrote" in str(damaged[0])) == (3, 1, True)
    assert verify(store) == (2, [])


def test_facts_and_warnings_are_recorded_and_not_hashed(store: Store) -> None:
    result = make(store, node("a", function="warns")).results["a"]
    assert result.facts == {"warnings": ["FutureWarning: it is old", "it is slow"], "rows": 3}
    assert result.manifest["seconds"] >= 0
    assert result.manifest["outputs"].keys() == {"out.txt"}


@pytest.mark.parametrize(
    ("error", "raised"), [("value", ValueError), ("interrupt", KeyboardInterrupt), ("disk", StoreError)]
)
def test_a_stage_that_fails_leaves_nothing_half_written(store: Store, error: str, raised: type) -> None:
    failing = node("a", function="half", config={"error": error})
    with pytest.raises(raised, match="as told"):
        make(store, failing)
    assert list((store.root / ".building").iterdir()) == []
    assert list(store.results()) == []
    assert [p.read_text() for p in (store.root / ".progress").glob("*/*")] == ["so far"], "to continue from"
    key = run_key(store, failing)
    with store.claimed(key) as is_free:
        assert is_free


def run_key(store: Store, made: Node) -> str:
    from pipeline.engine.plan import plan

    return plan([made], store)[0].key


def test_progress_is_gone_once_its_result_is_there(store: Store) -> None:
    make(store, node("a"))
    assert list((store.root / ".progress").iterdir()) == []


def test_asking_for_more_continues(store: Store) -> None:
    def upto(number: int) -> Node:
        return node("a", function="counts", config={"upto": number}, continues=("upto",))

    facts = [make(store, upto(number)).results["a"].facts["started_from"] for number in (10, 30)]
    assert facts == [0, 10]


def test_a_missing_promise_and_an_empty_graph(store: Store) -> None:
    with pytest.raises(StoreError, match=r"a did not write out\.txt"):
        make(store, node("a", function="nothing"))
    assert list((store.root / ".building").iterdir()) == []
    assert make(store).results == {}


def test_a_raw_file_that_changes_while_it_is_read_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "train.csv"
    raw.write_text("1")
    real = toy.text
    monkeypatch.setattr(toy, "text", lambda job: (raw.write_text("2"), real(job))[1])
    with pytest.raises(DataError, match=r"train\.csv changed while a read it"):
        make(store, node("a", sources={"train": raw}))
    assert list(store.results()) == []


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the package that is imported when a stage runs, not before."""
    path = tmp_path / "pipeline" / "metrics" / "_late.py"
    path.parent.mkdir(parents=True)
    path.write_text("X = 1\n")
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "pipeline")
    monkeypatch.setattr(pipeline.metrics, "__path__", [str(path.parent)])
    monkeypatch.setattr(code, "_taken", {})
    for cached in (code._path, code._memo):
        cached.cache_clear()
    yield path
    sys.modules.pop("pipeline.metrics._late", None)
    for cached in (code._path, code._memo):
        cached.cache_clear()


def test_code_edited_between_key_and_import_is_refused(
    store: Store, late: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "features.py"
    own.write_text("def f():\n    from pipeline.metrics import _late\n    return _late.X\n")
    made = node("a", plugins={"feature": Plugin("competition_features", own, "f")})
    real = toy.text

    def edit_then_import(job: Job) -> dict:
        late.write_text("X = 22\n")
        assert job.plugins["feature"].f() == 22
        return real(job)

    monkeypatch.setattr(toy, "text", edit_then_import)
    with pytest.raises(StoreError, match=r"pipeline\.metrics\._late was edited"):
        make(store, made)
    assert list(store.results()) == []

    result = make(store, made).results["a"]
    assert code.edited([], made.plugins.values(), result.manifest["parts"]["code"]) == []
    late.write_text("X = 333\n")
    monkeypatch.setattr(toy, "text", real)
    assert make(store, replace(made, seed=1)).made == ("a",), "loaded before: it is as old as its digest"


def test_an_own_file_is_run_from_its_text_as_it_is_now(store: Store, tmp_path: Path, monkeypatch) -> None:
    """Python's bytecode cache cannot tell two edits of one second and one size apart."""
    own = tmp_path / "features.py"
    monkeypatch.setattr(
        toy, "text", lambda job: (job.out / "out.txt").write_text(str(job.plugins["feature"].f())) and None
    )
    said = []
    for number in (1, 2, 3):
        own.write_text(f"def f(): return {number}")
        said.append(read(store, node("a", plugins={"feature": Plugin("competition_features", own, "f")})))
    assert said == ["1", "2", "3"]
    assert list(tmp_path.rglob("*.pyc")) == []


WAITS = "print(make(store, node('a', function='waits')).made, flush=True)"


def test_two_processes_race_and_the_second_adopts(store: Store) -> None:
    first = start(store.root, WAITS)
    assert first.stdout is not None
    assert first.stdout.readline() == "half\n"
    second = start(store.root, "print(run([node('a', function='waits')], store, Console()).made, flush=True)")
    assert second.stderr is not None
    assert "a: another run is making it, waiting" in second.stderr.readline()
    assert first.communicate("go\n", timeout=60)[0] == "('a',)\n"
    assert second.communicate(timeout=60)[0] == "()\n"
    result = next(store.results())
    assert result.facts == {"process": first.pid}
    assert (result.folder / "out.txt").read_text() == "done"


def test_a_killed_process_leaves_its_lock_and_its_work_to_the_next(store: Store) -> None:
    killed = start(store.root, WAITS)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "half\n"
    killed.kill()
    killed.communicate()
    assert [p.read_text() for p in store.root.glob(".building/*/out.txt")] == ["do"]
    following = start(store.root, WAITS)
    assert following.communicate("go\n", timeout=60)[0] == "half\n('a',)\n"
    assert verify(store) == (1, [])
    assert list((store.root / ".building").iterdir()) == []


def test_two_that_continue_the_same_wait_for_each_other(store: Store) -> None:
    """Other keys, one study: side by side, each would see the other's trials."""
    more = "function='waits', continues=('upto',), config={'upto': %d}"
    first = start(store.root, f"print(make(store, node('a', {more % 1})).made, flush=True)")
    assert first.stdout is not None
    assert first.stdout.readline() == "half\n"
    second = start(store.root, f"print(run([node('a', {more % 2})], store, Console()).made, flush=True)")
    assert second.stderr is not None
    assert "another run is continuing it" in second.stderr.readline()
    first.communicate("go\n", timeout=60)
    assert second.communicate("go\n", timeout=60)[0] == "half\n('a',)\n"


def test_the_console_says_why_and_is_quiet_when_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run([node("a")], store, Console())
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("a never run before\n  done in ")
