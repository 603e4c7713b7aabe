"""The monitor names the illness that a network was given on purpose, and finds nothing in a healthy one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.core.blocks import Architecture
from pipeline.core.diagnosis import read_curves, read_errors, read_fates, read_layers
from pipeline.core.fused import train
from pipeline.core.members import EncodedRows, Member, Program, Trained, View
from pipeline.core.schedule import SCHEDULES, Schedule
from pipeline.models._network_findings import layers

HEALTHY = Program(Architecture(1, (32,)), "squared", epochs=30, batch_size=32, init="he", schedule="cosine")


def trained(program: Program, lr: float, *, stop: bool = False, scale: float = 1.0) -> list[Trained]:
    """Three networks on a noisy smooth function of four columns; with `stop` on 40 rows only, the others to stop on."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(320, 4, generator=generator)
    y = (x[:, :1] + torch.sin(2 * x[:, 1:2])) / 1.2 + 0.2 * torch.randn(320, 1, generator=generator)
    rows = EncodedRows(scale * x, torch.zeros(320, 0, dtype=torch.int64), y)
    few = EncodedRows(*(part[:40] for part in (rows.dense, rows.codes, rows.target)))
    rest = EncodedRows(*(part[40:] for part in (rows.dense, rows.codes, rows.target)))
    view = View(few, (rest,)) if stop else View(rows)
    return train(program, [Member(0, seed, lr=lr) for seed in range(3)], [view])


def curves_of(program: Program, lr: float, *, stop: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The schedule, and loss curves (3, epochs, 2)."""
    rates = np.array([SCHEDULES[program.schedule](t / program.epochs) for t in range(program.epochs)])
    return rates, np.stack([member.losses for member in trained(program, lr, stop=stop)])


def signs(curves: tuple[np.ndarray, np.ndarray]) -> set[str]:
    rates, losses = curves
    return {finding.sign for finding in read_curves(losses[..., 0], losses[..., 1], rates, silent_loss=1.0)}


@pytest.mark.parametrize("lr", [0.01, 0.1])
def test_a_healthy_network_is_left_alone_however_steeply_its_loss_falls(lr: float) -> None:
    assert signs(curves_of(HEALTHY, lr)) == set()


@pytest.mark.parametrize("schedule", ["constant", "cosine", "coslog4"])
@pytest.mark.parametrize("lr", [1e-6, 1e-4])
def test_a_learning_rate_too_low_is_seen_whatever_its_schedule(lr: float, schedule: Schedule) -> None:
    assert signs(curves_of(replace(HEALTHY, schedule=schedule), lr)) == {"learning rate too low"}


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_a_learning_rate_too_high_is_seen(optimiser: str) -> None:
    for lr in (1.0, 10.0):  # it starts far above a constant's loss, and falls
        assert signs(curves_of(replace(HEALTHY, optimiser=optimiser, schedule="constant"), lr)) == {
            "learning rate too high"
        }


def test_batches_of_two_rows_jitter() -> None:
    assert "jitter" in signs(curves_of(replace(HEALTHY, batch_size=2, schedule="constant", epochs=12), 0.3))


def test_learning_forty_rows_by_heart_is_overfitting() -> None:
    large = replace(HEALTHY, architecture=Architecture(1, (256, 256)), epochs=200)
    assert "overfitting" in signs(curves_of(large, 0.003, stop=True))


@pytest.mark.parametrize(
    ("train_error", "valid_error", "found"),
    [(0.2, 1.0, ["overfitting"]), (0.8, 1.0, []), (1.0, 1.0, ["underfitting"]), (0.2, 0.2, [])],
)
def test_errors_speak_of_capacity(train_error: float, valid_error: float, found: list[str]) -> None:
    assert [finding.sign for finding in read_errors(train_error, valid_error, constant_error=1.2)] == found


ILL = {
    "nothing": HEALTHY,
    "vanishing gradients": replace(HEALTHY, architecture=Architecture(1, (32,) * 8, "sigmoid"), init="xavier"),
    "exploding gradients": HEALTHY,  # on columns that nobody scaled
    "dead units": replace(HEALTHY, architecture=Architecture(1, (32, 32)), schedule="constant"),
}


@pytest.mark.parametrize("illness", ILL)
def test_layers_that_vanish_explode_and_fall_silent_are_seen(illness: str) -> None:
    lr = {"exploding gradients": 1e-6, "dead units": 1.0}.get(illness, 0.003)
    scale = 1e5 if illness == "exploding gradients" else 1.0
    names, gradients, dead = layers(trained(ILL[illness], lr, scale=scale))
    assert [finding.sign for finding in read_layers(names, gradients, dead)] == [illness] * (illness != "nothing")


def test_layers_are_named_and_what_was_not_measured_is_left_out() -> None:
    gradients = np.array([[1e-7, 1.0, 0.5, np.nan], [1e-7, 1.1, np.inf, np.nan]])
    dead = np.array([[np.nan, 0.9, 0.1, np.nan], [np.nan, 0.8, 0.0, np.nan]])
    vanished, silent = read_layers(("a", "b", "c", "d"), gradients, dead)
    assert vanished.seen.startswith("a learn 9.5e-08 times")
    assert silent.seen == "of the units of b up to 85% give the same for all rows"
    assert not list(read_layers(("a", "b"), np.empty((0, 2)), np.empty((0, 2))))


def test_curves_of_members_that_ended_early_are_read_as_far_as_half_of_them_went() -> None:
    curves = np.geomspace(1, 0.1, 20)[None].repeat(3, axis=0)
    curves[0, 1:] = np.nan
    assert not list(read_curves(curves, np.full_like(curves, np.nan), np.ones(20), silent_loss=1.0))
    assert not list(read_curves(np.full((2, 3), np.nan), np.full((2, 3), np.nan), np.ones(3), silent_loss=1.0))


def test_diverged_members_are_counted() -> None:
    (finding,) = read_fates(np.array([True, False, True]))
    assert finding.seen.startswith("2 of 3 networks")
    assert not list(read_fates(np.zeros(3, dtype=bool)))
