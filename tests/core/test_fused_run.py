"""Who trains when: members join as others leave, and neither waves, devices nor short memory change their results."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import (
    MEMBERS,
    PROGRAM,
    SIZES,
    assert_alike,
    assert_same_bits,
    largest_difference,
    lasting,
    views_of,
)

from pipeline.core import capacity, devices, fused, job
from pipeline.core.fused import train
from pipeline.core.wave import template

CPU = torch.device("cpu")


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "plan_capacity", lambda *_: 2)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=5, max_size=5), st.integers(1, 5))
def test_waiting_members_join_when_others_leave(epochs: list[int], at_once: int) -> None:
    views, members, trained_at_once = views_of(SIZES), lasting(MEMBERS, epochs), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "plan_capacity", lambda *_: at_once)
        found = train(PROGRAM, members, views, advance=trained_at_once.append)
    assert_alike(found, train(PROGRAM, members, views))
    rounds = [n for n in trained_at_once if n]
    assert sum(rounds) == sum(epochs)
    full = [n == at_once for n in rounds]
    assert full == sorted(full, reverse=True), "a seat stayed empty while members were waiting"


def test_members_are_planned_into_equal_waves_that_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    views = views_of(SIZES)
    whole, at_once = train(PROGRAM, MEMBERS, views), []
    net = template(PROGRAM, views)
    for n_fit, planned in ((1, 1), (2, 2), (3, 3), (4, 3), (5, 5), (100, 5)):
        bytes_each = capacity._member_bytes(PROGRAM, views, net)
        monkeypatch.setattr(capacity, "CPU_BYTES", n_fit * bytes_each)
        assert capacity.plan_capacity(PROGRAM, views, net, 5, CPU) == planned
        at_once.clear()
        assert_alike(train(PROGRAM, MEMBERS, views, advance=at_once.append), whole)
        assert max(at_once) == planned


@pytest.mark.usefixtures("two_at_once")
def test_stopped_members_end_as_they_are_and_waiting_ones_as_they_would_have_begun() -> None:
    views = views_of(SIZES)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    found = train(PROGRAM, MEMBERS, views, stop=stop)
    assert len(asked) == 3
    assert [member.truncated for member in found] == [True] * 5
    assert [len(member.losses) for member in found] == [3, 3, 0, 0, 0]
    assert_alike(found[:2], train(PROGRAM, lasting(MEMBERS[:2], [3, 3]), views))
    for member, untouched in zip(
        found[2:], train(PROGRAM, [replace(m, lr=0.0) for m in MEMBERS[2:]], views), strict=True
    ):
        assert member.epoch == 0
        assert largest_difference(member.state, untouched.state) == 0


def test_who_has_finished_before_the_stop_is_not_truncated() -> None:
    views, members, epochs = views_of(SIZES), lasting(MEMBERS, [4, 1, 4, 2, 4]), []

    def stop() -> bool:
        epochs.append(1)
        return len(epochs) == 2

    found = train(PROGRAM, members, views, stop=stop)
    assert [member.truncated for member in found] == [True, False, True, False, True]
    whole = train(PROGRAM, members, views)
    assert_alike([found[1], found[3]], [whole[1], whole[3]])


class Short:
    """A device whose memory holds only so many members; it fails in the middle of an epoch."""

    def __init__(self, n_members: int, error: Exception) -> None:
        self.n_members, self.error, self.train_epoch = n_members, error, job.train_epoch

    def __call__(self, *arguments: Any) -> Any:
        result = self.train_epoch(*arguments)
        if len(arguments[2].seats) > self.n_members:
            raise self.error
        return result


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["gpu", "cpu", "host"])
def test_out_of_memory_halves_the_wave_and_goes_on(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    views, epochs = views_of(SIZES), []
    whole = train(PROGRAM, MEMBERS, views)
    monkeypatch.setattr(job, "train_epoch", Short(1, error))
    assert_alike(train(PROGRAM, MEMBERS, views, advance=epochs.append), whole)
    assert sum(epochs) == 5 * PROGRAM.epochs
    assert max(epochs) == 1


def test_progress_goes_back_with_a_wave_that_is_sent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    short, left = Short(1, OUT_OF_MEMORY[0]), [job.train_epoch] * 2
    monkeypatch.setattr(job, "train_epoch", lambda *arguments: (left.pop() if left else short)(*arguments))
    epochs = list[int]()
    train(PROGRAM, MEMBERS, views_of(SIZES), advance=epochs.append)
    assert epochs[:3] == [5, 5, -10]
    assert sum(epochs) == 5 * PROGRAM.epochs


def test_memory_that_holds_no_member_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "train_epoch", Short(0, OUT_OF_MEMORY[0]))
    with pytest.raises(torch.OutOfMemoryError):
        train(PROGRAM, MEMBERS, views_of(SIZES))


def test_other_errors_are_not_taken_for_short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "train_epoch", Short(1, RuntimeError("shapes do not match")))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(PROGRAM, MEMBERS, views_of(SIZES))


@pytest.mark.parametrize("n_devices", [2, 3, 7])
def test_devices_share_the_members_and_change_no_result(n_devices: int) -> None:
    views, epochs = views_of(SIZES), []
    found = train(PROGRAM, MEMBERS, views, devices=[CPU] * n_devices, advance=epochs.append)
    assert_alike(found, train(PROGRAM, MEMBERS, views))
    assert sum(epochs) == 5 * PROGRAM.epochs
    assert_same_bits(found, train(PROGRAM, MEMBERS, views, devices=[CPU] * n_devices))


def test_threads_of_a_cpu_are_shared_out_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    views, before, seen = views_of(SIZES), torch.get_num_threads(), list[int]()
    train_epoch = job.train_epoch

    def looking(*arguments: Any) -> Any:
        seen.append(torch.get_num_threads())
        return train_epoch(*arguments)

    monkeypatch.setattr(job, "train_epoch", looking)
    monkeypatch.setattr(fused, "cpu_jobs", lambda n_members: 2)  # noqa: ARG005
    torch.set_num_threads(4)
    try:
        train(PROGRAM, MEMBERS, views)
        assert torch.get_num_threads() == 4
        assert set(seen) == {2}
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("n_threads", "n_members", "jobs"),
    [
        (1, 100, 1),
        (2, 1, 1),
        (2, 2, 2),
        (2, 3, 1),
        (2, 5, 1),
        (2, 9, 2),
        (4, 6, 2),
        (4, 4, 4),
        (4, 20, 4),
        (3, 6, 3),
        (64, 500, 4),
    ],
)
def test_groups_on_a_cpu_are_few_and_nearly_equal(
    n_threads: int, n_members: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    assert devices.cpu_jobs(n_members) == jobs


def test_all_devices_end_when_one_is_told_to_stop() -> None:
    found = train(replace(PROGRAM, epochs=10**6), MEMBERS, views_of(SIZES), devices=[CPU] * 2, stop=lambda: True)
    assert all(member.truncated for member in found)


def test_the_failure_of_one_device_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch, first = job.train_epoch, list[int]()

    def failing(*arguments: Any) -> Any:
        if not first:
            first.append(threading.get_ident())
        if threading.get_ident() == first[0]:
            raise RuntimeError("this card has fallen off the bus")
        return train_epoch(*arguments)

    monkeypatch.setattr(job, "train_epoch", failing)
    before = set(threading.enumerate())  # libraries that other tests have used may keep threads of their own
    with pytest.raises(RuntimeError, match="fallen off the bus"):
        train(replace(PROGRAM, epochs=10**6), MEMBERS, views_of(SIZES), devices=[CPU] * 2)
    assert set(threading.enumerate()) <= before


def test_nobody_trains_where_there_are_no_members() -> None:
    assert train(PROGRAM, [], views_of(SIZES)) == []
