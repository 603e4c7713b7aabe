"""A study in a database that several processes fill: no place twice, none lost, and the same trials as with one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path

import forked
import optuna
import pytest
import searches
from optuna.trial import FrozenTrial, TrialState
from searches import Model, make_job, trials_of

from pipeline.errors import StoreError
from pipeline.stages import tune
from pipeline.tuning import storage
from pipeline.tuning.address import STUDIES
from pipeline.tuning.search import read_oof

LR = optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)
WIDTH = optuna.distributions.CategoricalDistribution([0, 1, 2])
N_TRIALS = 14


def trial(error: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    return optuna.trial.create_trial(
        params={"lr": 0.01, "width": 2},
        distributions={"lr": LR, "width": WIDTH},
        value=error if state is TrialState.COMPLETE else None,
        state=state,
        intermediate_values={1: 0.5, 2: 0.25},
        user_attrs={"fold_errors": [[0.1, 0.2]]},
    )


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STUDIES, f"sqlite:///{tmp_path / 'shared.db'}")
    (tmp_path / "key").mkdir()
    return tmp_path / "key"


def assert_kept(found: FrozenTrial, wanted: FrozenTrial) -> None:
    for part in ("params", "distributions", "state", "intermediate_values"):
        assert getattr(found, part) == getattr(wanted, part)
    assert found.value == wanted.value
    assert found.user_attrs.items() >= wanted.user_attrs.items()


@pytest.mark.parametrize("place", [0, 4096])
def test_a_file_of_trials_that_is_damaged_is_told(tmp_path: Path, place: int) -> None:
    with storage.opened(tmp_path, "key") as kept:
        kept.tell(0, trial(0.5))
    file = tmp_path / "study.db"
    content = file.read_bytes()
    file.write_bytes(content[:place] + b"?" * (len(content) - place))
    with pytest.raises(StoreError, match=r"study\.db cannot be used: ") as caught, storage.opened(tmp_path, "key"):
        pass
    assert "remove this file" in caught.value.hint


@pytest.mark.parametrize("shared", [False, True])
def test_what_was_told_is_there_when_it_is_opened_again(
    address: Path, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shared:
        monkeypatch.delenv(STUDIES)
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE]
    told = {place: trial(0.1 * place, state) for place, state in enumerate(states)}
    with storage.opened(address, "mlp") as kept:
        while open_places := [place for place in told if place not in kept.finished()]:
            for place in kept.claim(open_places):
                kept.tell(place, told[place])
    with storage.opened(address, "mlp") as kept:
        assert kept.finished().keys() == told.keys()
        for place, found in kept.finished().items():
            assert_kept(found, told[place])


def test_two_processes_claim_different_places_and_what_one_leaves_is_free(address: Path) -> None:
    with storage.opened(address, "mlp") as one:
        with storage.opened(address, "mlp") as other:
            ours, theirs = one.claim(range(8)), other.claim(range(8))
            assert len(ours) == 4
            assert len(theirs) == 2
            assert not {*ours} & {*theirs}
        assert {*one.claim(range(8))} > {*ours}


def test_what_others_are_fitting_is_not_claimed(address: Path) -> None:
    with storage.opened(address, "mlp") as one, storage.opened(address, "mlp") as other:
        assert one.claim([0]) == [0]
        assert other.claim([0]) == []


def test_a_claim_whose_heart_stopped_is_void_and_its_place_is_fitted_by_another(
    address: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage.opened(address, "mlp") as dead, storage.opened(address, "mlp") as other:
        assert dead.claim([0]) == [0]
        monkeypatch.setattr(optuna.storages, "fail_stale_trials", _fail_running)
        assert other.claim([0]) == [0]
        other.tell(0, trial(0.5))
        dead.tell(0, trial(0.9))  # it was only slow: what it says comes too late
        assert other.finished()[0].value == 0.5


def test_a_claim_that_never_had_a_heartbeat_is_void_in_the_end(address: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed between its claim and its first beat must not keep the others waiting for ever."""
    with storage.opened(address, "mlp") as dead, storage.opened(address, "mlp") as other:
        monkeypatch.setattr(dead._storage, "record_heartbeat", lambda _: None)
        assert dead.claim([0]) == [0]
        monkeypatch.setattr(storage, "GRACE_SECONDS", 0)
        monkeypatch.setattr(other._storage, "grace_period", 0)
        assert other.claim([0]) == []  # it gets a beat, and with it a time to live
        while not other.claim([0]):
            pass


