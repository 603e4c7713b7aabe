"""The journal keeps lines until they are told; the mirror tells a result once, even after it was cut off."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine import track
from pipeline.engine.track import Journal, Mirror, Record
from pipeline.errors import TrackingError


def told_of(journal: Journal) -> list[dict[str, Any]]:
    told = list[dict[str, Any]]()
    journal.tell(told.append)
    return told


def test_lines_are_told_in_order_and_only_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "there" / "journal.jsonl")
    journal.append({"n": 1}, {"n": 2})
    journal.append({"n": 3})
    assert [line["n"] for line in told_of(journal)] == [1, 2, 3]
    assert told_of(journal) == []


def test_a_line_waits_until_it_was_told_whatever_came_between(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"n": 1}, {"n": 2})

    def interrupted(line: dict[str, Any]) -> None:
        if line["n"] == 2:
            journal.append({"n": 3})  # by another process
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        journal.tell(interrupted)
    assert [line["n"] for line in journal.lines()] == [2, 3]
    assert [line["n"] for line in told_of(journal)] == [2, 3]


def test_a_torn_line_is_dropped_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"n": 1})
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"n": 2, "resu')
    journal.append({"n": 3})
    assert told_of(journal) == [{"n": 1}, {"n": 3}]
    assert not journal.path.exists()


def test_what_is_no_line_of_ours_is_dropped_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.write_bytes(b"\xff\xfe{\n3\n[]\n\n")
    journal.append({"n": 1})
    assert told_of(journal) == [{"n": 1}]


def test_a_line_that_is_being_written_is_told_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"n": 1})
    told = list[dict[str, Any]]()
    teller = threading.Thread(target=journal.tell, args=(told.append,))
    with FileLock(f"{journal.path}.lock"), journal.path.open("w", encoding="utf-8") as file:  # as `append` does
        file.write('{"n": ')
        file.flush()
        teller.start()
        teller.join(timeout=0.3)
        file.write("2}\n")
    teller.join()
    assert told == [{"n": 2}]


def test_asking_an_empty_journal_writes_nothing(tmp_path: Path) -> None:
    assert told_of(Journal(tmp_path / "journal.jsonl")) == []
    assert list(tmp_path.iterdir()) == []


@given(st.text(min_size=1, max_size=40))
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    assert set(track._name(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. :/")


def test_names_of_stages_stay_readable() -> None:
    assert track._name("seconds/train[mlp]") == "seconds/train.mlp"


class Server:
    """What the mirror needs of MLflow, in memory; the name of a failing method cuts a run off there."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.failing = ""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"unexpected call of {name}")

    def get_experiment_by_name(self, name: str) -> Any:  # noqa: ARG002
        return type("Experiment", (), {"experiment_id": "1", "lifecycle_stage": "active"})

    def search_runs(self, ids: list[str], query: str) -> list[Any]:  # noqa: ARG002
        tag, value = query.removeprefix("tags.`").rstrip("'").split("` = '")
        found = [run_id for run_id, tags in self.runs.items() if tags.get(tag) == value]
        return [
            type("Run", (), {"info": type("I", (), {"run_id": r}), "data": type("D", (), {"tags": self.runs[r]})})
            for r in found
        ]

    def create_run(self, experiment_id: str, started: int, tags: dict[str, str], name: str) -> Any:  # noqa: ARG002
        run_id = str(len(self.runs))
        self.runs[run_id] = dict(tags) | {"name": name}
        return type("Run", (), {"info": type("I", (), {"run_id": run_id})})

    def log_batch(self, run_id: str, **given: Any) -> None:
        if self.failing == "log_batch":
            raise OSError("down")
        assert len(given.get("params", ())) <= 100
        assert len(given.get("metrics", ())) <= 1000
        assert all(math.isfinite(metric.value) for metric in given.get("metrics", ()))
        self.runs[run_id]["values"] = str(int(self.runs[run_id].get("values", "0")) + sum(map(len, given.values())))

    def set_tag(self, run_id: str, tag: str, value: str) -> None:
        self.runs[run_id][tag] = value

    def delete_tag(self, run_id: str, tag: str) -> None:
        del self.runs[run_id][tag]

    def delete_run(self, run_id: str) -> None:
        del self.runs[run_id]

    def set_terminated(self, run_id: str, end_time: int) -> None:
        self.runs[run_id]["ended"] = str(end_time)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(track, "_client", lambda uri: server)  # noqa: ARG005
    return server


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror("houses", "sqlite:///nowhere.db", tmp_path, tmp_path / "lock")


RECORD = Record("default", "k1", metrics={"cv": 0.1}, children=(Record("mlp", metrics={"cv": 0.2}),))


@pytest.mark.filterwarnings("ignore")
def test_a_result_is_told_once(server: Server, mirror: Mirror) -> None:
    assert mirror.write(RECORD)
    assert not mirror.write(RECORD)
    assert sorted(tags["name"] for tags in server.runs.values()) == ["default", "mlp"]


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_was_cut_off_is_replaced_by_a_whole_one(server: Server, mirror: Mirror) -> None:
    server.failing = "log_batch"
    with pytest.raises(TrackingError, match="OSError: down"):
        mirror.write(RECORD)
    assert not mirror.touch("k1", "now")
    server.failing = ""
    assert mirror.write(RECORD)
    assert sorted(tags["name"] for tags in server.runs.values()) == ["default", "mlp"]
    assert mirror.touch("k1", "now")


@pytest.mark.filterwarnings("ignore")
def test_long_curves_and_many_params_go_in_parts(server: Server, mirror: Mirror) -> None:
    curve = [(step, 0.5) for step in range(2500)]
    mirror.write(Record("r", "k", params={f"p{i}": i for i in range(250)}, curves={"loss": curve}))
    assert server.runs["0"]["values"] == "2750"


@pytest.mark.filterwarnings("ignore")
def test_the_address_of_a_run_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password may stand in it."""
    from mlflow.store.tracking.rest_store import RestStore

    info = SimpleNamespace(status="RUNNING", experiment_id="1", run_name="default")
    run = SimpleNamespace(info=info, data=SimpleNamespace(tags={}))
    monkeypatch.setattr(RestStore, "get_run", lambda _store, _run_id: run)
    monkeypatch.setattr(RestStore, "update_run_info", lambda *_arguments, **_more: info)
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "false")
    track._client("http://ann:sekret@127.0.0.1:9").set_terminated("1")
    assert capsys.readouterr().out == ""


def test_reuse_is_counted(server: Server, mirror: Mirror) -> None:
    server.runs["0"] = {"result": "k"}
    mirror.touch("k", "monday")
    mirror.touch("k", "tuesday")
    assert (server.runs["0"]["reused"], server.runs["0"]["reused_at"]) == ("2", "tuesday")
