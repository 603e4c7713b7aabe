"""Rungs: a group is judged by the mean of all its members, leaves as a whole, and nobody else notices."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import MEMBERS, PROGRAM, SIZES, assert_alike, assert_same_bits, lasting, views_of

from pipeline.core import checkpoint, job
from pipeline.core.fused import train
from pipeline.core.members import Trained
from pipeline.core.rungs import Reports, Rungs

CPU = torch.device("cpu")
GROUPS = [0, 1, 0, 1, 2]
WANTED = replace(PROGRAM, epochs=6)


def by_place(place: int, member: Trained) -> float:
    """A member's error: ten times its place, and its epochs on top."""
    return 10.0 * place + len(member.losses)


def rungs(*limits: float, measure: Any = by_place) -> Rungs:
    return Rungs((2, 4)[: len(limits)], limits, GROUPS, measure)


def test_a_group_above_the_limit_leaves_at_its_rung_and_the_others_end_as_ever() -> None:
    views = views_of(SIZES)
    found = train(WANTED, MEMBERS, views, rungs=rungs(30.0, 13.0))
    # means at the first rung: 12, 22, 42; at the second: 14
    assert [len(member.losses) for member in found] == [4, 4, 4, 4, 2]
    assert [member.rungs for member in found] == [(12.0, 14.0), (22.0, 24.0), (12.0, 14.0), (22.0, 24.0), (42.0,)]


def test_members_that_stay_do_not_notice_that_others_left() -> None:
    views = views_of(SIZES)
    found, whole = train(WANTED, MEMBERS, views, rungs=rungs(30.0, 30.0)), train(WANTED, MEMBERS, views)
    assert [member.left for member in found] == [False, False, False, False, True]
    assert len(found[4].losses) == 2
    assert_alike(found[:4], whole[:4])


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.lists(st.integers(1, 6), min_size=5, max_size=5))
def test_neither_the_queue_nor_the_devices_decide_who_leaves(at_once: int, n_devices: int, epochs: list[int]) -> None:
    views, members = views_of(SIZES), lasting(MEMBERS, epochs)
    alone = train(WANTED, members, views, rungs=rungs(30.0, 20.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "plan_capacity", lambda *_: at_once)
        shared = train(WANTED, members, views, devices=[CPU] * n_devices, rungs=rungs(30.0, 20.0))
    assert [(m.rungs, m.left) for m in alone] == [(m.rungs, m.left) for m in shared]
    staying = [place for place, member in enumerate(alone) if not member.left]
    assert_alike([alone[place] for place in staying], [shared[place] for place in staying])


def test_who_leaves_makes_room_for_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "plan_capacity", lambda *_: 2)
    at_once: list[int] = []
    lost = rungs(-math.inf)
    train(WANTED, MEMBERS, views_of(SIZES), rungs=replace(lost, groups=[0, 0, 1, 1, 2]), advance=at_once.append)
    assert at_once == [2, 2, 2, 2, 1, 1]


def test_a_group_leaves_as_soon_as_all_of_its_members_have_shown_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "plan_capacity", lambda *_: 2)

    def measure(place: int, _: Trained) -> float:
        return math.inf if place == 0 else 0.0

    found = train(WANTED, MEMBERS, views_of(SIZES), rungs=Rungs((2,), (1.0,), [0, 0, 1, 1, 1], measure))
    assert [len(member.losses) for member in found] == [2, 2, 6, 6, 6]


def test_who_ended_before_a_rung_shows_what_it_ended_with() -> None:
    found = train(WANTED, lasting(MEMBERS, [1, 6, 6, 6, 6]), views_of(SIZES), rungs=rungs(math.inf, math.inf))
    assert found[0].rungs == ((1 + 22) / 2, (1 + 24) / 2)


def test_an_error_that_is_no_number_is_above_every_limit() -> None:
    found = train(WANTED, MEMBERS, views_of(SIZES), rungs=rungs(math.inf, measure=lambda *_: math.nan))
    assert all(member.left for member in found)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 14), st.integers(1, 5))
def test_a_run_that_died_decides_as_it_would_have(n_epochs: int, at_once: int) -> None:
    views, epoch, done = views_of(SIZES), job.train_epoch, [0]

    def dying(*arguments: Any) -> Any:
        done[0] += 1
        if done[0] == n_epochs + 1:
            raise KeyboardInterrupt
        return epoch(*arguments)

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(checkpoint, "SECONDS", 0.0)
        patch.setattr(job, "plan_capacity", lambda *_: at_once)
        undisturbed = train(WANTED, MEMBERS, views, rungs=rungs(30.0, 13.0))
        patch.setattr(job, "train_epoch", dying)
        try:
            resumed = train(WANTED, MEMBERS, views, rungs=rungs(30.0, 13.0), checkpoint=Path(folder))
        except KeyboardInterrupt:
            resumed = train(WANTED, MEMBERS, views, rungs=rungs(30.0, 13.0), checkpoint=Path(folder))
    assert_same_bits(resumed, undisturbed)
    assert [(m.rungs, m.left) for m in resumed] == [(m.rungs, m.left) for m in undisturbed]


def test_a_group_whose_error_is_the_limit_itself_goes_on() -> None:
    reports = Reports(Rungs((1,), (0.5,), (0, 1), lambda *_: math.nan))
    reports.restore({0: [0.5], 1: [0.6]})
    assert reports.left() == {1}
