"""The store: whole results or none, never overwritten, and damage is found."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy import node, start

from pipeline.engine.stage import Node
from pipeline.engine.store import Result, Store
from pipeline.errors import DamagedError, StoreError

KEY = "0123456789abcdef" * 4
MANIFEST = {"parts": {}, "inputs": {}, "facts": {"seconds": 1.0}, "finished": "2026-01-01"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def commit(store: Store, made: Node, text: str = "text", key: str = KEY, **files: str) -> Result:
    folder = store.building(key)
    for name, content in {"out.txt": text, **files}.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return store.commit(made, key, folder, dict(MANIFEST))


def everything(store: Store) -> list[str]:
    return sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*") if p.is_file())


def test_a_committed_result_is_found_whole(store: Store) -> None:
    made = commit(store, node("first"), entries__a="A")
    found = store.find(node("first"), KEY)
    assert found is not None
    assert (found.key, found.name, found.facts) == (KEY, "first", {"seconds": 1.0})
    assert (store.open(found) / "entries/a").read_text() == "A"
    assert found.digest() == made.digest()
    assert [p for p in everything(store) if not p.startswith(".locks")] == [
        f"first/all/{KEY[:16]}/{name}" for name in ("entries/a", "manifest.json", "out.txt")
    ]
    assert store.find(node("second"), KEY) is None
    assert store.find(node("first"), KEY[::-1]) is None


def test_the_digest_is_of_contents_and_can_be_narrowed(store: Store) -> None:
    one = commit(store, node("first"), entries__a="A", entries2="B")
    other = commit(store, node("first"), key=KEY[::-1], entries__a="A", entries2="C")
    assert one.digest() != other.digest()
    assert one.digest(("entries", "out.txt")) == other.digest(("entries", "out.txt"))
    assert one.digest(("entries2",)) != other.digest(("entries2",))
    with pytest.raises(ValueError, match="first has no output entri"):
        one.digest(("out.txt", "entri"))


def test_variants_lie_apart_whatever_they_are_called(store: Store) -> None:
    made = [commit(store, node("train", variant=name)).folder for name in ("", "all", "a/b", "..", "a b")]
    assert len({folder.parent for folder in made}) == 5
    assert all(folder.resolve().is_relative_to((store.root / "train").resolve()) for folder in made)
    assert len(list(store.results())) == 5


@pytest.mark.parametrize("promised", ["more.txt", "folder"])
def test_a_promise_not_kept_is_refused(store: Store, promised: str) -> None:
    folder = store.building(KEY)
    (folder / "out.txt").touch()
    (folder / "folder").mkdir()
    made = node("first", outputs=("out.txt", promised))
    with pytest.raises(StoreError, match=f"first did not write {promised}"):
        store.commit(made, KEY, folder, dict(MANIFEST))
    assert store.find(made, KEY) is None


def test_a_result_without_what_the_node_promises_by_now_is_not_found(store: Store) -> None:
    commit(store, node("first"))
    more = node("first", outputs=("out.txt", "more.txt"))
    assert store.find(more, KEY) is None
    commit(store, more, **{"more.txt": "more"})
    assert store.find(more, KEY) is not None


def test_a_stage_may_not_write_the_manifest(store: Store) -> None:
    with pytest.raises(StoreError, match=r"wrote manifest\.json"):
        commit(store, node("first"), **{"manifest.json": "{}"})


def test_facts_that_json_does_not_know_do_not_cost_the_result(store: Store) -> None:
    import numpy as np

    folder = store.building(KEY)
    (folder / "out.txt").touch()
    facts = {"rows": np.int64(3), "path": Path("a"), "error": np.float64(0.5)}
    store.commit(node("first"), KEY, folder, MANIFEST | {"facts": facts})
    found = store.find(node("first"), KEY)
    assert found is not None
    assert found.facts == {"rows": 3, "path": "a", "error": 0.5}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [flip, lambda path: path.unlink(), lambda path: (path.parent / "b").write_text("B")])
def test_damage_is_found_on_opening_and_set_aside(store: Store, damage) -> None:
    result = commit(store, node("first"), entries__a="A")
    damage(result.folder / "entries/a")
    with pytest.raises(DamagedError, match="entries/"):
        store.open(result)
    assert store.find(node("first"), KEY) is None
    assert len(list((store.root / ".damaged").iterdir())) == 1
    with pytest.raises(DamagedError):  # as another run would that had found it before
        store.open(result)
    commit(store, node("first"), entries__a="A")
    assert store.find(node("first"), KEY) is not None


def test_only_the_named_files_are_hashed(store: Store) -> None:
    result = commit(store, node("first"), fitted__large="L")
    flip(result.folder / "fitted/large")
    store.open(result, ("out.txt",))
    with pytest.raises(DamagedError):
        store.open(result, ("fitted",))


def test_what_a_file_browser_leaves_is_no_damage(store: Store) -> None:
    result = commit(store, node("first"))
    (result.folder / ".DS_Store").touch()
    assert store.open(result) == result.folder


def test_a_file_of_another_size_is_not_even_found(store: Store) -> None:
    result = commit(store, node("first"))
    (result.folder / "out.txt").write_text("longer text")
    assert store.find(node("first"), KEY) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"key": 1}', None])
def test_a_torn_or_foreign_manifest_is_no_result(store: Store, content: str | None) -> None:
    result = commit(store, node("first"))
    manifest = result.folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:-20] if content is None else content)
    assert store.find(node("first"), KEY) is None
    assert store.made(node("first")) == []
    assert list(store.results()) == []
    assert commit(store, node("first"), "again").digest() != result.digest(), "it is replaced, not adopted"
    assert store.find(node("first"), KEY) is not None


def test_a_manifest_of_another_key_is_no_result(store: Store) -> None:
    result = commit(store, node("first"))
    manifest = json.loads((result.folder / "manifest.json").read_text())
    (result.folder / "manifest.json").write_text(json.dumps(manifest | {"key": KEY[:16] + "0" * 48}))
    assert store.find(node("first"), KEY) is None


def test_the_second_to_commit_adopts_equal_bytes(store: Store) -> None:
    first = commit(store, node("first"))
    inode = first.folder.stat().st_ino
    assert commit(store, node("first")).folder.stat().st_ino == inode
    assert list((store.root / ".building").iterdir()) == []


def test_a_stage_that_is_not_deterministic_is_found_out(store: Store) -> None:
    first = commit(store, node("first"), "1")
    with pytest.raises(StoreError, match="first gave other bytes"):
        commit(store, node("first"), "2")
    assert (store.open(first) / "out.txt").read_text() == "1"


def test_a_stage_that_says_so_adopts_the_winner_s_bytes(store: Store) -> None:
    honest = node("first", reproducible=False)
    commit(store, honest, "1")
    assert (commit(store, honest, "2").folder / "out.txt").read_text() == "1"


def test_what_was_made_of_a_node_is_told_newest_first(store: Store) -> None:
    for day, key in (("02", "b" * 64), ("03", "a" * 64), ("01", "c" * 64)):
        folder = store.building(key)
        (folder / "out.txt").touch()
        store.commit(node("first"), key, folder, MANIFEST | {"finished": f"2026-01-{day}"})
    assert [result.key[0] for result in store.made(node("first"))] == ["a", "b", "c"]


def test_one_process_waits_for_the_other_s_lock(store: Store) -> None:
    waited = []
    with store.locked(KEY, lambda: waited.append(1)), store.claimed(KEY) as is_free, store.claimed(KEY[::-1]) as other:
        assert (is_free, other, waited) == (False, True, [])
    with store.claimed(KEY) as is_free:
        assert is_free


def test_what_a_killed_run_left_is_cleared_by_the_next(store: Store) -> None:
    leftover = store.root / ".building" / f"{KEY[:16]}-999999"
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    assert list(store.building(KEY).iterdir()) == []
    assert not leftover.exists()


N_SYNCS = 4
"""How often a commit of one file asks the disk to be sure: file, manifest, its folder, the folder above."""
KILLED = """
import os, signal
from pipeline.engine import store as module
calls = 0
def killing(path, real=module._sync):
    global calls
    calls += 1
    if calls == {at}: os.kill(os.getpid(), signal.SIGKILL)
    real(path)
