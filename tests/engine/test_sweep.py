"""What a sweep removes, and what it never touches."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy import make, node, start

from pipeline.engine import hold as module
from pipeline.engine.plan import plan
from pipeline.engine.run import verify
from pipeline.engine.store import Store
from pipeline.engine.sweep import made_from, sweep


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def keys(store: Store, *nodes) -> set[str]:
    return {step.key for step in plan(nodes, store) if step.key}


def names(store: Store) -> list[str]:
    return [result.name for result in store.results()]


def test_what_is_not_kept_goes_and_what_is_kept_stays_whole(store: Store) -> None:
    make(store, node("a"), node("b", "a"), node("c"))
    size = sum(p.stat().st_size for p in store.root.glob("c/**/*") if p.is_file())
    swept = sweep(store, keys(store, node("a"), node("b", "a")))
    assert (swept.removed, swept.in_use, swept.bytes) == (("c",), (), size)
    assert names(store) == ["a", "b"]
    assert verify(store) == (2, [])
    assert sweep(store, keys(store, node("a"), node("b", "a"))).removed == ()


def test_an_empty_or_absent_store_is_swept_in_no_time(store: Store) -> None:
    assert sweep(store, set()).removed == ()
    assert not store.root.exists()


def test_what_a_kept_result_was_made_from_stays(store: Store) -> None:
    """A rerun of `a` gave equal bytes, so `b` was not made again: its walk back leads to the old `a`."""
    old, new = node("a", function="constant"), node("a", function="constant", seed=1)
    make(store, old, node("b", "a"))
    make(store, new, node("b", "a"))
    assert sweep(store, keys(store, new, node("b", "a"))).removed == ()
    assert sweep(store, keys(store, new)).removed == ("a", "b")


def test_leftovers_go(store: Store) -> None:
    result = make(store, node("a")).results["a"]
    for name in (".building/0123456789abcdef-1/half", ".damaged/x/file", ".progress/0123456789abcdef/study"):
        path = store.root / name
        path.parent.mkdir(parents=True)
        path.write_text("12345")
    assert sweep(store, {result.key}).bytes == 15
    assert not list(store.root.glob(".[bdp]*/*"))
    assert names(store) == ["a"]


def test_a_study_stays_with_the_result_that_continues_from_it(store: Store) -> None:
    def upto(number: int, seed: int = 0):
        return node("a", function="counts", config={"upto": number}, continues=("upto",), seed=seed)

    make(store, upto(10))
    make(store, upto(10, seed=1))
    sweep(store, keys(store, upto(10)))
    assert make(store, upto(20)).results["a"].facts["started_from"] == 10
    assert make(store, upto(20, seed=1)).results["a"].facts["started_from"] == 0


def test_progress_of_a_kept_result_that_is_not_there_yet_stays(store: Store) -> None:
    failing = node("a", function="half", config={"error": "value"})
    with pytest.raises(ValueError, match="as told"):
        make(store, failing)
    sweep(store, keys(store, failing))
    assert list(store.root.glob(".progress/*/kept.txt"))
    sweep(store, set())
    assert not list(store.root.glob(".progress/*/kept.txt"))


def test_a_result_that_somebody_holds_stays_until_it_is_let_go(store: Store) -> None:
    outcome = make(store, node("a"))
    swept = sweep(store, set())
    assert (swept.removed, swept.in_use) == ((), ("a",))
    assert store.open(outcome.results["a"])
    del outcome
    assert sweep(store, set()).removed == ("a",)


def test_a_result_whose_key_a_run_has_locked_stays(store: Store) -> None:
    make(store, node("a"))
    (result,) = store.results()
    with store.locked(result.key, lambda: None):
        assert sweep(store, set()).in_use == ("a",)
    assert sweep(store, set()).removed == ("a",)


def test_beside_a_run_that_goes_on(store: Store) -> None:
    """The run has adopted `a` and builds `b`: neither is touched, and the run ends well."""
    make(store, node("a"))
    code = "print(make(store, node('a'), node('b', 'a', function='waits')).made, flush=True)"
    running = start(store.root, code)
    assert running.stdout is not None
    assert running.stdout.readline() == "half\n"
    swept = sweep(store, set())
    assert (swept.removed, swept.in_use) == ((), ("a",))
    assert [p.read_text() for p in store.root.glob(".building/*/out.txt")] == ["do"]
    assert len(list((store.root / ".progress").iterdir())) == 1
    assert running.communicate("go\n", timeout=60)[0] == "('b',)\n"
    assert verify(store) == (2, [])
    assert sweep(store, set()).removed == ("a", "b")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_result_moved_away_while_its_lock_was_waited_for_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """The last moment: a sweep has the lock and a run waits for it; then what it has locked is no result any more."""
    path = tmp_path / "manifest.json"
    path.write_text("{}")

    def sweep_first(*_: object) -> None:
        path.rename(tmp_path / "aside")
        if replaced:
            path.write_text("{}")

    monkeypatch.setattr(module.fcntl, "flock", sweep_first)
    assert module.hold(path) is None


def test_what_is_dropped_goes_with_all_that_was_made_from_it_and_its_study_stays(store: Store) -> None:
    cut = node("cut", function="counts", config={"upto": 3}, continues=("upto",))
    nodes = [node("a"), cut, node("b", "cut"), node("c", "b", "a")]
    make(store, *nodes)
    drop = made_from(store, lambda result: result.name == "cut")
    assert sweep(store, keys(store, *nodes), drop).removed == ("b", "c", "cut")
    assert names(store) == ["a"]
    again = node("cut", function="counts", config={"upto": 5}, continues=("upto",))
    assert make(store, again).results["cut"].manifest["facts"] == {"started_from": 3}
