"""How a member ends: by its epochs, its patience, or a number that is none; and with which of its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from small_networks import MEMBERS, NETWORK, PROGRAM, SIZES, largest_difference, rows_of, views_of

from pipeline.core.fused import predict, train
from pipeline.core.members import Member, View
from pipeline.core.outcome import finished
from pipeline.core.schedule import Schedule
from pipeline.core.wave import shapes_of, start, template


def test_a_diverging_member_keeps_its_last_good_weights_and_the_others_go_on() -> None:
    program = replace(PROGRAM, optimiser="sgd", schedule="constant", epochs=12)
    views = [View(rows_of(1, 60, dtype=torch.float32))]
    calm = Member(0, 3, lr=1e-3)
    wild = replace(calm, lr=1e6)
    good, bad, other = train(program, [calm, wild, replace(calm, seed=4)], views)
    assert bad.diverged
    assert bad.epoch < 12
    assert all(tensor.isfinite().all() for tensor in bad.state.values())
    assert not good.diverged
    assert not other.diverged
    assert largest_difference(train(program, [calm], views)[0].state, good.state) < 1e-5


def test_weights_that_became_infinite_are_not_kept_though_no_loss_tells_of_them() -> None:
    program = replace(PROGRAM, optimiser="sgd", schedule="constant", epochs=1, batch_size=60)
    (member,) = train(program, [Member(0, 3, lr=1e38)], [View(rows_of(1, 60, dtype=torch.float32))])
    assert np.isfinite(member.losses[:, 0]).all()
    assert member.diverged
    assert all(tensor.isfinite().all() for tensor in member.state.values())


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    views = views_of([(40, 6)])
    program = replace(PROGRAM, epochs=15, schedule="constant", parametrisation="standard")
    (best,) = train(program, [Member(0, 1, lr=0.05)], views)
    assert best.epoch == int(best.losses[:, 1].argmin()) + 1
    (stop,) = views[0].stops
    error = float((predict(NETWORK, [best.state], stop)[0] - stop.target).square().mean())
    assert error == pytest.approx(best.losses[:, 1].min(), abs=1e-9)


def test_of_equally_good_epochs_the_first_is_kept() -> None:
    (still,) = train(PROGRAM, [Member(0, 1, lr=0.0)], views_of([(40, 6)]))
    assert len(still.losses) == PROGRAM.epochs
    assert still.epoch == 1


def test_patience_ends_a_member() -> None:
    program = replace(PROGRAM, epochs=200, schedule="constant", parametrisation="standard", patience=3)
    (member,) = train(program, [Member(0, 1, lr=0.05)], views_of([(40, 6)]))
    assert len(member.losses) == member.epoch + 3 < 200


def test_a_member_ends_with_the_first_cycle_that_ends_worse_than_the_one_before() -> None:
    program = replace(PROGRAM, epochs=30, schedule="coslog4", parametrisation="standard")
    members = [Member(0, seed, lr=lr) for seed in range(3) for lr in (1e-4, 0.05)]
    views = views_of([(40, 6)])
    patient, whole = train(replace(program, patience="cycle"), members, views), train(program, members, views)
    for brief, full in zip(patient, whole, strict=True):
        at_ends = full.losses[np.array([2, 6, 14, 30]) - 1, 1]
        worse = [end for end, rose in zip([6, 14, 30], np.diff(at_ends) > 0, strict=True) if rose]
        np.testing.assert_allclose(brief.losses, full.losses[: worse[0] if worse else 30], rtol=0, atol=1e-9)
    assert len({len(member.losses) for member in patient}) > 1


def test_the_end_of_a_cycle_is_compared_with_the_end_of_the_one_before() -> None:
    """And not with the epochs between, in which the learning rate is high."""
    program = replace(PROGRAM, epochs=30, schedule="coslog4", patience="cycle")
    views = views_of([(40, 6)])
    shapes = shapes_of(template(program, views))
    wave = start(program, dict.fromkeys(range(2), Member(0, 1)), views, shapes, torch.device("cpu"))
    wave.state["epoch"][:] = 6
    wave.state["losses"][:, :6, 1] = torch.tensor([[1.1, 1.0, 0.5, 0.5, 0.5, 0.9], [1.1, 1.0, 2.0, 2.0, 2.0, 1.2]])
    assert finished(program, wave) == [1]


@pytest.mark.parametrize("patience", [None, 3, "cycle"])
def test_each_set_of_stopping_rows_keeps_what_it_would_have_kept_alone(patience: int | Literal["cycle"] | None) -> None:
    program = replace(PROGRAM, epochs=30, schedule="coslog4", parametrisation="standard", patience=patience)
    members = [Member(view, seed, lr=lr) for view in range(2) for seed in range(3) for lr in (0.01, 0.1)]
    views = views_of(SIZES[:2], n_stops=2)
    both = train(program, members, views)
    alone = [train(program, members, [View(view.train, (view.stops[number],)) for view in views]) for number in (0, 1)]
    for member, one, other in zip(both, *alone, strict=True):
        for kept, wanted in zip(member.kept, (one, other), strict=True):
            assert kept.epoch == wanted.epoch
            assert largest_difference(kept.state, wanted.state) < 1e-9
        assert len(member.losses) == max(len(one.losses), len(other.losses))
    assert any(one.epoch != other.epoch for one, other in zip(*alone, strict=True))
    assert patience is None or any(len(one.losses) < len(other.losses) for one, other in zip(*alone, strict=True))


@pytest.mark.parametrize("schedule", ["coslog4", "constant"])
def test_without_cycles_or_stopping_rows_no_member_ends_with_one(schedule: Schedule) -> None:
    program = replace(PROGRAM, epochs=15, schedule=schedule, patience="cycle")
    views = views_of([(40, 6)])
    views = views if schedule == "constant" else [View(views[0].train)]
    (member,) = train(program, [Member(0, 1, lr=0.05)], views)
    assert len(member.losses) == 15


def test_fewer_epochs_follow_the_same_schedule() -> None:
    views = [View(view.train) for view in views_of(SIZES)]
    lengths = [2, 4, 1, 3, 4]
    short = train(PROGRAM, [replace(m, epochs=n) for m, n in zip(MEMBERS, lengths, strict=True)], views)
    assert [member.epoch for member in short] == lengths
    full = train(PROGRAM, MEMBERS, views)
    for brief, whole, n in zip(short, full, lengths, strict=True):
        np.testing.assert_allclose(brief.losses, whole.losses[:n], rtol=0, atol=1e-9)