module._sync = killing
make(store, node('first'), node('second', 'first'))
print(calls)
"""


@pytest.mark.parametrize("at", range(1, 2 * N_SYNCS + 2))
def test_a_kill_at_any_moment_of_a_commit_leaves_a_store_that_goes_on(store: Store, at: int) -> None:
    from toy import make

    from pipeline.engine.run import verify

    process = start(store.root, f"exec({KILLED.format(at=at)!r})")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == (-9 if at <= 2 * N_SYNCS else 0), said
    n_whole = (at > N_SYNCS - 1) + (at > 2 * N_SYNCS - 1)  # the last sync of each comes after the rename
    assert verify(store) == (n_whole, [])
    outcome = make(store, node("first"), node("second", "first"))
    assert (outcome.results["second"].folder / "out.txt").read_text() == "first|second"
    assert len(outcome.made) == 2 - n_whole
    assert verify(store) == (2, [])


@pytest.fixture
def nobody() -> Iterator[None]:
    """Give up the rights of root, which no read-only folder stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for inner in (path for path in folder.rglob("*") if path.is_dir()):
        inner.chmod(0o755)  # or nobody but root could remove what is in it
    shutil.rmtree(folder)


def test_a_read_only_cache_serves_and_refuses_to_grow(open_folder: Path, request: pytest.FixtureRequest) -> None:
    store = Store(open_folder / "cache")
    result = commit(store, node("first"))
    with store.locked(KEY, lambda: None):
        pass
    for path in (store.root, *store.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    request.getfixturevalue("nobody")
    assert store.find(node("first"), KEY) == result
    assert store.open(result) == result.folder
    for grow in (store.building, lambda key: store.locked(key, lambda: None).__enter__(), store.progress):
        with pytest.raises(StoreError, match=r"cannot be written: (Permission denied|Read-only)"):
            grow("f" * 64)


def test_a_root_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written: Not a directory") as caught:
        Store(tmp_path / "file" / "cache").building(KEY)
    assert "--data" in caught.value.hint