def test_a_trial_that_was_half_told_when_its_claim_became_void_is_not_finished(address: Path) -> None:
    with storage.opened(address, "mlp") as one:
        one.claim([0])
        one._storage.set_trial_user_attr(one._claims[0], storage.TOLD, TrialState.COMPLETE.name)
        _fail_running(one._study)
        assert one.finished() == {}


def _fail_running(study: optuna.Study) -> None:
    for running in study.get_trials(states=(TrialState.RUNNING,)):
        study._storage.set_trial_state_values(running._trial_id, TrialState.FAIL)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is not an address of a database"),
        ("postgresql+psycopg://me:secret@localhost:1/none", "cannot be opened"),
        ("unknown://me:secret@host/none", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_a_message_without_its_password(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STUDIES, url)
    with pytest.raises(StoreError, match=said) as error, storage.opened(tmp_path, "mlp"):
        pass
    assert "secret" not in f"{error.value} {error.value.hint}"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The trials that a search finds which shares its study with nobody."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STUDIES, f"sqlite:///{folder / 'alone.db'}")
        tune.run(make_job(folder / "work", Model(), N_TRIALS, folder / "key"))
    return trials_of(folder / "work")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A server of its own, below a temporary folder, reached by a socket there."""
    if shutil.which("postgres") is None or shutil.which("initdb") is None:
        pytest.skip("needs PostgreSQL's server: postgres and initdb")
    pytest.importorskip("psycopg", reason="needs psycopg, PostgreSQL's client: pip install 'psycopg[binary]'")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    user = {"user": "postgres"} if os.geteuid() == 0 else {}  # the server refuses to be root
    if user:
        shutil.chown(folder, "postgres")
    subprocess.run(["initdb", "-D", folder / "db", "-U", "me", "-A", "trust"], check=True, capture_output=True, **user)
    words = ["postgres", "-D", folder / "db", "-k", folder, "-h", "", "-F"]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=folder, **user)
    assert server.stderr is not None
    for line in server.stderr:
        if "ready to accept connections" in line:
            break
    yield f"postgresql+psycopg://me@/postgres?host={folder}"
    server.send_signal(signal.SIGINT)
    server.communicate()
    shutil.rmtree(folder)


class Process:
    """A worker in a process of its own, with a data folder of its own; those whose folders lie together share a study.

    grace: seconds without a sign of life after which another's claim is void.
    """

    def __init__(self, folder: Path, url: str, grace: int = 600) -> None:
        self.folder = folder
        (self.said, said), (told, self.told) = Pipe(duplex=False), Pipe(duplex=False)
        self.process = forked.start(searches.work, folder, url, N_TRIALS, grace, said, told)
        for end in (said, told):
            end.close()

    def fitting(self) -> list[str]:
        """Wait until it fits something, and return what."""
        found: list[str] = self.said.recv()
        return found

    def go_on(self) -> None:
        """Let it go on to its end."""
        self.told.close()

    def finish(self) -> int:
        """Wait for its end; return how often it fitted trials since it was last asked."""
        n_fits = 0
        with suppress(EOFError):
            while self.fitting():
                n_fits += 1
        self.process.join()
        assert self.process.exitcode == 0
        return n_fits

    @property
    def trials(self) -> bytes:
        return trials_of(self.folder / "work")


def test_two_workers_on_postgresql_find_what_one_finds(postgresql: str, alone: bytes, tmp_path: Path) -> None:
    one, other = (Process(tmp_path / name, postgresql) for name in ("one", "other"))
    assert not {*one.fitting()} & {*other.fitting()}  # both hold places of the first wave now
    for process in (one, other):
        process.go_on()
    for process in (one, other):
        process.finish()
    assert one.trials == other.trials == alone


def test_a_worker_that_is_killed_loses_nothing_but_its_time(postgresql: str, alone: bytes, tmp_path: Path) -> None:
    killed = Process(tmp_path / "killed", postgresql)
    assert killed.fitting()
    killed.process.kill()
    killed.process.join()
    works = Process(tmp_path / "works", postgresql, grace=3)
    works.go_on()
    assert works.finish() > 0
    assert works.trials == alone


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"?" * 80])
def test_predictions_of_a_trial_that_are_damaged_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "oof-0.npy"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"oof-0\.npy is damaged") as caught:
        read_oof(path)
    assert f"remove {tmp_path} and run again" in caught.value.hint
