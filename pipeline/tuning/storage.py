"""Where the trials of a search are kept: in a file of its own, or in a database that several machines fill together.

A place is a trial's position in the search; what is tried there depends on the seed and on all earlier waves alone, so
that any machine can work it out. With a database a machine claims places before it fits them: its claim is a running
trial whose heart beats, and the lowest number wins. A claim without a heartbeat is void, and its place is free again.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.errors import StoreError
from pipeline.tuning.address import STUDIES

BEAT_SECONDS, GRACE_SECONDS = 10, 60
POLL_SECONDS = 1.0
ATTEMPTS = 5
PLACE, TOLD = "place", "told"


class Trials(Protocol):
    """What a search needs to know of its trials, and to leave behind; alone: nobody else fills it."""

    alone: bool

    def finished(self) -> Mapping[int, FrozenTrial]:
        """Return all finished trials by their places."""

    def claim(self, places: Sequence[int]) -> list[int]:
        """Return those of the places that this process is to fit now."""

    def tell(self, place: int, trial: FrozenTrial) -> None:
        """Keep a finished trial."""

    def wait(self) -> None:
        """Wait a moment for what others are fitting."""


def is_shared() -> bool:
    """Say whether other processes may fill the same studies."""
    return bool(os.environ.get(STUDIES))


@contextmanager
def opened(folder: Path, name: str) -> Iterator[Trials]:
    """Open a search's trials: those of this name in the database that PIPELINE_STUDIES names, else in a file of its
    folder.

    The name holds the search's key, so that other data, code or settings are another study.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)
    url = os.environ.get(STUDIES)
    storage = _database(url) if url else _file(folder / "study.db")
    shared = None
    try:
        study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
        if not url:
            yield Own(study)
            return
        shared = Shared(study, storage)
        yield shared
    except StorageInternalError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        if not url:
            raise _damaged(folder / "study.db", reason) from None
        raise StoreError(
            f"the database of studies was lost: {reason}", hint="run again: told trials are kept"
        ) from None
    finally:
        if shared is not None:
            shared.close()
        storage.remove_session()
        storage.engine.dispose()


def _file(path: Path) -> RDBStorage:
    """Open a search's own file, or make it."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(f"sqlite:///{path}")
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _damaged(path, str(error).strip().splitlines()[0]) from error


def _damaged(path: Path, reason: str) -> StoreError:
    hint = "where the disk is not full, remove this file and run again: the search begins anew"
    return StoreError(f"the trials of a search in {path} cannot be used: {reason}", hint=hint)


def _database(url: str) -> RDBStorage:
    """Connect; what is wrong with the address or the server is said without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        raise StoreError(f"{STUDIES} is not an address of a database", hint=_EXAMPLE) from None
    for attempt in range(ATTEMPTS):
        try:
            with _heartbeats():
                return RDBStorage(
                    url, {"pool_pre_ping": True}, heartbeat_interval=BEAT_SECONDS, grace_period=GRACE_SECONDS
                )
        except (SQLAlchemyError, ImportError, OSError) as error:
            # two processes that come first make the tables at once, and the slower one is refused
            if "already exists" in str(error) and attempt + 1 < ATTEMPTS:
                continue
            reason = str(error).strip().splitlines()[0]
            raise StoreError(f"{STUDIES}: {shown} cannot be opened: {reason}", hint=_EXAMPLE) from error
    raise AssertionError("unreachable")


@contextmanager
def _heartbeats() -> Iterator[None]:
    """Use Optuna's heartbeats without its warning that they may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


_EXAMPLE = f"{STUDIES}=postgresql+psycopg://user:password@host/name, with `pip install 'psycopg[binary]'`"


class Own:
    """A study that nobody else fills: it holds finished trials only, in the order of their places."""

    alone = True

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def finished(self) -> Mapping[int, FrozenTrial]:
        """Return all finished trials by their places."""
        return {trial.number: trial for trial in self._study.get_trials(deepcopy=False)}

    def claim(self, places: Sequence[int]) -> list[int]:
        """Return all of the places."""
        return list(places)

    def tell(self, place: int, trial: FrozenTrial) -> None:
        """Keep a finished trial."""
        n_told = len(self._study.get_trials(deepcopy=False))
        if place > n_told:
            raise ValueError(f"trial {place} told out of order")
        if place == n_told:  # else it was told before the wave was killed
            self._study.add_trial(trial)

    def wait(self) -> None:
        """Nobody else fits anything."""
        raise ValueError("all places are this process's own")


class Shared:
    """A study that several processes fill; each takes half of what is free, so that all end at about the same time."""

    alone = False

    def __init__(self, study: optuna.Study, storage: RDBStorage) -> None:
        self._study, self._storage = study, storage
        self._claims: dict[int, int] = {}  # trial ids by place
        self._seen: set[int] = set()  # old claims of others that were given a beat
        self._ended = Event()
        self._heart = Thread(target=self._beat, daemon=True)
        self._heart.start()

    def finished(self) -> Mapping[int, FrozenTrial]:
        """Return all finished trials by their places."""
        # a trial that was being told when its claim became void has failed, and is not what it was to become
        told = [t for t in self._study.get_trials(deepcopy=False) if t.user_attrs.get(TOLD) == t.state.name]
        return {trial.user_attrs[PLACE]: trial for trial in reversed(told)}  # the lowest number of a place stays

    def claim(self, places: Sequence[int]) -> list[int]:
        """Return half of the places that nobody is fitting, and make them this process's own."""
        self._fail_dead()
        taken = self._owners()
        done = self.finished()
        free = [place for place in places if place not in taken and place not in done]
        for place in free[: -(-len(free) // 2)]:
            claim = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={PLACE: place})
            number = self._storage.create_new_trial(self._study._study_id, claim)
            self._storage.record_heartbeat(number)
            self._claims[place] = number
        owners, done = self._owners(), self.finished()
        for place, own in list(self._claims.items()):
            if owners.get(place) != own or place in done:
                self._release(place)
        return sorted(self._claims)

    def tell(self, place: int, trial: FrozenTrial) -> None:
        """Keep a finished trial, unless the claim was void by then: then another process fits its place."""
        number = self._claims.pop(place)
        try:
            for name, value in trial.params.items():
                distribution = trial.distributions[name]
                self._storage.set_trial_param(number, name, distribution.to_internal_repr(value), distribution)
            for step, error in trial.intermediate_values.items():
                self._storage.set_trial_intermediate_value(number, step, error)
            for name, value in (trial.user_attrs | {TOLD: trial.state.name}).items():
                self._storage.set_trial_user_attr(number, name, value)
            values = None if trial.value is None else [trial.value]
            self._storage.set_trial_state_values(number, trial.state, values)
        except UpdateFinishedTrialError:
            return

    def wait(self) -> None:
        """Wait a moment for what others are fitting."""
        time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Stop the heartbeat, and free the places that were claimed and not told."""
        self._ended.set()
        self._heart.join()
        with suppress(StorageInternalError):  # a lost server frees them when the grace is over
            for place in list(self._claims):
                self._release(place)

    def _owners(self) -> dict[int, int]:
        """Return of each claimed place the trial whose claim counts: the one with the lowest number."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {trial.user_attrs[PLACE]: trial._trial_id for trial in reversed(trials)}

    def _fail_dead(self) -> None:
        """Make claims void whose heart stopped; one that never beat gets a beat from here, and so its time."""
        with _heartbeats():
            optuna.storages.fail_stale_trials(self._study)
        oldest = datetime.now() - timedelta(seconds=GRACE_SECONDS)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            old = trial.datetime_start is not None and trial.datetime_start < oldest
            if old and trial._trial_id not in self._seen:
                self._seen.add(trial._trial_id)
                self._storage.record_heartbeat(trial._trial_id)

    def _release(self, place: int) -> None:
        try:
            self._storage.set_trial_state_values(self._claims.pop(place), TrialState.FAIL)
        except UpdateFinishedTrialError:
            return

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            for number in list(self._claims.values()):
                with suppress(StorageInternalError):  # the server may be back before the grace is over
                    self._storage.record_heartbeat(number)
